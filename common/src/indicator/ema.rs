//! Exponential moving average: `e = e[1] + k (x - e[1])` with `k = 2 / (n + 1)`.
//!
//! Seeded by the mean of its first `n` values, so that the first value is at index `n - 1`, as TA-Lib's
//! `EMA` in its default compatibility.

use super::arguments::{Arguments, Parameter};
use super::bytes::Bytes;
use super::cascade::{Cascade, weight};
use super::kernel::{About, Kernel, Reach, Unit};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::Smoothing;
use super::window::{Needs, Window};

/// The average, or the sum that will seed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ema(Cascade<0>);

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
        Reach { first: n - 1, needs: Needs::NONE, settling: Some((19 * n).div_ceil(2) + 1), weight: weight(arguments) }
    }

    fn new(arguments: &Arguments) -> Self {
        Self(Cascade::new(arguments.source, Smoothing::exponential(arguments.period())))
    }

    #[inline]
    fn step(&mut self, sample: &Sample, _past: &Window) {
        self.0.step(sample);
    }

    #[inline]
    fn reading(&self, _output: usize, _scale: u8) -> Option<Reading> {
        self.0.first().map(Reading::Float)
    }

    fn rescale(&mut self, finer: Finer) {
        self.0.rescale(finer);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.0.load(bytes)
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
