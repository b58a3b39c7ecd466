//! Arnaud Legoux moving average: the last `n` values weighted by a bell around `m = 0.85 (n-1)`.
//!
//! `w[i] = exp(-(i-m)² / (2 s²))` with `s = n / 6`, `i` counting from the oldest; `m` is not cut to a whole number
//! (A. Legoux and D. Kouzis-Loukas, 2009; TA-Lib cuts it). First value at index `n - 1`. The weights are whole
//! numbers of 2⁻⁴⁸ of the largest, so that the sum is exact and the same on every machine, whatever the ticks,
//! and a constant price stays what it is; that costs less than 1e-14 of the value. This is the one average that
//! takes `n` steps for a candle.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};
use crate::ratio;

const OFFSET: f64 = 0.85;
const SIGMA: f64 = 6.0;
/// The largest weight.
const ONE: f64 = (1_u64 << 48) as f64;

/// The weighted sum after the last candle.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alma {
    source: Source,
    /// Of the newest value first.
    weights: Box<[i64]>,
    divisor: i128,
    warm_up: WarmUp,
    sum: i128,
}

fn weights(n: u16) -> impl Iterator<Item = i64> {
    let (peak, width) = (OFFSET * f64::from(n - 1), f64::from(n) / SIGMA);
    (0..n).rev().map(move |i| {
        let distance = (f64::from(i) - peak) / width;
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 2^48")]
        let weight = (ONE * (-0.5 * distance * distance).exp()).round() as i64;
        weight
    })
}

impl Kernel for Alma {
    const ABOUT: About = About {
        name: "alma",
        title: "Arnaud Legoux moving average, offset 0.85, sigma 6",
        formula: "Σ w x / Σ w, w = exp(-(i - 0.85 (n-1))² / (2 (n/6)²)), i = 0 for the oldest of n",
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
            weight: Weight::of_prices((i128::from(n) << 48) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let (n, source) = (arguments.period(), arguments.source);
        let weights: Box<[i64]> = weights(n).collect();
        let divisor = weights.iter().map(|&weight| i128::from(weight)).sum::<i128>() * source.divisor();
        Self { source, weights, divisor, warm_up: WarmUp::of(n), sum: 0 }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let values = Values::of(self.source, sample, past);
        if self.warm_up.ends() {
            let terms = (0_u16..).zip(&self.weights).map(|(ago, &weight)| values.ago(ago).wrapping_mul(weight.into()));
            self.sum = terms.fold(0, i128::wrapping_add);
        }
        self.warm_up.step();
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let mean = || Reading::Float(ratio::to_f64(self.sum, self.divisor, scale));
        self.warm_up.is_over().then(mean)
    }

    fn rescale(&mut self, finer: Finer) {
        self.sum = self.sum.wrapping_mul(finer.price);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn the_bell_stands_before_the_newest() {
        // n = 3: peak 1.7, width 0.5.
        let weight = |i: f64| (-(i - 1.7_f64).powi(2) / (2.0 * 0.25)).exp();
        let [a, b, c] = [weight(0.0), weight(1.0), weight(2.0)];
        let mean = |x: [f64; 3]| (a * x[0] + b * x[1] + c * x[2]) / (a + b + c);
        let expected = [None, None, Some(mean([1.0, 2.0, 4.0])), Some(mean([2.0, 4.0, 8.0]))];
        check("alma(3)", &["1", "2", "4", "8"], &expected);
        check("alma(20)", &["0.3"; 21], &[vec![None; 19], vec![Some(0.3); 2]].concat());
        check("alma(1)", &["0.7"], &[Some(0.7)]);
    }
}
