//! Samples: a candle in the units of its series.
//!
//! Prices and volumes become whole ticks, on which the window family sums exactly, and prices the
//! nearest `f64` where a recursive average asks for it.

use super::arguments::Source;
use super::reading::Reading;
use crate::candle::ClosedCandle;
use crate::decimal::{Decimal, SCALE_MAX, WHOLE_DIGITS_MAX};
use crate::ratio;

/// The digits before the point and the decimals that a series' ticks may have together.
const DIGITS_MAX: u8 = 34;

/// What a window can keep of a candle: the sum of prices that a source is, or the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field(u8);

impl Field {
    /// How many fields there are.
    pub(super) const COUNT: usize = Source::ALL.len() + 1;
    /// Traded volume: the field behind the sources.
    pub(super) const VOLUME: Self = Self(7);

    /// The sum of prices that a source is.
    pub(super) const fn of(source: Source) -> Self {
        Self(source as u8)
    }

    /// Every field.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=Self::VOLUME.0).map(Self)
    }

    /// Its place in an array of all fields.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The most digits seen on either side of the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digits {
    /// Digits before the point.
    pub whole: u8,
    /// Digits after the point: the ticks are of `10^-scale`.
    pub scale: u8,
}

impl Digits {
    fn with(self, number: Decimal) -> Self {
        Self { whole: self.whole.max(number.whole_digits()), scale: self.scale.max(number.scale()) }
    }

    /// How many digits the ticks may have.
    pub fn count(self) -> u8 {
        self.whole.saturating_add(self.scale)
    }
}

/// The units of a series: they become finer with the first candle that shows more decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Of prices.
    pub price: Digits,
    /// Of volumes.
    pub volume: Digits,
}

/// By how many times ticks became finer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finer {
    pub(super) price: i128,
    pub(super) volume: i128,
}

impl Units {
    /// Units that were stored; `None` where no series can have had them.
    pub fn stored(price: Digits, volume: Digits) -> Option<Self> {
        let fits = |digits: Digits| digits.scale <= SCALE_MAX && digits.whole <= WHOLE_DIGITS_MAX;
        (fits(price) && fits(volume) && price.count() <= DIGITS_MAX).then_some(Self { price, volume })
    }

    /// The units that hold a candle as well; `None` where its prices can't be held in exact ticks beside
    /// the others of the series.
    pub fn with(self, candle: &ClosedCandle) -> Option<Self> {
        let prices = [candle.open(), candle.high(), candle.low(), candle.close()];
        let price = prices.into_iter().fold(self.price, Digits::with);
        // Volumes that do not fit cost an average that needs them its value, never a candle.
        (price.count() <= DIGITS_MAX).then_some(Self { price, volume: self.volume.with(candle.volume()) })
    }

    /// By how much these are finer than `coarse`; `None` where they are the same.
    pub fn finer_than(self, coarse: Self) -> Option<Finer> {
        let factor = |fine: Digits, coarse: Digits| 10_i128.wrapping_pow(u32::from(fine.scale - coarse.scale));
        let finer = Finer { price: factor(self.price, coarse.price), volume: factor(self.volume, coarse.volume) };
        (finer != Finer { price: 1, volume: 1 }).then_some(finer)
    }
}

impl Finer {
    /// The factor for a field's ticks.
    pub(super) fn of(self, field: Field) -> i128 {
        if field == Field::VOLUME { self.volume } else { self.price }
    }
}

/// One candle in the units of its series.
#[derive(Clone, Debug)]
pub struct Sample {
    ticks: Ticks,
    close: f64,
    scale: u8,
}

/// 64 bits hold all but the most unusual prices, and are moved about in half the time.
#[derive(Clone, Debug)]
enum Ticks {
    Narrow([i64; Field::COUNT]),
    Wide(Box<[i128; Field::COUNT]>),
}

impl Sample {
    /// Expresses a candle in these units; `None` where they don't hold it.
    pub fn new(candle: &ClosedCandle, units: Units) -> Option<Self> {
        let price = |number: Decimal| number.ticks(units.price.scale);
        let (open, high, low) = (price(candle.open())?, price(candle.high())?, price(candle.low())?);
        let close = price(candle.close())?;
        let volume = candle.volume().ticks_wrapping(units.volume.scale)?;
        let ticks = [open, high, low, close, high + low, high + low + close, open + high + low + close, volume];
        Some(Self { ticks: Ticks::of(ticks), close: candle.close().to_f64(), scale: units.price.scale })
    }

    /// A candle of which only some fields are known, in ticks: as a window gives it back.
    pub(super) fn partial(ticks: [i128; Field::COUNT], scale: u8) -> Self {
        let close = ratio::to_f64(ticks[Field::of(Source::Close).index()], 1, scale);
        Self { ticks: Ticks::of(ticks), close, scale }
    }

    #[inline]
    pub(super) fn ticks(&self, field: Field) -> i128 {
        match &self.ticks {
            Ticks::Narrow(ticks) => ticks[field.index()].into(),
            Ticks::Wide(ticks) => ticks[field.index()],
        }
    }

    /// The same where 64 bits hold it, which is all but always.
    #[inline]
    pub(super) fn narrow(&self, field: Field) -> Option<i64> {
        match &self.ticks {
            Ticks::Narrow(ticks) => Some(ticks[field.index()]),
            Ticks::Wide(ticks) => i64::try_from(ticks[field.index()]).ok(),
        }
    }

    /// The `f64` nearest to a price.
    #[inline]
    pub(super) fn value(&self, source: Source) -> f64 {
        if source == Source::Close {
            return self.close;
        }
        ratio::to_f64(self.ticks(Field::of(source)), source.divisor(), self.scale)
    }

    /// A price, exactly.
    pub fn reading(&self, source: Source) -> Reading {
        Reading::Exact { numerator: self.ticks(Field::of(source)), denominator: source.divisor(), scale: self.scale }
    }

    /// The decimals of the price's ticks.
    #[inline]
    pub(super) fn scale(&self) -> u8 {
        self.scale
    }
}

impl Ticks {
    fn of(all: [i128; Field::COUNT]) -> Self {
        let mut narrow = [0; Field::COUNT];
        for (narrow, wide) in narrow.iter_mut().zip(&all) {
            match i64::try_from(*wide) {
                Ok(ticks) => *narrow = ticks,
                Err(_) => return Self::Wide(Box::new(all)),
            }
        }
        Self::Narrow(narrow)
    }
}
