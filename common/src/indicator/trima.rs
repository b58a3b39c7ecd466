//! Triangular moving average: a simple average of simple averages.
//!
//! Of `(n+1) / 2` twice where `n` is odd, of `n / 2` and `n / 2 + 1` where it is even, so that the weights rise to
//! the middle and fall again. First value at index `n - 1`, as TA-Lib's `TRIMA`. The outer sum loses the inner
//! sum of a while ago, which runs along delayed, so nothing but the window is kept.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::rolling::RollingSum;
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};

/// The sum of inner sums, the inner sum now, and the one that leaves the outer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trima {
    source: Source,
    divisor: i128,
    warm_up: WarmUp,
    inner: RollingSum,
    leaving: RollingSum,
    outer: i128,
}

/// The lengths of the inner and the outer average.
fn lengths(n: u16) -> (u16, u16) {
    (n.div_ceil(2), n / 2 + 1)
}

fn divisor(arguments: &Arguments) -> i128 {
    let (inner, outer) = lengths(arguments.period());
    i128::from(inner) * i128::from(outer) * arguments.source.divisor()
}

impl Kernel for Trima {
    const ABOUT: About = About {
        name: "trima",
        title: "triangular moving average",
        formula: "sma(sma(x, (n+1)/2), (n+1)/2) for odd n, sma(sma(x, n/2), n/2 + 1) for even n",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        Reach {
            first: usize::from(n) - 1,
            needs: Needs::NONE.source(source, n + 1),
            settling: None,
            weight: Weight::of_prices(divisor(arguments)),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (inner, outer) = lengths(arguments.period());
        Self {
            source: arguments.source,
            divisor: divisor(arguments),
            warm_up: WarmUp::of(arguments.period()),
            inner: RollingSum::new(inner, 0),
            leaving: RollingSum::new(inner, outer),
            outer: 0,
        }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let values = Values::of(self.source, sample, past);
        self.warm_up.step();
        self.inner.step(values);
        self.leaving.step(values);
        self.outer = self.outer.wrapping_add(self.inner.get()).wrapping_sub(self.leaving.get());
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let mean = Reading::Exact { numerator: self.outer, denominator: self.divisor, scale };
        self.warm_up.is_over().then_some(mean)
    }

    fn rescale(&mut self, finer: Finer) {
        self.inner.rescale(finer.price);
        self.leaving.rescale(finer.price);
        self.outer = self.outer.wrapping_mul(finer.price);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn weights_rise_and_fall() {
        // Odd: 1 2 1. Even: 1 2 2 1.
        check("trima(3)", &["1", "2", "4", "8"], &[None, None, Some(9.0 / 4.0), Some(18.0 / 4.0)]);
        check("trima(4)", &["1", "2", "4", "8", "3"], &[None, None, None, Some(21.0 / 6.0), Some(29.0 / 6.0)]);
        check("trima(1)", &["7"], &[Some(7.0)]);
    }
}
