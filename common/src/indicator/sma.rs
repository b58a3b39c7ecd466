//! Simple moving average: `(x + x[1] + … + x[n-1]) / n`.
//!
//! First value at index `n - 1`, as TA-Lib's `SMA`. The sum runs over whole ticks, so it neither
//! drifts nor rounds.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};

/// A running sum of the last prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sma {
    source: Source,
    period: u16,
    divisor: i128,
    warm_up: WarmUp,
    sum: i128,
}

impl Kernel for Sma {
    const ABOUT: About = About {
        name: "sma",
        title: "simple moving average",
        formula: "(x + x[1] + … + x[n-1]) / n",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        Reach {
            first: usize::from(n) - 1,
            needs: Needs::NONE.source(source, n),
            settling: None,
            weight: Weight::of_prices(i128::from(n) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (n, source) = (arguments.period(), arguments.source);
        let divisor = i128::from(n) * source.divisor();
        Self { source, period: n, divisor, warm_up: WarmUp::of(n), sum: 0 }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        self.warm_up.step();
        let values = Values::of(self.source, sample, past);
        // The difference first: the sum then waits for one addition, not for two.
        self.sum = self.sum.wrapping_add(values.now().wrapping_sub(values.ago(self.period)));
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let mean = Reading::Exact { numerator: self.sum, denominator: self.divisor, scale };
        self.warm_up.is_over().then_some(mean)
    }

    fn rescale(&mut self, finer: Finer) {
        self.sum = self.sum.wrapping_mul(finer.price);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn means_of_three() {
        check("sma(3)", &["1", "2", "4", "8", "3"], &[None, None, Some(7.0 / 3.0), Some(14.0 / 3.0), Some(5.0)]);
        check("sma(1)", &["1.5", "2"], &[Some(1.5), Some(2.0)]);
    }
}
