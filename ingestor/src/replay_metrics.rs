//! What a replay counts.

use candlewire_common::candle_file::RowRefusal;
use candlewire_common::metrics::table;
use candlewire_common::series::Series;
use metrics::Counter;

/// Why a candle is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// Its time is not over.
    Forming,
    /// It was given before.
    Duplicate,
    /// It is no candle.
    Invalid,
}

impl Discard {
    /// Every reason.
    pub const ALL: [Self; 3] = [Self::Forming, Self::Duplicate, Self::Invalid];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Duplicate => "duplicate",
            Self::Invalid => "invalid",
        }
    }
}

impl From<&RowRefusal> for Discard {
    fn from(refusal: &RowRefusal) -> Self {
        match refusal {
            RowRefusal::Forming(_) => Self::Forming,
            _ => Self::Invalid,
        }
    }
}

/// The counters of one series.
#[derive(Clone, Debug)]
pub struct ReplayMetrics {
    /// Rows read.
    pub received: Counter,
    /// Candles that Redis has acknowledged.
    pub published: Counter,
    discarded: [Counter; Discard::ALL.len()],
}

impl ReplayMetrics {
    /// Makes the handles, at zero.
    pub fn new(series: &Series) -> Self {
        let labels = [series.venue(), series.timeframe().as_str()];
        Self {
            received: table::CANDLES_RECEIVED.counter(&labels),
            published: table::CANDLES_PUBLISHED.counter(&labels),
            discarded: Discard::ALL.map(|discard| table::CANDLES_DISCARDED.counter(&[discard.as_str()])),
        }
    }

    /// Counts candles that are not published.
    pub fn discarded(&self, discard: Discard, count: u64) {
        for (reason, counter) in Discard::ALL.iter().zip(&self.discarded) {
            if *reason == discard {
                counter.increment(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle_entry::Unusable;
    use candlewire_common::time::UnixMillis;

    #[test]
    fn a_forming_bar_is_counted_as_such() {
        assert_eq!(Discard::from(&RowRefusal::Forming(UnixMillis(1))), Discard::Forming);
        assert_eq!(Discard::from(&RowRefusal::Unusable(Unusable::Missing("close"))), Discard::Invalid);
    }
}
