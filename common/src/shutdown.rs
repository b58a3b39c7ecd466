//! Stopping: signals become a token, and tasks end in order within a deadline.
//!
//! No task is detached: each is in a [`JoinSet`] that [`supervise`] watches. One that ends by a fault
//! takes the process down in order, instead of leaving it half alive.

use std::io;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long a long-running process may take to end once it was asked to.
pub const GRACE: Duration = Duration::from_secs(8);

/// Cancels the token it answers with at the first SIGTERM or ctrl-c. The watching task
/// joins `tasks` and ends with the token.
///
/// # Errors
///
/// [`io::Error`] when signals can't be listened to.
pub fn on_signal(tasks: &mut JoinSet<Result<()>>) -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let token = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("ctrl-c: stopping"),
            () = token.cancelled() => {}
        }
        token.cancel();
        Ok(())
    });
    Ok(stop)
}

/// Runs all tasks to their end. The first to end stops the others, which then have `grace`.
///
/// # Errors
///
/// The first task's fault, a panic, or tasks that overran `grace`.
pub async fn supervise(mut tasks: JoinSet<Result<()>>, stop: CancellationToken, grace: Duration) -> Result<()> {
    let all = async {
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            stop.cancel();
            outcome = outcome.and(ended.context("task panicked").flatten());
        }
        outcome
    };
    let overrun = async {
        stop.cancelled().await;
        sleep(grace).await;
    };
    tokio::select! {
        outcome = all => outcome,
        () = overrun => bail!("tasks still running {grace:?} after stop"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_fault_stops_all_and_is_reported() {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move {
            token.cancelled().await;
            Ok(())
        });
        tasks.spawn(async { bail!("disk on fire") });
        let outcome = supervise(tasks, stop, GRACE).await;
        assert_eq!(outcome.map_err(|error| error.to_string()), Err("disk on fire".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_given_up_on() {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending::<Result<()>>());
        stop.cancel();
        let outcome = supervise(tasks, stop, GRACE).await;
        assert!(outcome.is_err_and(|error| error.to_string().contains("still running 8s after stop")));
    }
}
