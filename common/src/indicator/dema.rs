//! Double exponential moving average: `2 e1 - e2`, where `e1 = ema(x)` and `e2 = ema(e1)`.
//!
//! Each of the two is seeded by the mean of its first `n` values, so that the first value is at index
//! `2 (n - 1)`, as TA-Lib's `DEMA` (P. G. Mulloy, 1994).

use super::arguments::{Arguments, Parameter, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, SeededByValues, Smoothing};
use super::window::{Needs, Window};

/// Two averages in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dema {
    source: Source,
    by: Smoothing,
    first: SeededByTicks,
    second: SeededByValues,
}

impl Kernel for Dema {
    const ABOUT: About = About {
        name: "dema",
        title: "double exponential moving average",
        formula: "2 e1 - e2, e1 = ema(x, n), e2 = ema(e1, n)",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach {
            first: 2 * (n - 1),
            needs: Needs::NONE,
            settling: Some(13 * n + 1),
            weight: Weight::of_prices(i128::from(arguments.period()) * arguments.source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        Self {
            source: arguments.source,
            by: Smoothing::exponential(arguments.period()),
            first: SeededByTicks::new(),
            second: SeededByValues::new(),
        }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, _past: &Window) {
        self.first.step_price(self.by, self.source, sample);
        if let Some(first) = self.first.get() {
            self.second.step_value(self.by, first);
        }
    }

    #[inline]
    fn reading(&self, _output: usize, _scale: u8) -> Option<Reading> {
        let (first, second) = (self.first.get()?, self.second.get()?);
        Some(Reading::Float(first + (first - second)))
    }

    fn rescale(&mut self, finer: Finer) {
        self.first.rescale(finer.price);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.first.save(out);
        self.second.save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.first.load(self.by, bytes)?;
        self.second.load(self.by, bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::check;

    #[test]
    fn the_average_of_the_average_is_taken_off() {
        // n = 3, k = 1/2: e1 is 2, 4, 3, 5 from index 2, e2 is 3, 4 from index 4.
        let closes = ["1", "2", "3", "6", "2", "7"];
        check("dema(3)", &closes, &[None, None, None, None, Some(3.0), Some(6.0)]);
    }
}
