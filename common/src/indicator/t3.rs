//! T3: six exponential averages in a row, joined by a volume factor of 0.7.
//!
//! `c1 e6 + c2 e5 + c3 e4 + c4 e3` with `c1 = -v³`, `c2 = 3v² + 3v³`, `c3 = -6v² - 3v - 3v³` and
//! `c4 = 1 + 3v + v³ + 3v²`. Each average is seeded by the mean of its first `n` values, so that the first
//! value is at index `6 (n - 1)`, as TA-Lib's `T3` (T. Tillson, 1998). The four factors add up to one, so the
//! sum is taken of distances from `e3`: a constant price stays what it is.

use super::arguments::{Arguments, Parameter};
use super::bytes::Bytes;
use super::cascade::{Cascade, weight};
use super::kernel::{About, Kernel, Reach, Unit};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::Smoothing;
use super::window::{Needs, Window};

/// The volume factor.
const V: f64 = 0.7;
const C1: f64 = -V * V * V;
const C2: f64 = 3.0 * V * V + 3.0 * V * V * V;
const C3: f64 = -6.0 * V * V - 3.0 * V - 3.0 * V * V * V;

/// Six averages in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct T3(Cascade<5>);

impl Kernel for T3 {
    const ABOUT: About = About {
        name: "t3",
        title: "T3, six exponential averages in a row, v = 0.7",
        formula: "c1 e6 + c2 e5 + c3 e4 + c4 e3, e1 = ema(x, n) … e6 = ema(e5, n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach {
            first: 6 * (n - 1),
            needs: Needs::NONE,
            settling: Some((37 * n).div_ceil(2) + 1),
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
        let [_, e3, e4, e5, e6] = self.0.further();
        let (e3, e4, e5, e6) = (e3?, e4?, e5?, e6?);
        Some(Reading::Float(e3 + (C1 * (e6 - e3) + C2 * (e5 - e3) + C3 * (e4 - e3))))
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
    fn six_averages_in_a_row() {
        // With n = 1 every average is the price itself; a constant price stays exactly what it is.
        check("t3(1)", &["1.7", "0.3"], &[Some(1.7), Some(0.3)]);
        check("t3(2)", &["0.3"; 8], &[None, None, None, None, None, None, Some(0.3), Some(0.3)]);
        // A step after seven candles: e1 to e6 move by (2/3) to (2/3)⁶ of it.
        let (v, step) = (0.7_f64, |power: i32| (2.0_f64 / 3.0).powi(power));
        let (c1, c2) = (-v.powi(3), 3.0 * v.powi(2) + 3.0 * v.powi(3));
        let c3 = -6.0 * v.powi(2) - 3.0 * v - 3.0 * v.powi(3);
        let c4 = 1.0 + 3.0 * v + v.powi(3) + 3.0 * v.powi(2);
        let expected = 1.0 + c1 * step(6) + c2 * step(5) + c3 * step(4) + c4 * step(3);
        let mut values = vec![None; 6];
        values.extend([Some(1.0), Some(expected)]);
        check("t3(2)", &["1", "1", "1", "1", "1", "1", "1", "2"], &values);
    }
}
