//! Exponential moving average: `e = e[1] + k (x - e[1])` with `k = 2 / (n + 1)`.
//!
//! Seeded by the mean of its first `n` values, so that the first value is at index `n - 1`, as TA-Lib's
//! `EMA` in its default compatibility.

use super::arguments::{Arguments, Parameter, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, Smoothing};
use super::window::{Needs, Window};

/// The average, or the sum that will seed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ema {
    source: Source,
    by: Smoothing,
    average: SeededByTicks,
}

impl Kernel for Ema {
    const ABOUT: About = About {
        name: "ema",
        title: "exponential moving average",
        formula: "e = e[1] + k (x - e[1]), k = 2 / (n+1), begun with sma(n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach {
            first: n - 1,
            needs: Needs::NONE,
            settling: Some((19 * n).div_ceil(2) + 1),
            weight: Weight::of_prices(i128::from(arguments.period()) * arguments.source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let by = Smoothing::exponential(arguments.period());
        Self { source: arguments.source, by, average: SeededByTicks::new() }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, _past: &Window) {
        self.average.step_price(self.by, self.source, sample);
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
    fn the_mean_of_the_first_values_begins_it() {
        // k = 1/2 for n = 3.
        check("ema(3)", &["1", "2", "3", "6", "2"], &[None, None, Some(2.0), Some(4.0), Some(3.0)]);
        check("ema(1)", &["1.1", "0.3"], &[Some(1.1), Some(0.3)]);
    }
}
