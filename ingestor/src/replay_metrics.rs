//! What a replay counts.

use candlewire_common::candle_file::RowRefusal;
use candlewire_common::metrics::table;
use candlewire_common::series::Series;
use metrics::Counter;

use crate::discard::{Discard, DiscardMetrics};

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
    discarded: DiscardMetrics,
}

impl ReplayMetrics {
    /// Makes the handles, at zero.
    pub fn new(series: &Series) -> Self {
        let labels = [series.venue(), series.timeframe().as_str()];
        Self {
            received: table::CANDLES_RECEIVED.counter(&labels),
            published: table::CANDLES_PUBLISHED.counter(&labels),
            discarded: DiscardMetrics::new(),
        }
    }

    /// Counts candles that are not published.
    pub fn discarded(&self, discard: Discard, count: u64) {
        self.discarded.count(discard, count);
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
