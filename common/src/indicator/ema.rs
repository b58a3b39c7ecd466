//! Exponential moving average of the close: `e += k (x - e)` with `k = 2 / (n + 1)`.
//!
//! Seeded by the mean of its first `n` closes, so that the first value is at index `n - 1`, as
//! TA-Lib's `EMA` in its default compatibility.

use super::{Period, Reading, Sample, Seeded};

/// The average, or the sum that will seed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ema {
    period: Period,
    weight: f64,
    average: Seeded,
}

impl Ema {
    pub(super) fn new(period: Period) -> Self {
        Self { period, weight: 2.0 / (f64::from(period.get()) + 1.0), average: Seeded::NEW }
    }

    pub(super) fn restore(period: Period, bytes: &[u8]) -> Option<Self> {
        Some(Self { average: Seeded::restore(period, bytes)?, ..Self::new(period) })
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.average.save(out);
    }

    pub(super) fn step(&mut self, sample: &Sample) {
        let weight = self.weight;
        let approach = |average: f64, close: f64| average + weight * (close - average);
        self.average.step(self.period, sample.close, sample.close_f64, sample.scale, approach);
    }

    pub(super) fn reading(&self) -> Option<Reading> {
        self.average.reading()
    }

    pub(super) fn rescale(&mut self, factor: i128) {
        self.average.rescale(factor);
    }
}
