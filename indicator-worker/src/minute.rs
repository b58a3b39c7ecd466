//! The worker's line a minute: what it applied and found, how quickly, and what is left to do.

use std::fmt;
use std::time::Duration;

use candlewire_common::metrics::{Quantiles, Tally};
use candlewire_common::phrase::counted;

use crate::core::Outcome;
use crate::metrics::WorkerMetrics;

/// What happened in a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Minute {
    outcomes: [u64; Outcome::ALL.len()],
    signals: u64,
    /// From a candle's sending to its signal; `None`: there was no signal.
    latency: Option<Quantiles>,
    hits: u64,
    requests: u64,
    /// Candles that wait, in all partitions; `None`: not known.
    lag: Option<u64>,
}

impl Minute {
    /// Takes what was counted since the last minute.
    pub(crate) fn take(metrics: &WorkerMetrics, lag: Option<u64>) -> Self {
        let cache = &metrics.cache;
        let hits = cache.memory_hits.take();
        Self {
            outcomes: metrics.processed.each_ref().map(Tally::take),
            signals: metrics.emitted.values().map(Tally::take).sum(),
            latency: metrics.signal_spans.take(),
            hits: hits + cache.redis_hits.take(),
            requests: hits + cache.memory_misses.take(),
            lag,
        }
    }

    /// Says it.
    pub(crate) fn say(&self) {
        let [applied, ..] = self.outcomes;
        let short = |value: f64| (value * 100.0).round() / 100.0;
        let ms =
            |pick: fn(Quantiles) -> Duration| self.latency.map(|latency| short(pick(latency).as_secs_f64() * 1_000.0));
        tracing::info!(
            candles = applied,
            signals = self.signals,
            cache_hit_percent = self.hit_percent().map(short),
            lag = self.lag,
            latency_p50_ms = ms(|latency| latency.p50),
            latency_p99_ms = ms(|latency| latency.p99),
            "last minute: {self}"
        );
    }

    fn hit_percent(&self) -> Option<f64> {
        // Of the states that conditions look at, more can be found than candles asked for.
        (self.requests > 0).then(|| 100.0 * (self.hits as f64 / self.requests as f64).min(1.0))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [applied, others @ ..] = self.outcomes;
        write!(f, "{} applied", counted(applied, "candle"))?;
        for (outcome, count) in Outcome::ALL.iter().skip(1).zip(others).filter(|(_, count)| *count > 0) {
            write!(f, ", {count} {}", outcome.as_str())?;
        }
        write!(f, "; {}", counted(self.signals, "signal"))?;
        if let Some(Quantiles { p50, p99 }) = self.latency {
            let [p50, p99] = [p50, p99].map(|span| span.as_secs_f64() * 1_000.0);
            write!(f, ", {p50:.1} ms after their candle was published (p99 {p99:.1} ms)")?;
        }
        if let Some(percent) = self.hit_percent() {
            write!(f, "; cache hits {percent:.2} %")?;
        }
        match self.lag {
            Some(lag) => write!(f, "; {lag} waiting"),
            None => write!(f, "; how many are waiting is not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_not_told() {
        let quiet = Minute { lag: Some(0), ..Minute::default() };
        assert_eq!(quiet.to_string(), "0 candles applied; 0 signals; 0 waiting");
        assert_eq!(Minute::default().to_string(), "0 candles applied; 0 signals; how many are waiting is not known");
    }

    #[test]
    fn a_busy_minute_is_one_line() {
        let latency = Quantiles { p50: Duration::from_micros(840), p99: Duration::from_micros(3_250) };
        let minute = Minute {
            outcomes: [12_034, 3, 0, 1],
            signals: 12,
            latency: Some(latency),
            hits: 12_030,
            requests: 12_034,
            lag: Some(7),
        };
        assert_eq!(
            minute.to_string(),
            "12034 candles applied, 3 duplicate, 1 invalid; 12 signals, 0.8 ms after their candle was published \
             (p99 3.2 ms); cache hits 99.97 %; 7 waiting"
        );
    }

    #[test]
    fn more_hits_than_requests_are_all() {
        let minute = Minute { hits: 5, requests: 4, ..Minute::default() };
        assert_eq!(minute.hit_percent(), Some(100.0));
    }
}
