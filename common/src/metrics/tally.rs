//! Counters and latencies that are also summed up once a minute, for people.
//!
//! A handle of the recorder can't be read back. What a summary tells is kept beside it, in the same step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use metrics::Counter;

/// A counter that knows how much has come since it was last asked.
#[derive(Clone, Debug)]
pub struct Tally {
    counter: Counter,
    since: Arc<AtomicU64>,
}

impl Tally {
    /// Counts on `counter` as well.
    pub fn new(counter: Counter) -> Self {
        Self { counter, since: Arc::default() }
    }

    /// Counts.
    pub fn increment(&self, count: u64) {
        self.counter.increment(count);
        self.since.fetch_add(count, Ordering::Relaxed);
    }

    /// How much has come since this was last asked.
    pub fn take(&self) -> u64 {
        self.since.swap(0, Ordering::Relaxed)
    }
}

/// Spans of time since they were last asked for, to three digits. Longer ones than an hour count as an hour.
#[derive(Clone, Debug)]
pub struct Spans(Arc<Mutex<Option<Histogram<u64>>>>);

/// What half and what all but a hundredth of the spans took at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
}

const LONGEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

impl Spans {
    /// Has seen nothing.
    pub fn new() -> Self {
        // It takes these bounds. Did it not, a summary would lack the quantiles.
        Self(Arc::new(Mutex::new(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).ok())))
    }

    /// Adds a span.
    pub fn add(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        if let Some(seen) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            seen.saturating_record(micros);
        }
    }

    /// What was seen since this was last asked; `None`: nothing.
    pub fn take(&self) -> Option<Quantiles> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = held.as_mut().filter(|seen| !seen.is_empty())?;
        let at = |quantile| Duration::from_micros(seen.value_at_quantile(quantile));
        let quantiles = Quantiles { p50: at(0.5), p99: at(0.99) };
        seen.reset();
        Some(quantiles)
    }
}

impl Default for Spans {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_summary_begins_anew() {
        let tally = Tally::new(Counter::noop());
        tally.increment(2);
        tally.increment(3);
        assert_eq!([tally.take(), tally.take()], [5, 0]);
    }

    #[test]
    fn quantiles_are_those_of_the_last_minute() {
        let spans = Spans::new();
        assert_eq!(spans.take(), None);
        for ms in 1..=100 {
            spans.add(Duration::from_millis(ms));
        }
        spans.add(Duration::from_hours(5));
        let Quantiles { p50, p99 } = spans.take().unwrap();
        assert_eq!([p50, p99].map(|span| span.as_micros() / 1_000), [51, 100]);
        assert_eq!(spans.take(), None);
    }
}
