//! Double exponential moving average: `2 e1 - e2`, where `e1 = ema(x)` and `e2 = ema(e1)`.
//!
//! Each of the two is seeded by the mean of its first `n` values, so that the first value is at index
//! `2 (n - 1)`, as TA-Lib's `DEMA` (P. G. Mulloy, 1994).

use super::arguments::{Arguments, Parameter};
use super::bytes::Bytes;
use super::cascade::{Cascade, weight};
use super::kernel::{About, Kernel, Reach, Unit};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::Smoothing;
use super::window::{Needs, Window};

/// Two averages in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dema(Cascade<1>);

impl Kernel for Dema {
    const ABOUT: About = About {
        name: "dema",
        title: "double exponential moving average",
        formula: "2 e1 - e2, e1 = ema(x, n), e2 = ema(e1, n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach { first: 2 * (n - 1), needs: Needs::NONE, settling: Some(13 * n + 1), weight: weight(arguments) }
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
        let (first, [second]) = (self.0.first()?, self.0.further());
        Some(Reading::Float(first + (first - second?)))
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
    fn the_average_of_the_average_is_taken_off() {
        // n = 3, k = 1/2: e1 is 2, 4, 3, 5 from index 2, e2 is 3, 4 from index 4.
        let closes = ["1", "2", "3", "6", "2", "7"];
        check("dema(3)", &closes, &[None, None, None, None, Some(3.0), Some(6.0)]);
    }
}
