//! Bollinger bands: `sma(n)` and `k` standard deviations above and below it.
//!
//! The deviation is that of the whole window (divided by `n`), as TA-Lib's `BBANDS` (J. Bollinger). Its square,
//! `(n Σ x² - (Σ x)²) / n²`, is exact in whole ticks, so that a flat market has no width; in floats, rounding
//! leaves some. First value at index `n - 1`.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::rolling::RollingSum;
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};
use crate::ratio;

/// Running sums of prices and of their squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bbands {
    source: Source,
    period: u16,
    deviations: f64,
    warm_up: WarmUp,
    sum: RollingSum,
    squares: i128,
}

impl Kernel for Bbands {
    const ABOUT: About = About {
        name: "bbands",
        title: "Bollinger bands, the middle and with .upper and .lower its borders",
        formula: "middle = sma(x, n), upper and lower = middle ± k σ, σ the deviation of n values",
        parameters: &[Parameter::Period("n", 2), Parameter::Deviations, Parameter::Source],
        further: &["upper", "lower"],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        let sum = i128::from(n) * source.divisor();
        Reach {
            first: usize::from(n) - 1,
            needs: Needs::NONE.source(source, n),
            settling: None,
            // Wrapped sums are right as soon as their difference fits: the squared sum, where prices change their sign.
            weight: Weight { prices: 2, volumes: 0, times: sum * sum },
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (n, source) = (arguments.period(), arguments.source);
        let deviations = f64::from(arguments.deviations) / 1e3;
        Self { source, period: n, deviations, warm_up: WarmUp::of(n), sum: RollingSum::new(n, 0), squares: 0 }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let values = Values::of(self.source, sample, past);
        let (entering, leaving) = (values.ago(0), values.ago(self.period));
        self.warm_up.step();
        self.sum.step(values);
        let square = |x: i128| x.wrapping_mul(x);
        self.squares = self.squares.wrapping_add(square(entering)).wrapping_sub(square(leaving));
    }

    #[inline]
    fn reading(&self, output: usize, scale: u8) -> Option<Reading> {
        let middle = Reading::Exact {
            numerator: self.sum.get(),
            denominator: i128::from(self.period) * self.source.divisor(),
            scale,
        };
        if !self.warm_up.is_over() {
            return None;
        }
        let side = match output {
            0 => return Some(middle),
            1 => self.deviations,
            _ => -self.deviations,
        };
        Some(Reading::Float(middle.to_f64() + side * self.deviation(scale)))
    }

    fn rescale(&mut self, finer: Finer) {
        self.sum.rescale(finer.price);
        self.squares = self.squares.wrapping_mul(finer.price).wrapping_mul(finer.price);
    }
}

impl Bbands {
    fn deviation(&self, scale: u8) -> f64 {
        let sum = self.sum.get();
        let variance = self.squares.wrapping_mul(self.period.into()).wrapping_sub(sum.wrapping_mul(sum));
        // Rounded once, so that it does not show how fine the ticks are.
        let divisor = i128::from(self.period) * self.source.divisor();
        ratio::to_f64(variance, divisor * divisor, scale.saturating_mul(2)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::{check, check_output};

    #[test]
    fn borders_lie_deviations_away() {
        // Deviations of 1 2 3 and 2 3 7: √(2/3) and √(14/3).
        let closes = ["1", "2", "3", "7"];
        let (first, second) = ((2.0_f64 / 3.0).sqrt(), (14.0_f64 / 3.0).sqrt());
        check("bbands(3, 2)", &closes, &[None, None, Some(2.0), Some(4.0)]);
        check_output("bbands(3, 2).upper", &closes, &[None, None, Some(2.0 + 2.0 * first), Some(4.0 + 2.0 * second)]);
        check_output("bbands(3, 0.5).lower", &closes, &[None, None, Some(2.0 - 0.5 * first), Some(4.0 - 0.5 * second)]);
        check_output("bbands(2, 2).upper", &["0.3", "0.3", "0.3"], &[None, Some(0.3), Some(0.3)]);
    }
}
