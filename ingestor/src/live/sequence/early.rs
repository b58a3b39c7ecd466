//! Candles that the venue calls closed before they are over by this machine's clock.
//!
//! The venue's clock may be ahead of this one, or the message may be wrong: nothing goes out before it is over. A later
//! message about the candle takes the place of the early one.

use std::collections::BTreeMap;
use std::time::Duration;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;

use crate::grid::Grid;

/// How far the venue's clock may be ahead.
pub(super) const EARLY_MAX: Duration = Duration::from_secs(5);

/// Candles that are held until they are over; at most a few seconds' worth.
#[derive(Debug, Default)]
pub(super) struct Early {
    candles: BTreeMap<UnixMillis, ClosedCandle>,
}

impl Early {
    /// Holds a candle; one of the same time is replaced.
    pub(super) fn hold(&mut self, candle: ClosedCandle) {
        self.candles.insert(candle.open_time(), candle);
    }

    /// Forgets what was said of a candle.
    pub(super) fn forget(&mut self, open_time: UnixMillis) {
        self.candles.remove(&open_time);
    }

    /// Takes a candle that is over at `now`.
    pub(super) fn take(&mut self, grid: Grid, now: UnixMillis) -> Option<ClosedCandle> {
        let first = self.candles.first_entry()?;
        (grid.after(*first.key()) <= now).then(|| first.remove())
    }

    /// When the first of them is over.
    pub(super) fn over_at(&self, grid: Grid) -> Option<UnixMillis> {
        self.candles.first_key_value().map(|(open_time, _)| grid.after(*open_time))
    }
}
