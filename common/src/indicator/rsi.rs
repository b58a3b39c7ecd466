//! Relative strength index: `100 g / (g + l)` from Wilder's averages of gains `g` and losses `l`.
//!
//! Both are begun with the mean of their first `n`, the first of which is the second candle's, so that the first
//! value is at index `n`, as TA-Lib's `RSI` (J. W. Wilder, 1978). Where nothing has moved it is the neutral 50.

use super::arguments::{Arguments, Parameter, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, Smoothing};
use super::window::{Needs, Values, Window};
use crate::ratio;

/// The averages of gains and losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rsi {
    source: Source,
    period: u16,
    by: Smoothing,
    gains: SeededByTicks,
    losses: SeededByTicks,
}

impl Kernel for Rsi {
    const ABOUT: About = About {
        name: "rsi",
        title: "relative strength index",
        formula: "100 g / (g + l), g = rma(gains, n), l = rma(losses, n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Percent,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        Reach {
            first: n.into(),
            needs: Needs::NONE.source(source, 1),
            settling: Some(20 * usize::from(n) + 1),
            weight: Weight::of_prices(2 * i128::from(n) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (source, period) = (arguments.source, arguments.period());
        let by = Smoothing::wilder(period);
        Self { source, period, by, gains: SeededByTicks::new(), losses: SeededByTicks::new() }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let values = Values::of(self.source, sample, past);
        let Some(before) = values.seen(1) else { return };
        let change = values.ago(0) - before;
        let divisor = self.source.divisor();
        let moved = ratio::to_f64(change, divisor, sample.scale());
        let mean = |sum| ratio::to_f64(sum, divisor * i128::from(self.period), sample.scale());
        // Without a branch: whether a price rises is not to be foretold.
        let (gain, ticks) = (moved.max(0.0), change.max(0));
        self.gains.step(self.by, gain, ticks, mean);
        self.losses.step(self.by, gain - moved, ticks - change, mean);
    }

    #[inline]
    fn reading(&self, _output: usize, _scale: u8) -> Option<Reading> {
        let (gains, losses) = (self.gains.get()?, self.losses.get()?);
        let moved = gains + losses;
        Some(Reading::Float(if moved > 0.0 { 100.0 * (gains / moved) } else { 50.0 }))
    }

    fn rescale(&mut self, finer: Finer) {
        self.gains.rescale(finer.price);
        self.losses.rescale(finer.price);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.gains.save(out);
        self.losses.save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.gains.load(self.by, bytes)?;
        self.losses.load(self.by, bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn gains_are_weighed_against_losses() {
        // n = 2: gains 1 0 3, losses 0 2 0: averages 1/2 and 1, then 7/4 and 1/2.
        let expected = [None, None, Some(100.0 / 3.0), Some(100.0 * 1.75 / 2.25)];
        check("rsi(2)", &["1", "2", "0", "3"], &expected);
        check("rsi(2)", &["5", "5", "5"], &[None, None, Some(50.0)]);
        check("rsi(1)", &["5", "6", "5"], &[None, Some(100.0), Some(0.0)]);
    }
}
