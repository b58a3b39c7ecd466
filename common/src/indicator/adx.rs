//! Average directional index: how strong a trend is, and with `.plus_di` and `.minus_di` where it goes.
//!
//! A candle's movement is what its high or its low goes beyond the one before, whichever is more, up or down.
//! Movements and true ranges are summed over the first `n - 1` candles that have one before; then each sum loses its
//! `n`th part with every candle. `di = 100 movement / range`, `dx = 100 |plus_di - minus_di| / (plus_di + minus_di)`,
//! and the index is Wilder's average of `dx`, begun with the mean of `n`. First value at index `2 n - 1`, as
//! TA-Lib's `ADX` (J. W. Wilder, 1978); it stays as it is while nothing has moved at all.
//! Movements are compared in whole ticks: where they tie, neither counts, while floats let rounding choose one. Both
//! directions are shown from the index's first value on; TA-Lib's begin at `n`.

use super::arguments::{Arguments, Parameter, Source};
use super::bytes::Bytes;
use super::kernel::{About, Kernel, Reach, Unit, Weight};
use super::reading::Reading;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByValues, Smoothing, Sum};
use super::true_range::TrueRange;
use super::window::{Needs, Window};
use crate::ratio;

/// Sums of upward and downward movements and of true ranges.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sums<T> {
    plus: T,
    minus: T,
    range: T,
}

impl<T: Sum> Sums<T> {
    fn save(self, out: &mut Vec<u8>) {
        for sum in [self.plus, self.minus, self.range] {
            sum.save(out);
        }
    }

    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self { plus: T::read(bytes)?, minus: T::read(bytes)?, range: T::read(bytes)? })
    }
}

/// The sums, or what will begin them, and the average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Adx {
    period: u16,
    by: Smoothing,
    phase: Phase,
    average: SeededByValues,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Summing { seen: u16, sums: Sums<i128> },
    Running(Sums<f64>),
}

impl Kernel for Adx {
    const ABOUT: About = About {
        name: "adx",
        title: "average directional index, with .plus_di and .minus_di",
        formula: "rma(100 |p - m| / (p + m), n), p and m the movement up and down in percent of the range",
        parameters: &[Parameter::Period("n", 2)],
        further: &["plus_di", "minus_di"],
        unit: Unit::Percent,
    };

    fn reach(arguments: &Arguments) -> Reach {
        let n = usize::from(arguments.period());
        Reach {
            first: 2 * n - 1,
            needs: [Source::High, Source::Low, Source::Close]
                .into_iter()
                .fold(Needs::NONE, |needs, source| needs.source(source, 1)),
            settling: Some(24 * n + 1),
            weight: Weight::of_prices(2 * i128::from(arguments.period())),
        }
    }

    fn new(arguments: &Arguments) -> Self {
        let period = arguments.period();
        Self {
            period,
            by: Smoothing::wilder(period),
            phase: Phase::Summing { seen: 0, sums: Sums { plus: 0, minus: 0, range: 0 } },
            average: SeededByValues::new(),
        }
    }

    #[inline]
    fn step(&mut self, sample: &Sample, past: &Window) {
        let ranges = TrueRange::new(sample, past);
        let before = ranges.high.seen(1).zip(ranges.low.seen(1));
        let Some((range, (high, low))) = ranges.ago(0).zip(before) else { return };
        let (up, down) = (ranges.high.ago(0) - high, low - ranges.low.ago(0));
        let plus = if up > down { up.max(0) } else { 0 };
        let minus = if down > up { down.max(0) } else { 0 };
        let value = |ticks| ratio::to_f64(ticks, 1, sample.scale());
        match &mut self.phase {
            Phase::Summing { seen, sums } => {
                *seen += 1;
                *sums = Sums {
                    plus: sums.plus.wrapping_add(plus),
                    minus: sums.minus.wrapping_add(minus),
                    range: sums.range.wrapping_add(range),
                };
                if *seen == self.period - 1 {
                    let Sums { plus, minus, range } = *sums;
                    self.phase = Phase::Running(Sums { plus: value(plus), minus: value(minus), range: value(range) });
                }
            }
            Phase::Running(sums) => {
                let share = 1.0 / f64::from(self.period);
                let forget = |sum: f64, ticks| sum - sum * share + value(ticks);
                *sums = Sums {
                    plus: forget(sums.plus, plus),
                    minus: forget(sums.minus, minus),
                    range: forget(sums.range, range),
                };
                let sums = *sums;
                self.average_in(sums);
            }
        }
    }

    #[inline]
    fn reading(&self, output: usize, _scale: u8) -> Option<Reading> {
        let (average, Phase::Running(sums)) = (self.average.get()?, self.phase) else { return None };
        let percent = |movement: f64| if sums.range > 0.0 { 100.0 * (movement / sums.range) } else { 0.0 };
        Some(Reading::Float(match output {
            0 => average,
            1 => percent(sums.plus),
            _ => percent(sums.minus),
        }))
    }

    fn rescale(&mut self, finer: Finer) {
        if let Phase::Summing { sums: Sums { plus, minus, range }, .. } = &mut self.phase {
            for sum in [plus, minus, range] {
                *sum = sum.wrapping_mul(finer.price);
            }
        }
    }

    fn save(&self, out: &mut Vec<u8>) {
        match self.phase {
            Phase::Summing { seen, sums } => {
                out.extend(seen.to_le_bytes());
                sums.save(out);
            }
            Phase::Running(sums) => {
                out.extend(u16::MAX.to_le_bytes());
                sums.save(out);
            }
        }
        self.average.save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.phase = match bytes.u16()? {
            u16::MAX => Phase::Running(Sums::read(bytes)?),
            seen if seen < self.period - 1 => Phase::Summing { seen, sums: Sums::read(bytes)? },
            _ => return None,
        };
        self.average.load(self.by, bytes)
    }
}

impl Adx {
    /// Takes the candle's index into the average. Where nothing has moved so far there is none: it counts as nothing
    /// for the mean that begins the average, and not at all afterwards.
    fn average_in(&mut self, Sums { plus, minus, .. }: Sums<f64>) {
        // Both would be divided by the same range, which leaves their relation as it is.
        if plus + minus > 0.0 {
            self.average.step_value(self.by, 100.0 * ((plus - minus).abs() / (plus + minus)));
        } else if self.average.get().is_none() {
            self.average.step_value(self.by, 0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::indicator::table::{bar, check_candles};

    #[test]
    fn movements_are_weighed_against_each_other() {
        // n = 2. Movements: up 2, up 1, down 3; ranges 3, 2, 4.5.
        let bars = [bar("10", "9", "9"), bar("12", "10", "11"), bar("13", "11", "12"), bar("12.5", "8", "8")];
        // Sums: (2, 0, 3), then (2, 0, 3.5), then (1, 3, 6.25): dx is 100, then 50; their mean begins the average.
        check_candles("adx(2)", &bars, &[None, None, None, Some(75.0)]);
        check_candles("adx(2).plus_di", &bars, &[None, None, None, Some(100.0 / 6.25)]);
        check_candles("adx(2).minus_di", &bars, &[None, None, None, Some(300.0 / 6.25)]);
    }
}
