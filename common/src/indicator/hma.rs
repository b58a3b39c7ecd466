//! Hull moving average: `wma(2 wma(x, ⌊n/2⌋) - wma(x, n), ⌊√n⌋)`.
//!
//! First value at index `n + ⌊√n⌋ - 2`, both lengths cut as their author does (A. Hull, 2005) and as TA-Lib's
//! `HMA`. The difference of the two averages is a whole number over a common divisor, so the outer average
//! is exact too. The difference that leaves it runs along delayed, so nothing but the window is kept.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::rolling::{WeightedSum, weights};
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};

/// Twice the half average less the full one, over a common divisor.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Raw {
    half: WeightedSum,
    full: WeightedSum,
}

/// The outer weighted sum of differences, the difference now, and the one that leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Hma {
    source: Source,
    warm_up: WarmUp,
    lengths: Lengths,
    divisor: i128,
    now: Raw,
    leaving: Raw,
    plain: i128,
    outer: i128,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Lengths {
    full: u16,
    half: u16,
    outer: u16,
}

impl Lengths {
    fn of(n: u16) -> Self {
        Self { full: n, half: n / 2, outer: n.isqrt() }
    }

    fn divisor(self) -> i128 {
        weights(self.full) * weights(self.half) * weights(self.outer)
    }
}

impl Raw {
    fn new(lengths: Lengths, lag: u16) -> Self {
        Self { half: WeightedSum::new(lengths.half, lag), full: WeightedSum::new(lengths.full, lag) }
    }

    fn step(&mut self, values: Values<'_>, lengths: Lengths) -> i128 {
        self.half.step(values);
        self.full.step(values);
        let half = self.half.get().wrapping_mul(2 * weights(lengths.full));
        half.wrapping_sub(self.full.get().wrapping_mul(weights(lengths.half)))
    }

    fn rescale(&mut self, factor: i128) {
        self.half.rescale(factor);
        self.full.rescale(factor);
    }
}

impl Kernel for Hma {
    const ABOUT: About = About {
        name: "hma",
        title: "Hull moving average",
        formula: "wma(2 wma(x, ⌊n/2⌋) - wma(x, n), ⌊√n⌋)",
        parameters: &[Parameter::Period("n", 2), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (lengths, source) = (Lengths::of(arguments.period()), arguments.source);
        Reach {
            first: usize::from(lengths.full + lengths.outer) - 2,
            needs: Needs::NONE.source(source, lengths.full + lengths.outer),
            settling: None,
            // Twice one average and once the other.
            weight: Weight::of_prices(3 * lengths.divisor() * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (lengths, source) = (Lengths::of(arguments.period()), arguments.source);
        Self {
            source,
            warm_up: WarmUp::of(lengths.full + lengths.outer - 1),
            lengths,
            divisor: lengths.divisor() * source.divisor(),
            now: Raw::new(lengths, 0),
            leaving: Raw::new(lengths, lengths.outer),
            plain: 0,
            outer: 0,
        }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let values = Values::of(self.source, sample, past);
        self.warm_up.step();
        let (entering, leaving) = (self.now.step(values, self.lengths), self.leaving.step(values, self.lengths));
        let weighted = entering.wrapping_mul(self.lengths.outer.into());
        self.outer = self.outer.wrapping_add(weighted).wrapping_sub(self.plain);
        self.plain = self.plain.wrapping_add(entering).wrapping_sub(leaving);
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let mean = Reading::Exact { numerator: self.outer, denominator: self.divisor, scale };
        self.warm_up.is_over().then_some(mean)
    }

    fn rescale(&mut self, finer: Finer) {
        self.now.rescale(finer.price);
        self.leaving.rescale(finer.price);
        self.plain = self.plain.wrapping_mul(finer.price);
        self.outer = self.outer.wrapping_mul(finer.price);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn two_averages_are_smoothed_by_a_third() {
        // n = 4: the difference 2 wma(2) - wma(4) from index 3 on, smoothed by wma(2) from index 4 on.
        let raw = |x: [f64; 4]| {
            let half = (2.0 * x[3] + x[2]) / 3.0;
            let full = (4.0 * x[3] + 3.0 * x[2] + 2.0 * x[1] + x[0]) / 10.0;
            2.0 * half - full
        };
        let (first, second) = (raw([1.0, 2.0, 4.0, 8.0]), raw([2.0, 4.0, 8.0, 3.0]));
        let expected = (2.0 * second + first) / 3.0;
        check("hma(4)", &["1", "2", "4", "8", "3"], &[None, None, None, None, Some(expected)]);
        check("hma(2)", &["1", "4"], &[None, Some(2.0 * 4.0 - 3.0)]);
    }
}
