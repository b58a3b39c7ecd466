//! Triple exponential moving average: `3 e1 - 3 e2 + e3`, each the `ema` of the one before.
//!
//! Each is seeded by the mean of its first `n` values, so that the first value is at index `3 (n - 1)`, as
//! TA-Lib's `TEMA` (P. G. Mulloy, 1994).

use super::arguments::{Arguments, Parameter};
use super::bytes::Bytes;
use super::cascade::{Cascade, weight};
use super::kernel::{About, Kernel, Reach, Unit};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::Smoothing;
use super::window::{Needs, Window};

/// Three averages in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tema(Cascade<2>);

impl Kernel for Tema {
    const ABOUT: About = About {
        name: "tema",
        title: "triple exponential moving average",
        formula: "3 e1 - 3 e2 + e3, e1 = ema(x, n), e2 = ema(e1, n), e3 = ema(e2, n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach {
            first: 3 * (n - 1),
            needs: Needs::NONE,
            settling: Some((29 * n).div_ceil(2) + 1),
            weight: weight(arguments),
        }
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
        let (first, [second, third]) = (self.0.first()?, self.0.further());
        // Written as a difference, so that a constant price stays what it is.
        Some(Reading::Float(3.0 * (first - second?) + third?))
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
    fn three_averages_in_a_row() {
        // n = 3, k = 1/2: e1 is 2 4 3 5 7 from index 2, e2 is 3 4 5.5 from index 4, e3 is 12.5 / 3 at index 6.
        let closes = ["1", "2", "3", "6", "2", "7", "9"];
        let expected = 3.0 * (7.0 - 5.5) + 12.5 / 3.0;
        check("tema(3)", &closes, &[None, None, None, None, None, None, Some(expected)]);
    }
}
