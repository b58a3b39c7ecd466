//! Waiting for a condition of the outside world.
//!
//! Owns the poll loop: a probe is asked again and again until it succeeds or the deadline has passed, and a failure
//! says what was seen last. It never waits longer than the deadline, also when the probe itself hangs. It uses the
//! runtime's clock, so it is not for tests that pause time.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// A span after which something that should happen at once is certainly broken, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two probes.
const PAUSE: Duration = Duration::from_millis(10);

/// The condition did not hold before the deadline.
#[derive(Debug, thiserror::Error)]
#[error("not so within {deadline:?}: {last_seen}")]
pub struct NotYet {
    /// How long the condition had.
    pub deadline: Duration,
    /// What the last probe that came back reported.
    pub last_seen: String,
}

/// Asks `probe` until it returns `Ok`, for at most `deadline`.
///
/// The probe's `Err` describes what it sees instead of what it wants; the last one is part of the error.
///
/// # Errors
///
/// [`NotYet`] once the deadline has passed; a probe that is still running then is dropped.
pub async fn eventually<T, E: Display>(
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, NotYet> {
    let end = Instant::now() + deadline;
    let mut last_seen = "the first probe did not return".to_owned();
    loop {
        match timeout_at(end, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last_seen = seen.to_string(),
            Err(_) => {
                return Err(NotYet { deadline, last_seen });
            }
        }
        if Instant::now() + PAUSE >= end {
            return Err(NotYet { deadline, last_seen });
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn value_is_returned_once_the_probe_succeeds() {
        let mut probes = 0;
        let value = eventually(PATIENCE, async || {
            probes += 1;
            if probes < 3 { Err(format!("probe {probes}")) } else { Ok(probes) }
        })
        .await;
        assert_eq!(value.ok(), Some(3));
    }

    #[tokio::test]
    async fn failure_tells_what_was_seen_last() {
        let failure = eventually(Duration::from_millis(50), async || Err::<(), _>("two of three"))
            .await
            .expect_err("a probe that always fails");
        assert_eq!(failure.to_string(), "not so within 50ms: two of three");
    }

    #[tokio::test]
    async fn hanging_probe_is_abandoned() {
        let failure = eventually(Duration::from_millis(20), async || {
            std::future::pending::<()>().await;
            Ok::<_, String>(())
        })
        .await
        .expect_err("a probe that hangs");
        assert_eq!(failure.last_seen, "the first probe did not return");
    }
}
