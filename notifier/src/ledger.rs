//! What is counted about deliveries, by channel.

use std::time::Duration;

use candlewire_common::candle::Origin;
use candlewire_common::metrics::{Latency, table};
use candlewire_common::signal::Signal;
use candlewire_common::time::UnixMicros;
use metrics::{Counter, Histogram};

use crate::failure::DeliverError;
use crate::minute::Totals;
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
    end_to_end: Latency,
    publish_to_delivery: Latency,
    totals: Totals,
}

impl Ledger {
    /// Makes the counters of a channel, at zero. What reached its end is summed up in `totals`, too.
    pub(crate) fn new(channel: &str, totals: Totals) -> Self {
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
            end_to_end: Latency::new(table::END_TO_END.histogram(&[channel]), "end_to_end"),
            publish_to_delivery: Latency::new(table::PUBLISH_TO_DELIVERY.histogram(&[channel]), "publish_to_delivery"),
            totals,
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
            self.end_to_end.record_millis(signal.close_time(), now.millis());
        }
        self.publish_to_delivery.record(signal.candle_us, now);
    }

    /// Counts a job that reached its end.
    pub(crate) fn settled(&self, settlement: &Settlement) {
        self.totals.settled(settlement);
        match settlement {
            Settlement::Delivered => self.delivered.increment(1),
            Settlement::Expired => self.expired.increment(1),
            Settlement::Dead { .. } => self.dead_lettered.increment(1),
            Settlement::Again { .. } | Settlement::Back => {}
        }
    }
}
