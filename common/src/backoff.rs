//! Delays between attempts: exponential with jitter, without end.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Delays from 50 ms to 1 s, jitter on top: for Redis, whose return must be noticed within seconds.
pub fn redis() -> ExponentialBackoff {
    from(Duration::from_millis(50), Duration::from_secs(1))
}

fn from(first: Duration, longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(longest)
        .with_jitter()
        .without_max_times()
        .build()
}
