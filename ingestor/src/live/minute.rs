//! The ingestor's line a minute: the candles of each venue, and what REST was asked for them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use candlewire_common::phrase::counted;

/// What has happened since the last line, by venue.
#[derive(Clone, Debug, Default)]
pub struct Totals(Arc<Mutex<BTreeMap<String, VenueTotals>>>);

/// What has happened at one venue.
#[derive(Clone, Debug, Default)]
pub struct VenueTotals(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    published: AtomicU64,
    gaps: AtomicU64,
    fetched: AtomicU64,
    used: AtomicU64,
}

impl Totals {
    /// Those of a venue.
    pub fn of(&self, venue: &str) -> VenueTotals {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(venue.to_owned()).or_default().clone()
    }

    /// What has happened since this was last asked.
    pub fn take(&self) -> Minute {
        let venues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        let mut minute = Minute::default();
        for (venue, VenueTotals(counts)) in &*venues {
            minute.published.push((venue.clone(), take(&counts.published)));
            minute.gaps += take(&counts.gaps);
            minute.fetched += take(&counts.fetched);
            minute.used += take(&counts.used);
        }
        minute
    }
}

impl VenueTotals {
    /// A candle is in the stream.
    pub fn published(&self) {
        self.0.published.fetch_add(1, Ordering::Relaxed);
    }

    /// Candles were found missing.
    pub fn gap(&self) {
        self.0.gaps.fetch_add(1, Ordering::Relaxed);
    }

    /// REST answered with candles.
    pub fn fetched(&self, count: u64) {
        self.0.fetched.fetch_add(count, Ordering::Relaxed);
    }

    /// A candle of REST is to be published.
    pub fn used(&self) {
        self.0.used.fetch_add(1, Ordering::Relaxed);
    }
}

/// What happened in a minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    published: Vec<(String, u64)>,
    gaps: u64,
    fetched: u64,
    used: u64,
}

impl Minute {
    /// Says it.
    pub fn say(&self) {
        let candles: u64 = self.published.iter().map(|(_, count)| count).sum();
        let Self { gaps, fetched, used, .. } = *self;
        tracing::info!(candles, gaps, fetched, used, "last minute: {self}");
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (venue, count)) in self.published.iter().enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(f, "{before}{} of {venue}", counted(*count, "candle"))?;
        }
        let (gaps, fetched) = (counted(self.gaps, "gap"), counted(self.fetched, "candle"));
        write!(f, "; {gaps}; {fetched} fetched by REST, {} of them used", self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn venues_are_told_apart_and_each_minute_begins_anew() {
        let totals = Totals::default();
        let (binance, kraken) = (totals.of("binance"), totals.of("kraken"));
        (0..3).for_each(|_| binance.published());
        totals.of("kraken").published();
        kraken.gap();
        kraken.fetched(5);
        kraken.used();
        assert_eq!(
            totals.take().to_string(),
            "3 candles of binance, 1 candle of kraken; 1 gap; 5 candles fetched by REST, 1 of them used"
        );
        assert_eq!(
            totals.take().to_string(),
            "0 candles of binance, 0 candles of kraken; 0 gaps; 0 candles fetched by REST, 0 of them used"
        );
    }
}
