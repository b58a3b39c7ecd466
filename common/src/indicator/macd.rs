//! Moving average convergence/divergence: `ema(f) - ema(s)`, its own `ema(g)` as the signal, their distance.
//!
//! As TA-Lib's `MACD`, both averages have their first value at index `s - 1`, for which the quick one begins with
//! the mean of the `f` values before, and all three values are shown from index `s + g - 2` on, where the signal
//! has its first (G. Appel).

use super::arguments::{Arguments, Parameter, Period, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, SeededByValues, Smoothing};
use super::window::{Needs, Window};

/// Both averages and the signal's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Macd {
    source: Source,
    by: [Smoothing; 3],
    /// Until the quick average's first candle.
    wait: WarmUp,
    fast: SeededByTicks,
    slow: SeededByTicks,
    signal: SeededByValues,
}

impl Kernel for Macd {
    const ABOUT: About = About {
        name: "macd",
        title: "moving average convergence/divergence",
        formula: "line = ema(x, f) - ema(x, s), signal = ema(line, g), histogram = line - signal",
        parameters: &[
            Parameter::Period("f", 1),
            Parameter::Period("s", 2),
            Parameter::Period("g", 1),
            Parameter::Source,
        ],
        further: &["signal", "histogram"],
        unit: Unit::Momentum,
    };

    fn check(arguments: &Arguments) -> Result<(), &'static str> {
        let [fast, slow, _] = arguments.periods;
        if fast < slow { Ok(()) } else { Err("the first period of macd must be shorter than the second") }
    }

    fn reach(arguments: &Arguments) -> Reach {
        let [_, slow, signal] = arguments.periods.map(|period| usize::from(period.get()));
        Reach {
            first: slow + signal - 2,
            needs: Needs::NONE,
            settling: Some((19 * slow).div_ceil(2) + 5 * signal + 1),
            weight: Weight::of_prices(i128::from(arguments.periods[1].get()) * arguments.source.divisor()),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let [fast, slow, _] = arguments.periods.map(Period::get);
        Self {
            source: arguments.source,
            by: arguments.periods.map(|period| Smoothing::exponential(period.get())),
            // One more, so that what is over after the last waiting candle lets the next one in.
            wait: WarmUp::of(slow.saturating_sub(fast) + 1),
            fast: SeededByTicks::new(),
            slow: SeededByTicks::new(),
            signal: SeededByValues::new(),
        }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, _past: &Window) {
        let [by_fast, by_slow, by_signal] = self.by;
        self.wait.step();
        if self.wait.is_over() {
            self.fast.step_price(by_fast, self.source, sample);
        }
        self.slow.step_price(by_slow, self.source, sample);
        if let Some(line) = self.line() {
            self.signal.step_value(by_signal, line);
        }
    }

    #[inline]
    fn reading(&self, output: usize, _scale: u8) -> Option<Reading> {
        let (line, signal) = (self.line()?, self.signal.get()?);
        Some(Reading::Float(match output {
            0 => line,
            1 => signal,
            _ => line - signal,
        }))
    }

    fn rescale(&mut self, finer: Finer) {
        self.fast.rescale(finer.price);
        self.slow.rescale(finer.price);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.wait.save(out);
        self.fast.save(out);
        self.slow.save(out);
        self.signal.save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let [by_fast, by_slow, by_signal] = self.by;
        self.wait.load(bytes)?;
        self.fast.load(by_fast, bytes)?;
        self.slow.load(by_slow, bytes)?;
        self.signal.load(by_signal, bytes)
    }
}

impl Macd {
    fn line(&self) -> Option<f64> {
        Some(self.fast.get()? - self.slow.get()?)
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::{check, check_output};

    #[test]
    fn the_quick_average_begins_as_late_as_the_slow_one_ends_its_mean() {
        // macd(1, 3, 2): ema(1) is the price, ema(3) is 2, 4, 3 from index 2. The lines are 1, 2, -1; the signals
        // 3/2, then 3/2 + 2/3 (-1 - 3/2).
        let closes = ["1", "2", "3", "6", "2"];
        let signals = [1.5, 1.5 - 2.0 / 3.0 * 2.5];
        check("macd(1, 3, 2)", &closes, &[None, None, None, Some(2.0), Some(-1.0)]);
        check_output("macd(1, 3, 2).signal", &closes, &[None, None, None, Some(signals[0]), Some(signals[1])]);
        check_output("macd(1, 3, 2).histogram", &closes, &[None, None, None, Some(0.5), Some(-1.0 - signals[1])]);
        // macd(2, 3, 1): the quick average begins with the mean of indices 1 and 2, not of 0 and 1.
        check("macd(2, 3, 1)", &["9", "2", "4"], &[None, None, Some(3.0 - 5.0)]);
    }
}
