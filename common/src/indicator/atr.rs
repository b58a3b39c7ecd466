//! Average true range, Wilder's or the plain mean.
//!
//! `atr(n)` is Wilder's average of the true ranges, `atr(n, sma)` their mean over `n` candles, from the true range
//! `max(high, close[1]) - min(low, close[1])`. The first true range is the second candle's, and the mean of the
//! first `n` of them begins the average: first value at index `n`, as TA-Lib's `ATR` (J. W. Wilder, *New Concepts
//! in Technical Trading Systems*, 1978). The two can be a third apart.

use super::arguments::{Arguments, Parameter, Smoothing as Kind, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, Smoothing};
use super::true_range::TrueRange;
use super::window::{Needs, Window};
use crate::ratio;

/// The average of the true ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Atr {
    /// Wilder's.
    Wilder { period: u16, by: Smoothing, average: SeededByTicks },
    /// Their running sum.
    Mean { period: u16, warm_up: WarmUp, sum: i128 },
}

impl Kernel for Atr {
    const ABOUT: About = About {
        name: "atr",
        title: "average true range, Wilder's or with sma the plain mean",
        formula: "rma(tr, n) or sma(tr, n), tr = max(high, close[1]) - min(low, close[1])",
        parameters: &[Parameter::Period("n", 1), Parameter::Smoothing],
        further: &[],
        unit: Unit::Range,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = arguments.period();
        let (needs, settling) = match arguments.smoothing {
            Kind::Wilder => (Needs::NONE.source(Source::Close, 1), Some(19 * usize::from(n) + 1)),
            Kind::Mean => {
                (Needs::NONE.source(Source::Close, n + 1).source(Source::High, n + 1).source(Source::Low, n + 1), None)
            }
        };
        Reach { first: n.into(), needs, settling, weight: Weight::of_prices(2 * i128::from(n)) }
    }

    fn new(arguments: &Arguments) -> Self {
        let period = arguments.period();
        match arguments.smoothing {
            Kind::Wilder => Self::Wilder { period, by: Smoothing::wilder(period), average: SeededByTicks::new() },
            Kind::Mean => Self::Mean { period, warm_up: WarmUp::of(period), sum: 0 },
        }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let ranges = TrueRange::new(sample, past);
        let Some(range) = ranges.ago(0) else { return };
        match self {
            Self::Wilder { period, by, average } => {
                let value = ratio::to_f64(range, 1, sample.scale());
                average.step(*by, value, range, |sum| ratio::to_f64(sum, i128::from(*period), sample.scale()));
            }
            Self::Mean { period, warm_up, sum } => {
                warm_up.step();
                *sum += range - ranges.ago(*period).unwrap_or_default();
            }
        }
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        match self {
            Self::Wilder { average, .. } => average.get().map(Reading::Float),
            Self::Mean { period, warm_up, sum } => {
                let mean = Reading::Exact { numerator: *sum, denominator: i128::from(*period), scale };
                warm_up.is_over().then_some(mean)
            }
        }
    }

    fn rescale(&mut self, finer: Finer) {
        match self {
            Self::Wilder { average, .. } => average.rescale(finer.price),
            Self::Mean { sum, .. } => *sum = sum.wrapping_mul(finer.price),
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        if let Self::Wilder { average, .. } = self {
            average.save(out);
        }
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        match self {
            Self::Wilder { by, average, .. } => average.load(*by, bytes),
            Self::Mean { .. } => Some(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::{bar, check_candles};

    #[test]
    fn gaps_count_and_the_two_kinds_part() {
        // True ranges from the second candle: 3 (gap up), 2, 5 (gap down), 1.
        let bars = [
            bar("10", "9", "9.5"),
            bar("12.5", "11", "12"),
            bar("13", "11", "11.5"),
            bar("8", "6.5", "7"),
            bar("7.5", "6.5", "7"),
        ];
        check_candles("atr(2)", &bars, &[None, None, Some(2.5), Some(3.75), Some(2.375)]);
        check_candles("atr(2, sma)", &bars, &[None, None, Some(2.5), Some(3.5), Some(3.0)]);
    }
}
