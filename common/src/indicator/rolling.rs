//! Rolling sums in whole ticks: the plain one and the linearly weighted one, of any time ago.
//!
//! Sums wrap, so that they are always right in their last 128 bits; whether a result fits is asked
//! once, by the digits of its series. They never drift, and what they hold is a function of the window.

use super::window::Values;

/// The sum of `length` values as of `lag` candles ago.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RollingSum {
    length: u16,
    lag: u16,
    sum: i128,
}

impl RollingSum {
    pub(super) fn new(length: u16, lag: u16) -> Self {
        Self { length, lag, sum: 0 }
    }

    /// Moves on by a candle: reads the values `lag` and `lag + length` candles ago.
    #[inline]
    pub(super) fn step(&mut self, values: Values<'_>) {
        let (entering, leaving) = (values.ago(self.lag), values.ago(self.lag + self.length));
        // The difference first: the sum then waits for one addition, not for two.
        self.sum = self.sum.wrapping_add(entering.wrapping_sub(leaving));
    }

    #[inline]
    pub(super) fn get(&self) -> i128 {
        self.sum
    }

    pub(super) fn rescale(&mut self, factor: i128) {
        self.sum = self.sum.wrapping_mul(factor);
    }
}

/// The sum of `length` values as of `lag` candles ago, the newest weighted `length`, the oldest 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WeightedSum {
    plain: RollingSum,
    sum: i128,
}

impl WeightedSum {
    pub(super) fn new(length: u16, lag: u16) -> Self {
        Self { plain: RollingSum::new(length, lag), sum: 0 }
    }

    /// Moves on by a candle: each value loses one of its weight, the new one has all of it.
    #[inline]
    pub(super) fn step(&mut self, values: Values<'_>) {
        let entering = values.ago(self.plain.lag).wrapping_mul(self.plain.length.into());
        self.sum = self.sum.wrapping_add(entering).wrapping_sub(self.plain.sum);
        self.plain.step(values);
    }

    #[inline]
    pub(super) fn get(&self) -> i128 {
        self.sum
    }

    /// The same values without weights.
    #[inline]
    pub(super) fn plain(&self) -> i128 {
        self.plain.sum
    }

    pub(super) fn rescale(&mut self, factor: i128) {
        self.plain.rescale(factor);
        self.sum = self.sum.wrapping_mul(factor);
    }
}

/// The sum of the weights of a [`WeightedSum`].
pub(super) fn weights(length: u16) -> i128 {
    i128::from(length) * (i128::from(length) + 1) / 2
}
