//! The breaker of a queue: when a recipient that fails is left alone.
//!
//! While it is open nothing is taken from the queue, so no attempt is used up by what everybody knows already. Then one
//! look is let through, and the outcome of what it takes decides. The scripts `take.lua` and `settle.lua` do this, in Redis, so that all
//! notifiers know of it.

use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breaker {
    /// After how many failures in a row,
    pub(crate) failures: u32,
    /// over at least how long.
    pub(crate) failing: Duration,
    /// How long it stays open at first; then each time twice as long,
    pub(crate) pause: Duration,
    /// up to this.
    pub(crate) pause_max: Duration,
}

impl Default for Breaker {
    /// A lone alert never meets an open breaker: ten failures are its last attempt. Nor does a short outage, for which
    /// the schedule is enough.
    fn default() -> Self {
        Self {
            failures: 10,
            failing: Duration::from_secs(30),
            pause: Duration::from_secs(5),
            pause_max: Duration::from_mins(1),
        }
    }
}

impl Breaker {
    /// The arguments of the script that settles.
    pub(super) fn args(self) -> [String; 4] {
        let millis = |span: Duration| span.as_millis().to_string();
        [self.failures.to_string(), millis(self.failing), millis(self.pause), millis(self.pause_max)]
    }
}
