//! The notifier's line a minute: what became of alerts, and what is left.
//!
//! Counts are this process'; what waits and what is dead is in the queues, which notifiers share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use candlewire_common::phrase::counted;

use crate::queue::Settlement;

/// What has happened since the last line, and how the queues stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    delivered: AtomicU64,
    expired: AtomicU64,
    given_up: AtomicU64,
    waiting: AtomicU64,
    dead: AtomicU64,
}

impl Totals {
    /// Counts an alert that reached its end.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        let counts = &self.0;
        let count = match settlement {
            Settlement::Delivered => &counts.delivered,
            Settlement::Expired => &counts.expired,
            Settlement::Dead { .. } => &counts.given_up,
            Settlement::Again { .. } | Settlement::Back => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how many alerts wait and how many are in dead letters, of all recipients.
    pub(crate) fn stand(&self, waiting: u64, dead: u64) {
        self.0.waiting.store(waiting, Ordering::Relaxed);
        self.0.dead.store(dead, Ordering::Relaxed);
    }

    /// What has happened since this was last asked.
    pub(crate) fn take(&self) -> Minute {
        let counts = &self.0;
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Minute {
            delivered: take(&counts.delivered),
            expired: take(&counts.expired),
            given_up: take(&counts.given_up),
            waiting: counts.waiting.load(Ordering::Relaxed),
            dead: counts.dead.load(Ordering::Relaxed),
        }
    }
}

/// What happened in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Minute {
    delivered: u64,
    expired: u64,
    given_up: u64,
    waiting: u64,
    dead: u64,
}

impl Minute {
    /// Says it.
    pub(crate) fn say(&self) {
        let Self { delivered, expired, given_up, waiting, dead } = *self;
        tracing::info!(delivered, expired, given_up, waiting, dead, "last minute: {self}");
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} delivered", counted(self.delivered, "alert"))?;
        for (count, what) in [(self.expired, "too old to be sent"), (self.given_up, "given up on")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        write!(f, "; {} waiting, {} in dead letters", self.waiting, self.dead)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_minute_begins_anew_but_what_waits_stays() {
        let totals = Totals::default();
        let dead = Settlement::Dead { answer: "404".to_owned(), attempts: 3, in_doubt: false, disables: false };
        let again = Settlement::Again { delay: Duration::ZERO, attempts: 1, in_doubt: false };
        for settlement in [Settlement::Delivered, Settlement::Delivered, dead, again, Settlement::Expired] {
            totals.settled(&settlement);
        }
        totals.stand(4, 9);
        assert_eq!(
            totals.take().to_string(),
            "2 alerts delivered, 1 too old to be sent, 1 given up on; 4 waiting, 9 in dead letters"
        );
        assert_eq!(totals.take().to_string(), "0 alerts delivered; 4 waiting, 9 in dead letters");
    }
}
