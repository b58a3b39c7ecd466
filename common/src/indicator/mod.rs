//! Averages and the other indicators: a candle in, a value out.
//!
//! Owns the registry of what can be configured ([`IndicatorSpec`]) and the kernels' one interface
//! ([`Indicator`]). Kernels are pure: no clock, no I/O, no knowledge of series or strategies. Each
//! lives in a file of its own with its formula, seeding and source.
//!
//! Prices reach the kernels twice: as whole ticks, on which the window family sums exactly, and as
//! the nearest `f64`, on which the recursive family runs. The window of past closes is shared by all
//! indicators of a series and is not part of any indicator's state.

mod atr;
mod ema;
mod sma;
mod spec;
mod window;

pub use spec::{IndicatorSpec, PERIOD_MAX, Period, SpecError};
pub use window::Window;

use std::cmp::Ordering;

use crate::candle::ClosedCandle;
use crate::ratio;

use atr::Atr;
use ema::Ema;
use sma::Sma;

/// One candle in the units of its series.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    high: i128,
    low: i128,
    close: i128,
    close_f64: f64,
    scale: u8,
}

impl Sample {
    /// Expresses a candle in ticks of `10^-scale`; `None` where a price does not fit.
    pub fn new(candle: &ClosedCandle, scale: u8) -> Option<Self> {
        Some(Self {
            high: candle.high().ticks(scale)?,
            low: candle.low().ticks(scale)?,
            close: candle.close().ticks(scale)?,
            close_f64: candle.close().to_f64(),
            scale,
        })
    }

    /// The close in ticks.
    pub fn close(&self) -> i128 {
        self.close
    }
}

/// An indicator's value after a candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// `numerator / denominator` ticks, exactly.
    Exact {
        /// Sum of ticks.
        numerator: i128,
        /// What it is divided by; above zero.
        denominator: i128,
    },
    /// A value that was rounded on the way.
    Float(f64),
}

impl Reading {
    /// The nearest `f64`, in the price's unit.
    pub fn to_f64(self, scale: u8) -> f64 {
        match self {
            Self::Exact { numerator, denominator } => ratio::to_f64(numerator, denominator, scale),
            Self::Float(value) => value,
        }
    }

    /// Compares two readings of one series: exactly where both are exact, else by their `f64`s.
    pub fn compare(self, other: Self, scale: u8) -> Ordering {
        match (self, other) {
            (Self::Exact { numerator: a, denominator: b }, Self::Exact { numerator: c, denominator: d }) => {
                ratio::compare((a, b), (c, d))
            }
            // Readings are finite, so they always compare; -0.0 equals 0.0.
            _ => self.to_f64(scale).partial_cmp(&other.to_f64(scale)).unwrap_or(Ordering::Equal),
        }
    }
}

/// A configured indicator and its state.
#[derive(Clone, Debug, PartialEq)]
pub enum Indicator {
    /// Simple moving average.
    Sma(Sma),
    /// Exponential moving average.
    Ema(Ema),
    /// Wilder's average true range.
    Atr(Atr),
}

impl Indicator {
    /// Starts an indicator that has seen nothing.
    pub fn new(spec: IndicatorSpec) -> Self {
        match spec {
            IndicatorSpec::Sma(period) => Self::Sma(Sma::new(period)),
            IndicatorSpec::Ema(period) => Self::Ema(Ema::new(period)),
            IndicatorSpec::Atr(period) => Self::Atr(Atr::new(period)),
        }
    }

    /// Restores an indicator from [`Indicator::save`]'s bytes and the window it stood beside, bit for
    /// bit; `None` where the bytes are not this indicator's.
    pub fn restore(spec: IndicatorSpec, bytes: &[u8], window: &Window) -> Option<Self> {
        Some(match spec {
            IndicatorSpec::Sma(period) if bytes.is_empty() => Self::Sma(Sma::over(period, window)),
            IndicatorSpec::Sma(_) => return None,
            IndicatorSpec::Ema(period) => Self::Ema(Ema::restore(period, bytes)?),
            IndicatorSpec::Atr(period) => Self::Atr(Atr::restore(period, bytes)?),
        })
    }

    /// Appends what the window can't give back, to be restored bit for bit.
    pub fn save(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sma(_) => {}
            Self::Ema(ema) => ema.save(out),
            Self::Atr(atr) => atr.save(out),
        }
    }

    /// Takes in the next candle. `past` holds the closes before it.
    pub fn step(&mut self, sample: &Sample, past: &Window) {
        match self {
            Self::Sma(sma) => sma.step(sample, past),
            Self::Ema(ema) => ema.step(sample),
            Self::Atr(atr) => atr.step(sample, past),
        }
    }

    /// The value after the last candle; `None` while warming up.
    pub fn reading(&self) -> Option<Reading> {
        match self {
            Self::Sma(sma) => sma.reading(),
            Self::Ema(ema) => ema.reading(),
            Self::Atr(atr) => atr.reading(),
        }
    }

    /// Follows a change of the series' ticks: they became `factor` times finer.
    pub fn rescale(&mut self, factor: i128) {
        match self {
            Self::Sma(sma) => sma.rescale(factor),
            Self::Ema(ema) => ema.rescale(factor),
            Self::Atr(atr) => atr.rescale(factor),
        }
    }
}

/// A recursive average's seed: the mean of its first values, summed in whole ticks.
///
/// Shared by every average that TA-Lib seeds with a simple mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seeded {
    /// Fewer values seen than the period: there is no value to misuse.
    Warming { seen: u32, sum: i128 },
    /// The average's value.
    Ready(f64),
}

impl Seeded {
    const NEW: Self = Self::Warming { seen: 0, sum: 0 };

    /// Adds a value given in ticks; once ready, moves towards it by `weight` of the distance.
    fn step(&mut self, period: Period, ticks: i128, value: f64, scale: u8, approach: impl Fn(f64, f64) -> f64) {
        match self {
            Self::Ready(average) => *average = approach(*average, value),
            Self::Warming { seen, sum } => {
                *seen += 1;
                *sum += ticks;
                if *seen == period.get() {
                    *self = Self::Ready(ratio::to_f64(*sum, i128::from(period.get()), scale));
                }
            }
        }
    }

    fn reading(self) -> Option<Reading> {
        match self {
            Self::Warming { .. } => None,
            Self::Ready(value) => Some(Reading::Float(value)),
        }
    }

    fn rescale(&mut self, factor: i128) {
        if let Self::Warming { sum, .. } = self {
            *sum *= factor;
        }
    }

    /// 8 bytes once ready, 20 while warming up.
    fn save(self, out: &mut Vec<u8>) {
        match self {
            Self::Ready(value) => out.extend(value.to_bits().to_le_bytes()),
            Self::Warming { seen, sum } => {
                out.extend(sum.to_le_bytes());
                out.extend(seen.to_le_bytes());
            }
        }
    }

    fn restore(period: Period, bytes: &[u8]) -> Option<Self> {
        if let Ok(bits) = <[u8; 8]>::try_from(bytes) {
            let value = f64::from_bits(u64::from_le_bytes(bits));
            return value.is_finite().then_some(Self::Ready(value));
        }
        let (sum, seen) = bytes.split_at_checked(16)?;
        let sum = i128::from_le_bytes(sum.try_into().ok()?);
        let seen = u32::from_le_bytes(seen.try_into().ok()?);
        (seen < period.get()).then_some(Self::Warming { seen, sum })
    }
}
