//! Latencies between two clocks.
//!
//! The clocks of two machines differ, so that a candle can arrive before it was sent. A histogram must not take
//! less than zero, since its sum may only grow: such a latency counts as zero, and is counted besides.

use std::time::Duration;

use metrics::{Counter, Histogram};

use super::table;
use crate::time::{UnixMicros, UnixMillis};

/// A histogram of latencies, in seconds.
#[derive(Clone, Debug)]
pub struct Latency {
    seconds: Histogram,
    clamped: Counter,
}

impl Latency {
    /// Records into `seconds`; `hop` names it where latencies are counted that were negative.
    pub fn new(seconds: Histogram, hop: &str) -> Self {
        Self { seconds, clamped: table::LATENCIES_CLAMPED.counter(&[hop]) }
    }

    /// Records from one instant to another; answers with what was recorded.
    pub fn record(&self, from: UnixMicros, to: UnixMicros) -> Duration {
        if to < from {
            self.clamped.increment(1);
        }
        let span = to.since(from);
        self.seconds.record(span.as_secs_f64());
        span
    }

    /// Records from one instant to another, both known to the millisecond.
    pub fn record_millis(&self, from: UnixMillis, to: UnixMillis) {
        let micros = |instant: UnixMillis| UnixMicros(instant.0.saturating_mul(1_000));
        self.record(micros(from), micros(to));
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn what_arrives_before_it_was_sent_took_no_time_and_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let latency = Latency::new(table::QUEUE_WAIT.histogram(&[]), "queue_wait");
            assert_eq!(latency.record(UnixMicros(1_000), UnixMicros(3_000)), Duration::from_millis(2));
            assert_eq!(latency.record(UnixMicros(1_000), UnixMicros(999)), Duration::ZERO);
            latency.record_millis(UnixMillis(5), UnixMillis(5));
        });
        let page = recorder.handle().render();
        for line in [
            "candlewire_queue_wait_seconds_sum 0.002",
            "candlewire_queue_wait_seconds_count 3",
            "candlewire_latencies_clamped_total{hop=\"queue_wait\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in:\n{page}");
        }
    }
}
