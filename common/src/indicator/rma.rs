//! Wilder's moving average, also called smoothed: `r = r[1] + k (x - r[1])` with `k = 1 / n`.
//!
//! Seeded by the mean of its first `n` values, so that the first value is at index `n - 1`, as TA-Lib's
//! `RMA` (J. W. Wilder, *New Concepts in Technical Trading Systems*, 1978).

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
pub(super) struct Rma(Cascade<0>);

impl Kernel for Rma {
    const ABOUT: About = About {
        name: "rma",
        title: "Wilder's moving average",
        formula: "r = r[1] + k (x - r[1]), k = 1 / n, begun with sma(n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach { first: n - 1, needs: Needs::NONE, settling: Some(19 * n + 1), weight: weight(arguments) }
    }

    fn new(arguments: &Arguments) -> Self {
        Self(Cascade::new(arguments.source, Smoothing::wilder(arguments.period())))
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
    fn it_moves_by_the_nth_part() {
        check("rma(2)", &["1", "3", "6", "0"], &[None, Some(2.0), Some(4.0), Some(2.0)]);
    }
}
