//! Recursive averages that begin with the mean of their first values, as TA-Lib's do.
//!
//! The mean of whole ticks is summed exactly. The second and later averages of a cascade begin with values that were
//! rounded already; their mean is kept as it runs, so that the mean of equal values is what they are.

use super::arguments::Source;
use super::bytes::Bytes;
use super::sample::Field;
use super::sample::Sample;
use crate::ratio;

/// How a recursive average moves: by `weight` of the distance to each new value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Smoothing {
    period: u16,
    weight: f64,
}

impl Smoothing {
    /// `k = 2 / (n + 1)`.
    pub(super) fn exponential(period: u16) -> Self {
        Self { period, weight: 2.0 / (f64::from(period) + 1.0) }
    }

    /// `k = 1 / n`.
    pub(super) fn wilder(period: u16) -> Self {
        Self { period, weight: 1.0 / f64::from(period) }
    }

    /// The average after one more value. Keeps a constant price exactly.
    #[inline]
    fn approach(self, average: f64, value: f64) -> f64 {
        // A period of one is the value itself, which the sum below would round.
        if self.period == 1 { value } else { average + self.weight * (value - average) }
    }
}

/// What is known of the first values: the sum of whole ticks, or the mean of rounded values.
pub(super) trait Sum: Copy {
    const ZERO: Self;
    /// With one more, the `count`th.
    fn with(self, part: Self, count: u16) -> Self;
    fn rescale(self, factor: i128) -> Self;
    fn save(self, out: &mut Vec<u8>);
    fn read(bytes: &mut Bytes<'_>) -> Option<Self>;
}

impl Sum for i128 {
    const ZERO: Self = 0;

    fn with(self, part: Self, _count: u16) -> Self {
        self.wrapping_add(part)
    }

    fn rescale(self, factor: i128) -> Self {
        self.wrapping_mul(factor)
    }

    fn save(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.i128()
    }
}

impl Sum for f64 {
    const ZERO: Self = 0.0;

    fn with(self, part: Self, count: u16) -> Self {
        self + (part - self) / f64::from(count)
    }

    fn rescale(self, _factor: i128) -> Self {
        self
    }

    fn save(self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.f64()
    }
}

/// A recursive average, or the sum that will seed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seeded<S> {
    /// Fewer values seen than the period: there is no value to misuse.
    Warming { seen: u16, sum: S },
    /// The average's value.
    Ready(f64),
}

/// An average seeded with whole ticks.
pub(super) type SeededByTicks = Seeded<i128>;
/// An average seeded with values that were rounded.
pub(super) type SeededByValues = Seeded<f64>;

impl<S: Sum> Seeded<S> {
    pub(super) fn new() -> Self {
        Self::Warming { seen: 0, sum: S::ZERO }
    }

    /// Takes in `value`, which counts as `part` of the seed's sum; `mean` divides that.
    #[inline]
    pub(super) fn step(&mut self, by: Smoothing, value: f64, part: S, mean: impl FnOnce(S) -> f64) {
        match self {
            Self::Ready(average) => *average = by.approach(*average, value),
            Self::Warming { seen, sum } => {
                *seen += 1;
                *sum = sum.with(part, *seen);
                if *seen == by.period {
                    *self = Self::Ready(mean(*sum));
                }
            }
        }
    }

    #[inline]
    pub(super) fn get(self) -> Option<f64> {
        match self {
            Self::Warming { .. } => None,
            Self::Ready(value) => Some(value),
        }
    }

    pub(super) fn rescale(&mut self, factor: i128) {
        if let Self::Warming { sum, .. } = self {
            *sum = sum.rescale(factor);
        }
    }

    /// The candles seen while warming up, all bits set once ready; then the sum or the value.
    pub(super) fn save(self, out: &mut Vec<u8>) {
        match self {
            Self::Ready(value) => {
                out.extend(u16::MAX.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Self::Warming { seen, sum } => {
                out.extend(seen.to_le_bytes());
                sum.save(out);
            }
        }
    }

    pub(super) fn load(&mut self, by: Smoothing, bytes: &mut Bytes<'_>) -> Option<()> {
        *self = match bytes.u16()? {
            u16::MAX => Self::Ready(bytes.f64()?),
            seen if seen < by.period => Self::Warming { seen, sum: S::read(bytes)? },
            _ => return None,
        };
        Some(())
    }
}

impl SeededByTicks {
    /// Takes in a candle's price.
    #[inline]
    pub(super) fn step_price(&mut self, by: Smoothing, source: Source, sample: &Sample) {
        let ticks = sample.ticks(Field::of(source));
        let mean = |sum| ratio::to_f64(sum, source.divisor() * i128::from(by.period), sample.scale());
        match self {
            // The price is converted where it is needed only.
            Self::Ready(_) => self.step(by, sample.value(source), ticks, mean),
            Self::Warming { .. } => self.step(by, 0.0, ticks, mean),
        }
    }
}

impl SeededByValues {
    /// Takes in a value.
    #[inline]
    pub(super) fn step_value(&mut self, by: Smoothing, value: f64) {
        self.step(by, value, value, |mean| mean);
    }
}
