//! The mock's time.
//!
//! Owns the mapping from real to virtual milliseconds: every schedule, window and deadline of the mock follows it, so
//! hours of feed pass in seconds. It never runs backwards and never stops.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::time::sleep;

/// A clock that starts at a chosen moment and runs `speed` times as fast as real time.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    /// The Unix milliseconds it showed at the start.
    pub origin_ms: i64,
    /// The real moment of the start.
    pub started: Instant,
    /// How many virtual seconds pass in a real one.
    pub speed: u32,
}

impl VirtualClock {
    /// Returns a clock that shows `origin_ms` now.
    pub fn starting_at(origin_ms: i64, speed: u32) -> Self {
        Self { origin_ms, started: Instant::now(), speed }
    }

    /// Returns a clock that shows real time.
    pub fn real() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::starting_at(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX), 1)
    }

    /// Returns the virtual Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        let elapsed_us = self.started.elapsed().as_micros() * u128::from(self.speed);
        self.origin_ms.saturating_add(i64::try_from(elapsed_us / 1_000).unwrap_or(i64::MAX))
    }

    /// Waits until the clock shows `ms`; returns at once if it does already. Cancel-safe.
    pub async fn sleep_until(&self, ms: i64) {
        loop {
            let missing_ms = u64::try_from(ms.saturating_sub(self.now_ms())).unwrap_or(0);
            if missing_ms == 0 {
                return;
            }
            sleep(Duration::from_micros(missing_ms.saturating_mul(1_000) / u64::from(self.speed.max(1)) + 1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_hour_passes_in_a_blink() {
        let clock = VirtualClock::starting_at(1_000, 360_000);
        clock.sleep_until(3_601_000).await;
        assert!(clock.now_ms() >= 3_601_000);
        assert!(clock.started.elapsed() >= Duration::from_millis(10));
    }
}
