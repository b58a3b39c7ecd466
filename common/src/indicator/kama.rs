//! Kaufman's adaptive moving average: `a = a[1] + c (x - a[1])`, quick in a trend and slow in noise.
//!
//! `c = (r (2/3 - 2/31) + 2/31)²`, where the efficiency ratio `r = |x - x[n]| / Σ |x - x[1]|` is the way made in
//! `n` candles over the way walked, both in whole ticks; 1 where nothing moved. The price before begins it, so
//! that the first value is at index `n`, as TA-Lib's `KAMA` (P. J. Kaufman, *Trading Systems and Methods*). As
//! there, an average of one candle is the price itself.

use super::arguments::{Arguments, Parameter, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::window::{Needs, Values, Window};
use crate::ratio;

const QUICK: f64 = 2.0 / 3.0;
const SLOW: f64 = 2.0 / 31.0;
/// In pure noise the average moves by the least part, `SLOW²`, and has 8 digits after so many candles.
const SETTLING: usize = 4_430;

/// The average, and the way walked in the last candles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kama {
    source: Source,
    period: u16,
    warm_up: WarmUp,
    walked: i128,
    /// Counts once warmed up.
    average: f64,
}

impl Kernel for Kama {
    const ABOUT: About = About {
        name: "kama",
        title: "Kaufman's adaptive moving average",
        formula: "a = a[1] + c (x - a[1]), c = (r (2/3 - 2/31) + 2/31)², r = |x - x[n]| / Σ |x - x[1]|",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        Reach {
            first: if n == 1 { 0 } else { n.into() },
            needs: Needs::NONE.source(source, n + 1),
            settling: (n > 1).then_some(SETTLING + usize::from(n)),
            weight: Weight::of_prices(2 * i128::from(n) * source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let n = arguments.period();
        let warm_up = WarmUp::of(if n == 1 { 1 } else { n + 1 });
        Self { source: arguments.source, period: n, warm_up, walked: 0, average: 0.0 }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let (values, n) = (Values::of(self.source, sample, past), self.period);
        let change = |from: u16| (values.ago(from - 1) - values.ago(from)).abs();
        // Before the first change there is none to leave out, and before the first price none to come from.
        let entering = if values.seen(1).is_some() { change(1) } else { 0 };
        let leaving = if values.seen(n + 1).is_some() { change(n + 1) } else { 0 };
        self.walked = self.walked.wrapping_add(entering).wrapping_sub(leaving);
        if self.warm_up.ends() {
            let price = sample.value(self.source);
            let before = if self.warm_up.is_over() {
                self.average
            } else {
                ratio::to_f64(values.ago(1), self.source.divisor(), sample.scale())
            };
            self.average = if n == 1 { price } else { self.approach(before, price, values) };
        }
        self.warm_up.step();
    }

    #[inline]
    fn reading(&self, _output: usize, _scale: u8) -> Option<Reading> {
        self.warm_up.is_over().then_some(Reading::Float(self.average))
    }

    fn rescale(&mut self, finer: Finer) {
        self.walked = self.walked.wrapping_mul(finer.price);
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend(self.average.to_le_bytes());
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.average = bytes.f64()?;
        Some(())
    }
}

impl Kama {
    fn approach(&self, average: f64, price: f64, values: Values<'_>) -> f64 {
        let made = (values.ago(0) - values.ago(self.period)).abs();
        let ratio = if self.walked == made { 1.0 } else { ratio::float(made) / ratio::float(self.walked) };
        let part = ratio * (QUICK - SLOW) + SLOW;
        average + part * part * (price - average)
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn it_follows_a_trend_and_ignores_noise() {
        let part = |ratio: f64| (ratio * (2.0 / 3.0 - 2.0 / 31.0) + 2.0 / 31.0_f64).powi(2);
        // n = 2: straight up, then back to where it was.
        let first = 2.0 + part(1.0);
        let second = first + part(0.0) * (2.0 - first);
        check("kama(2)", &["1", "2", "3", "2"], &[None, None, Some(first), Some(second)]);
        check("kama(2)", &["0.3"; 4], &[None, None, Some(0.3), Some(0.3)]);
        check("kama(1)", &["1", "2"], &[Some(1.0), Some(2.0)]);
    }
}
