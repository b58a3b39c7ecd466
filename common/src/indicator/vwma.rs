//! Volume weighted moving average: `Σ x v / Σ v` over the last `n` candles.
//!
//! First value at index `n - 1`, as TA-Lib's `VWMA`; none while nothing was traded in the whole window, where TA-Lib
//! answers with a number. Both sums are whole numbers.

use super::arguments::{Arguments, Parameter, Source};
use super::kernel::{About, Kernel, Reach, Unit, WarmUp, Weight};
use super::reading::Reading;
use super::sample::{Field, Finer, Sample};
use super::window::{Needs, Values, Window};

/// Running sums of turnovers and volumes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Vwma {
    source: Source,
    period: u16,
    warm_up: WarmUp,
    turnover: i128,
    volume: i128,
}

impl Kernel for Vwma {
    const ABOUT: About = About {
        name: "vwma",
        title: "volume weighted moving average",
        formula: "Σ x v / Σ v over n candles, v the volume",
        parameters: &[Parameter::Period("n", 1), Parameter::Source],
        further: &[],
        unit: Unit::Price,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let (n, source) = (arguments.period(), arguments.source);
        Reach {
            first: usize::from(n) - 1,
            needs: Needs::NONE.source(source, n).volume(n),
            settling: None,
            weight: Weight { prices: 1, volumes: 1, times: i128::from(n) * source.divisor() },
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let n = arguments.period();
        Self { source: arguments.source, period: n, warm_up: WarmUp::of(n), turnover: 0, volume: 0 }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let (prices, volumes) = (Values::of(self.source, sample, past), Values::field(Field::VOLUME, sample, past));
        let (entering, leaving) = (volumes.ago(0), volumes.ago(self.period));
        self.warm_up.step();
        self.volume = self.volume.wrapping_add(entering).wrapping_sub(leaving);
        let entering = entering.wrapping_mul(prices.ago(0));
        self.turnover =
            self.turnover.wrapping_add(entering).wrapping_sub(leaving.wrapping_mul(prices.ago(self.period)));
    }

    #[inline]
    fn reading(&self, _output: usize, scale: u8) -> Option<Reading> {
        let denominator = self.volume.wrapping_mul(self.source.divisor());
        let is_traded = self.warm_up.is_over() && denominator > 0;
        is_traded.then_some(Reading::Exact { numerator: self.turnover, denominator, scale })
    }

    fn rescale(&mut self, finer: Finer) {
        self.volume = self.volume.wrapping_mul(finer.volume);
        self.turnover = self.turnover.wrapping_mul(finer.price).wrapping_mul(finer.volume);
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::{check_candles, traded};

    #[test]
    fn busy_candles_weigh_more() {
        let candles = [traded("1", "0"), traded("2", "0"), traded("4", "3"), traded("8", "0.5"), traded("9", "0.25")];
        let expected = [None, None, Some(4.0), Some(16.0 / 3.5), Some(18.25 / 3.75)];
        check_candles("vwma(3)", &candles, &expected);
    }

    #[test]
    fn without_trades_there_is_no_value() {
        let candles = [traded("1", "5"), traded("2", "0"), traded("3", "0"), traded("4", "1")];
        check_candles("vwma(2)", &candles, &[None, Some(1.0), None, Some(4.0)]);
    }
}
