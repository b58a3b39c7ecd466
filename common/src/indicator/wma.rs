//! Linearly weighted moving average: `(n x + (n-1) x[1] + … + x[n-1]) / (n (n+1) / 2)`.
//!
//! First value at index `n - 1`, as TA-Lib's `WMA`. Each candle takes one weight from every value, by
//! subtracting their plain sum, and adds `n x`, all in whole ticks: a sum in floats drifts by 1e-7 over ten
//! million candles.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::rolling::{WeightedSum, weights};
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};

/// A running weighted sum of the last prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wma {
    source: Source,
    divisor: i128,
    warm_up: WarmUp,
    sum: WeightedSum,
}

impl Kernel for Wma {
    const ABOUT: About = About {
        name: "wma",
        title: "linearly weighted moving average",
        formula: "(n x + (n-1) x[1] + … + x[n-1]) / (n (n+1) / 2)",
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
            weight: Weight::of_prices(weights(n) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (n, source) = (arguments.period(), arguments.source);
        Self { source, divisor: weights(n) * source.divisor(), warm_up: WarmUp::of(n), sum: WeightedSum::new(n, 0) }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        self.warm_up.step();
        self.sum.step(Values::of(self.source, sample, past));
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let mean = Reading::Exact { numerator: self.sum.get(), denominator: self.divisor, scale };
        self.warm_up.is_over().then_some(mean)
    }

    fn rescale(&mut self, finer: Finer) {
        self.sum.rescale(finer.price);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn the_newest_weighs_most() {
        check("wma(3)", &["1", "2", "4", "8"], &[None, None, Some(17.0 / 6.0), Some(34.0 / 6.0)]);
    }
}
