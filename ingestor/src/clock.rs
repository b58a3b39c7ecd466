//! The time of the live engine: the system's, or one that runs faster, so that hours of feed pass in seconds.
//!
//! Everything that waits in the engine waits on this clock. Redis has the system's time in any case.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use candlewire_common::time::UnixMillis;
use governor::clock::Clock as GovernorClock;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

/// A source of time. Copies tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    /// A time to begin with, and how many times faster than the system's it runs.
    scaled: Option<(UnixMillis, NonZeroU32)>,
}

impl Clock {
    /// The system's time.
    pub fn system() -> Self {
        Self { started: Instant::now(), scaled: None }
    }

    /// A time that was `origin` at `started` and runs `speed` times faster.
    pub fn scaled(origin: UnixMillis, started: Instant, speed: NonZeroU32) -> Self {
        Self { started, scaled: Some((origin, speed)) }
    }

    /// The time.
    pub fn now(&self) -> UnixMillis {
        match self.scaled {
            None => UnixMillis::now(),
            Some((origin, speed)) => origin.after(self.started.elapsed() * speed.get()),
        }
    }

    /// Waits. Cancel-safe.
    pub async fn sleep(&self, span: Duration) {
        sleep(self.real(span)).await;
    }

    /// Waits until a time; not at all where it is over. Cancel-safe.
    pub async fn sleep_until(&self, time: UnixMillis) {
        self.sleep(time.since(self.now())).await;
    }

    /// Gives a future so much time.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when it was not enough.
    pub async fn timeout<F: Future>(&self, span: Duration, future: F) -> Result<F::Output, Elapsed> {
        timeout(self.real(span), future).await
    }

    /// How much time has passed since some moment that stays the same.
    pub fn passed(&self) -> Duration {
        self.started.elapsed() * self.scaled.map_or(1, |(_, speed)| speed.get())
    }

    /// How long a span lasts for the machine.
    fn real(&self, span: Duration) -> Duration {
        self.scaled.map_or(span, |(_, speed)| span / speed.get())
    }
}

/// For rate limits only the time that passes counts.
impl GovernorClock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.passed()
    }
}
