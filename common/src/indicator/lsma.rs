//! Least squares moving average: the end of the straight line that fits the last `n` values best.
//!
//! It equals `3 wma(n) - 2 sma(n)`, hence `(6 W - 2 (n+1) S) / (n (n+1))` with the weighted sum `W` and the plain
//! sum `S` in whole ticks. First value at index `n - 1`, as TA-Lib's `LINEARREG`; a line needs two points.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::rolling::{WeightedSum, weights};
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};

/// A running weighted sum of the last prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lsma {
    source: Source,
    period: u16,
    divisor: i128,
    warm_up: WarmUp,
    sum: WeightedSum,
}

impl Kernel for Lsma {
    const ABOUT: About = About {
        name: "lsma",
        title: "least squares moving average, the linear regression's end",
        formula: "3 wma(n) - 2 sma(n)",
        parameters: &[Parameter::Period("n", 2), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        Reach {
            first: usize::from(n) - 1,
            needs: Needs::NONE.source(source, n),
            settling: None,
            weight: Weight::of_prices(10 * weights(n) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (n, source) = (arguments.period(), arguments.source);
        let divisor = 2 * weights(n) * source.divisor();
        Self { source, period: n, divisor, warm_up: WarmUp::of(n), sum: WeightedSum::new(n, 0) }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        self.warm_up.step();
        self.sum.step(Values::of(self.source, sample, past));
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let plain = self.sum.plain().wrapping_mul(2 * (i128::from(self.period) + 1));
        let numerator = self.sum.get().wrapping_mul(6).wrapping_sub(plain);
        self.warm_up.is_over().then_some(Reading::Exact { numerator, denominator: self.divisor, scale })
    }

    fn rescale(&mut self, finer: Finer) {
        self.sum.rescale(finer.price);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn a_line_is_followed_and_a_bend_is_fitted() {
        check("lsma(3)", &["1", "2", "3", "10"], &[None, None, Some(3.0), Some(9.0)]);
        check("lsma(2)", &["1", "5"], &[None, Some(5.0)]);
    }
}
