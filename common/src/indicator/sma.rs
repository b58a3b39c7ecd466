//! Simple moving average of the close: `(x[t] + … + x[t-n+1]) / n`.
//!
//! First value at index `n - 1`, as TA-Lib's `SMA`. The sum runs over whole ticks, so it neither
//! drifts nor rounds; its state is a function of the window and is not stored.

use super::{Period, Reading, Sample, Window};

/// A running sum of the last closes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sma {
    period: Period,
    seen: u32,
    sum: i128,
}

impl Sma {
    pub(super) fn new(period: Period) -> Self {
        Self { period, seen: 0, sum: 0 }
    }

    /// Sums what the window holds.
    pub(super) fn over(period: Period, window: &Window) -> Self {
        let closes = (1..=period.get()).map_while(|back| window.back(back as usize));
        closes.fold(Self::new(period), |sma, close| Self { seen: sma.seen + 1, sum: sma.sum + close, ..sma })
    }

    pub(super) fn step(&mut self, sample: &Sample, past: &Window) {
        self.sum += sample.close;
        if self.seen < self.period.get() {
            self.seen += 1;
        } else {
            // The window holds at least `period` closes by now.
            self.sum -= past.back(self.period.get() as usize).unwrap_or_default();
        }
    }

    pub(super) fn reading(&self) -> Option<Reading> {
        let exact = Reading::Exact { numerator: self.sum, denominator: i128::from(self.period.get()) };
        (self.seen == self.period.get()).then_some(exact)
    }

    pub(super) fn rescale(&mut self, factor: i128) {
        self.sum *= factor;
    }
}
