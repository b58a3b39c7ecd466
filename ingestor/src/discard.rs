//! Candles that are not published, and why.

use candlewire_common::metrics::table;
use metrics::Counter;

/// Why a candle is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// Its time is not over.
    Forming,
    /// It was given before.
    Duplicate,
    /// A later one of its series is published.
    OutOfOrder,
    /// It is no candle.
    Invalid,
}

/// The counters, one for each reason.
#[derive(Clone, Debug)]
pub struct DiscardMetrics([Counter; Discard::ALL.len()]);

impl Discard {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Forming, Self::Duplicate, Self::OutOfOrder, Self::Invalid];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Duplicate => "duplicate",
            Self::OutOfOrder => "out_of_order",
            Self::Invalid => "invalid",
        }
    }
}

impl DiscardMetrics {
    /// Makes the handles, at zero.
    pub fn new() -> Self {
        Self(Discard::ALL.map(|discard| table::CANDLES_DISCARDED.counter(&[discard.as_str()])))
    }

    /// Counts candles that are not published.
    pub fn count(&self, discard: Discard, count: u64) {
        for (reason, counter) in Discard::ALL.iter().zip(&self.0) {
            if *reason == discard {
                counter.increment(count);
            }
        }
    }
}

impl Default for DiscardMetrics {
    fn default() -> Self {
        Self::new()
    }
}
