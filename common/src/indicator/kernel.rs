//! What every indicator says about itself and does: its file holds both.
//!
//! A kernel is pure: no clock, no I/O, no knowledge of series or strategies. A step takes in one candle
//! in constant time, of ALMA in that of its period, and allocates nothing.

use super::arguments::{Arguments, Parameter};
use super::bytes::Bytes;
use super::reading::Reading;
use super::sample::{Digits, Finer, Sample, Units};
use super::window::{Needs, Window};

/// What an indicator is, for people and for the parser.
#[derive(Debug)]
pub(super) struct About {
    /// The name in the configuration.
    pub(super) name: &'static str,
    /// In a few words.
    pub(super) title: &'static str,
    /// What is computed, from `x`, the price, now and `x[k]`, k candles ago.
    pub(super) formula: &'static str,
    /// What it takes.
    pub(super) parameters: &'static [Parameter],
    /// The names of its further values; the first value has the indicator's own name.
    pub(super) further: &'static [&'static str],
    /// What its values are.
    pub(super) unit: Unit,
}

/// What values are: those of different units are never crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Levels in the price's unit.
    Price,
    /// Differences of prices that swing around zero.
    Momentum,
    /// Distances in the price's unit.
    Range,
    /// 0 to 100.
    Percent,
}

/// How far an indicator with certain arguments reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reach {
    /// The index of the first candle with a value, counted from 0.
    pub(super) first: usize,
    /// Past candles from which, with the saved bytes, the state after the last candle can be restored: as many
    /// of each field as of the others.
    pub(super) needs: Needs,
    /// Candles until a value that was seeded inside of a series has 8 digits; `None` where it has all of
    /// them at `first`.
    pub(super) settling: Option<usize>,
    /// What its sums grow to.
    pub(super) weight: Weight,
}

/// How large whole numbers become: `price^prices × volume^volumes × times`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weight {
    pub(super) prices: u8,
    pub(super) volumes: u8,
    pub(super) times: i128,
}

impl Weight {
    /// Sums of prices.
    pub(super) fn of_prices(times: i128) -> Self {
        Self { prices: 1, volumes: 0, times }
    }

    /// Whether numbers of so many digits fit into 128 bits.
    pub(super) fn fits(self, units: Units) -> bool {
        let digits = |digits: Digits, power: u8| u32::from(digits.count()) * u32::from(power);
        let numbers = digits(units.price, self.prices) + digits(units.volume, self.volumes);
        numbers + self.times.ilog10() < 38
    }
}

/// An indicator's state, and how it moves on.
pub(super) trait Kernel: Sized {
    /// What it is.
    const ABOUT: About;

    /// Refuses arguments that are in range, and yet make no sense together.
    fn check(_arguments: &Arguments) -> Result<(), &'static str> {
        Ok(())
    }

    /// How far it reaches.
    fn reach(arguments: &Arguments) -> Reach;

    /// The state before the first candle.
    fn new(arguments: &Arguments) -> Self;

    /// Takes in the next candle. `past` holds those before it.
    fn step(&mut self, sample: &Sample, past: &Window);

    /// One of the values after the last candle, where there is one.
    fn reading(&self, output: usize, scale: u8) -> Option<Reading>;

    /// Follows a change of the series' units.
    fn rescale(&mut self, finer: Finer);

    /// Appends what the window can't give back, to be restored bit for bit.
    fn save(&self, _out: &mut Vec<u8>) {}

    /// Takes over what was saved, all of `bytes`, into a state that has seen the window's candles; `None`
    /// where the bytes are not this kernel's.
    fn load(&mut self, _bytes: &mut Bytes<'_>) -> Option<()> {
        Some(())
    }
}

impl<K: Kernel> Kernel for Box<K> {
    const ABOUT: About = K::ABOUT;

    fn check(arguments: &Arguments) -> Result<(), &'static str> {
        K::check(arguments)
    }

    fn reach(arguments: &Arguments) -> Reach {
        K::reach(arguments)
    }

    fn new(arguments: &Arguments) -> Self {
        Self::new(K::new(arguments))
    }

    fn step(&mut self, sample: &Sample, past: &Window) {
        (**self).step(sample, past);
    }

    fn reading(&self, output: usize, scale: u8) -> Option<Reading> {
        (**self).reading(output, scale)
    }

    fn rescale(&mut self, finer: Finer) {
        (**self).rescale(finer);
    }

    fn save(&self, out: &mut Vec<u8>) {
        (**self).save(out);
    }

    fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        (**self).load(bytes)
    }
}

/// Counts the candles that are still missing for a first value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WarmUp(u16);

impl WarmUp {
    /// A value after so many candles.
    pub(super) fn of(candles: u16) -> Self {
        Self(candles)
    }

    #[inline]
    pub(super) fn step(&mut self) {
        // Nothing is written any more once it is over.
        if self.0 > 0 {
            self.0 -= 1;
        }
    }

    /// Whether there is a value by now.
    #[inline]
    pub(super) fn is_over(self) -> bool {
        self.0 == 0
    }

    /// Whether the next candle is the first with a value, or a later one.
    #[inline]
    pub(super) fn ends(self) -> bool {
        self.0 <= 1
    }

    pub(super) fn save(self, out: &mut Vec<u8>) {
        out.extend(self.0.to_le_bytes());
    }

    pub(super) fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.0 = bytes.u16()?;
        Some(())
    }
}
