//! The watch over Redis: a PING a second to each node, on connections of its own.
//!
//! Owns `candlewire_redis_up`, readiness, the log lines that tell when Redis went, why it can't be used and when it came
//! back, and the care for a server that has just started. A connection that hangs without closing is noticed here within
//! the deadline of one PING.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::census::Census;
use crate::connection::{RedisTarget, describe};
use crate::health::Health;
use crate::mending::mend;
use crate::metrics::{Command, RedisMetrics, Stopwatch};
use crate::nodes::Nodes;
use crate::refusal::Refusal;

const EVERY: Duration = Duration::from_secs(1);
/// Together with [`EVERY`], readiness follows Redis well within 5 seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches Redis and takes its census until `stop`.
pub async fn run(target: RedisTarget, census: Census, health: Health, metrics: RedisMetrics, stop: CancellationToken) {
    tokio::join!(watch(target, health, metrics, stop.clone()), census.run(stop));
}

async fn watch(target: RedisTarget, health: Health, metrics: RedisMetrics, stop: CancellationToken) {
    let mut nodes = Nodes::new(target.clone(), PATIENCE);
    let stopwatch = Stopwatch::new(Command::Ping);
    let (mut seen_before, mut may_have_started) = (false, true);
    let mut said: Option<Option<Refusal>> = None;
    loop {
        let outcome = tokio::select! {
            outcome = timeout(PATIENCE, ping(&mut nodes, &stopwatch, &mut may_have_started)) => {
                outcome.unwrap_or_else(|_| Err(hangs()))
            }
            () = stop.cancelled() => return,
        };
        if outcome.is_err() {
            may_have_started = true;
            nodes.forget();
        }
        let up = outcome.is_ok();
        let was_up = health.set_redis(up);
        metrics.up(up);
        match outcome {
            Ok(()) if !was_up => {
                said = None;
                tracing::info!("redis at {} answers", target.address());
                if seen_before {
                    metrics.reconnected();
                }
                seen_before = true;
            }
            Ok(()) => {}
            Err(error) => {
                seen_before = true;
                let refusal = Refusal::of(&error);
                // That it went is said once; a server that is back and refuses is another matter.
                if said.replace(refusal) != Some(refusal) {
                    let (what, cause) = (state(refusal), describe(&error));
                    tracing::warn!("redis at {} {what}, waiting for it: {cause}", target.address());
                }
            }
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn ping(nodes: &mut Nodes, stopwatch: &Stopwatch, may_have_started: &mut bool) -> Result<(), RedisError> {
    for node in nodes.all().await? {
        let mut connection = nodes.to(&node).await?;
        stopwatch.time(redis::cmd("PING").exec_async(&mut connection)).await?;
    }
    if *may_have_started {
        *may_have_started = !mend(nodes).await?;
    }
    Ok(())
}

/// What a server that can't be used does.
fn state(refusal: Option<Refusal>) -> &'static str {
    match refusal {
        None => "does not answer",
        Some(refusal) if refusal.is_the_servers() => "refuses this program",
        Some(_) => "can't be trusted",
    }
}

fn hangs() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer in time"))
}
