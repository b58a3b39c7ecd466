//! Zero-lag exponential moving average: the `ema` of `2 x - x[l]` with `l = ⌊(n-1)/2⌋`.
//!
//! Seeded by the mean of its first `n` values, so that the first value is at index `n - 1 + l`, as TA-Lib's
//! `ZLEMA` (J. Ehlers and R. Way, 2010).

use super::arguments::{Arguments, Parameter, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, Smoothing};
use super::window::{Needs, Values, Window};
use crate::ratio;

/// The average of the prices without their lag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Zlema {
    source: Source,
    period: u16,
    by: Smoothing,
    average: SeededByTicks,
}

fn lag(n: u16) -> u16 {
    (n - 1) / 2
}

impl Kernel for Zlema {
    const ABOUT: About = About {
        name: "zlema",
        title: "zero-lag exponential moving average",
        formula: "ema(2 x - x[l], n), l = ⌊(n-1)/2⌋",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        let candles = usize::from(n);
        Reach {
            first: candles - 1 + usize::from(lag(n)),
            needs: Needs::NONE.source(source, lag(n)),
            settling: Some((21 * candles).div_ceil(2) + 1),
            weight: Weight::of_prices(3 * i128::from(n) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let period = arguments.period();
        let by = Smoothing::exponential(period);
        Self { source: arguments.source, period, by, average: SeededByTicks::new() }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let (values, lag) = (Values::of(self.source, sample, past), lag(self.period));
        if lag > 0 && values.seen(lag).is_none() {
            return;
        }
        let ahead = values.ago(0).wrapping_mul(2).wrapping_sub(values.ago(lag));
        let divisor = self.source.divisor();
        let value = ratio::to_f64(ahead, divisor, sample.scale());
        let mean = |sum| ratio::to_f64(sum, divisor * i128::from(self.period), sample.scale());
        self.average.step(self.by, value, ahead, mean);
    }

    #[inline]
    fn reading(&self, _output: usize, _scale: u8) -> Option<Reading> {
        self.average.get().map(Reading::Float)
    }

    fn rescale(&mut self, finer: Finer) {
        self.average.rescale(finer.price);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.average.save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.average.load(self.by, bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn prices_are_carried_on_by_their_last_change() {
        // n = 3, lag 1, k = 1/2: 3, 4, 9, -2 from index 1.
        let closes = ["1", "2", "3", "6", "2"];
        check("zlema(3)", &closes, &[None, None, None, Some(16.0 / 3.0), Some(5.0 / 3.0)]);
        check("zlema(1)", &["1.1", "0.3"], &[Some(1.1), Some(0.3)]);
    }
}
