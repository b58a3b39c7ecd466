//! Average true range, Wilder's: `a += (tr - a) / n`, where
//! `tr = max(high - low, |high - previous close|, |low - previous close|)`.
//!
//! The first true range is the second candle's, and the mean of the first `n` of them seeds the
//! average: first value at index `n`, as TA-Lib's `ATR` (Wilder, *New Concepts in Technical Trading
//! Systems*, 1978).

use super::{Period, Reading, Sample, Seeded, Window};
use crate::ratio;

/// The average of the true ranges, or the sum that will seed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Atr {
    period: Period,
    average: Seeded,
}

impl Atr {
    pub(super) fn new(period: Period) -> Self {
        Self { period, average: Seeded::NEW }
    }

    pub(super) fn restore(period: Period, bytes: &[u8]) -> Option<Self> {
        Some(Self { average: Seeded::restore(period, bytes)?, ..Self::new(period) })
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.average.save(out);
    }

    pub(super) fn step(&mut self, sample: &Sample, past: &Window) {
        let Some(previous) = past.back(1) else { return };
        let range = (sample.high.max(previous) - sample.low.min(previous)).max(0);
        let periods = f64::from(self.period.get());
        let approach = |average: f64, range: f64| average + (range - average) / periods;
        let value = ratio::to_f64(range, 1, sample.scale);
        self.average.step(self.period, range, value, sample.scale, approach);
    }

    pub(super) fn reading(&self) -> Option<Reading> {
        self.average.reading()
    }

    pub(super) fn rescale(&mut self, factor: i128) {
        self.average.rescale(factor);
    }
}
