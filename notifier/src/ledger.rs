//! What is counted about deliveries, by channel.

use std::time::Duration;

use candlewire_common::candle::Origin;
use candlewire_common::metrics::table;
use candlewire_common::signal::Signal;
use candlewire_common::time::{UnixMicros, UnixMillis};
use metrics::{Counter, Histogram};

use crate::failure::DeliverError;
use crate::queue::Settlement;

/// The counters of one channel.
#[derive(Clone)]
pub(crate) struct Ledger {
    success: Counter,
    retryable: Counter,
    permanent: Counter,
    attempt: Histogram,
    rate_limited: Counter,
    delivered: Counter,
    dead_lettered: Counter,
    expired: Counter,
    end_to_end: Histogram,
    publish_to_delivery: Histogram,
}

impl Ledger {
    /// Makes the counters of a channel, at zero.
    pub(crate) fn new(channel: &str) -> Self {
        let attempts = |outcome| table::DELIVERY_ATTEMPTS.counter(&[channel, outcome]);
        let deliveries = |outcome| table::DELIVERIES.counter(&[channel, outcome]);
        Self {
            success: attempts("success"),
            retryable: attempts("retryable"),
            permanent: attempts("permanent"),
            attempt: table::DELIVERY_ATTEMPT_DURATION.histogram(&[channel]),
            rate_limited: table::RATE_LIMITED.counter(&[channel]),
            delivered: deliveries("delivered"),
            dead_lettered: deliveries("dead_lettered"),
            expired: deliveries("expired"),
            end_to_end: table::END_TO_END.histogram(&[channel]),
            publish_to_delivery: table::PUBLISH_TO_DELIVERY.histogram(&[channel]),
        }
    }

    /// Counts an attempt.
    pub(crate) fn attempted(&self, error: Option<&DeliverError>, took: Duration) {
        match error {
            None => self.success.increment(1),
            Some(error) if error.is_retryable() => self.retryable.increment(1),
            Some(_) => self.permanent.increment(1),
        }
        self.attempt.record(took.as_secs_f64());
        if error.is_some_and(DeliverError::is_rate_limit) {
            self.rate_limited.increment(1);
        }
    }

    /// Records how long an accepted alert was on its way. A candle from a file or from a venue's history
    /// closed long ago, which says nothing about this system: it counts from its publication only.
    pub(crate) fn accepted(&self, signal: &Signal) {
        let now = UnixMicros::now();
        if signal.origin == Origin::Live {
            self.end_to_end.record(UnixMillis::now().since(signal.close_time()).as_secs_f64());
        }
        self.publish_to_delivery.record(now.since(signal.candle_us).as_secs_f64());
    }

    /// Counts a job that reached its end.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        match settlement {
            Settlement::Delivered => self.delivered.increment(1),
            Settlement::Expired => self.expired.increment(1),
            Settlement::Dead { .. } => self.dead_lettered.increment(1),
            Settlement::Again { .. } | Settlement::Back => {}
        }
    }
}
