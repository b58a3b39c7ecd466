//! Once a minute: when a process sums up for people what it did.
//!
//! What is said is the process' own. A minute in which nothing happened is told of as well, so that silence means
//! that the process is not there.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_mins(1);

/// Calls `say` after each minute, until `stop`.
pub async fn each(stop: CancellationToken, mut say: impl FnMut()) {
    let mut ticks = interval_at(Instant::now() + MINUTE, MINUTE);
    // After a suspension one line is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => say(),
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_after_each_minute_and_not_before() {
        let (stop, mut said) = (CancellationToken::new(), Vec::new());
        let (began, token) = (Instant::now(), stop.clone());
        let sum_up = each(stop, || {
            said.push(began.elapsed().as_secs());
            if said.len() == 3 {
                token.cancel();
            }
        });
        sum_up.await;
        assert_eq!(said, [60, 120, 180]);
    }
}
