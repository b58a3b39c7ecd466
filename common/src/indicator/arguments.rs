//! Arguments of indicators: periods, prices, deviations, and how a text is read into them.
//!
//! Owns their ranges and their one spelling. What they mean is each indicator's business.

use std::fmt;
use std::num::NonZeroU16;

use crate::syntax::{Cursor, Misread};

/// The longest period: the history that a state is rebuilt from holds no more candles.
pub const PERIOD_MAX: u16 = 5_000;
/// The most standard deviations a band may lie from its middle, in thousandths.
const DEVIATIONS_MAX: u32 = 100_000;

/// How many candles an indicator looks at: 1 to [`PERIOD_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Period(NonZeroU16);

impl Period {
    /// One candle.
    const ONE: Self = Self(NonZeroU16::MIN);

    /// Accepts a period from 1 to [`PERIOD_MAX`].
    pub(super) fn new(candles: u16) -> Option<Self> {
        NonZeroU16::new(candles).filter(|candles| candles.get() <= PERIOD_MAX).map(Self)
    }

    /// The number of candles.
    pub(super) fn get(self) -> u16 {
        self.0.get()
    }
}

/// Which price of a candle is meant. The means are exact: sums of prices with a divisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// First price.
    Open,
    /// Highest price.
    High,
    /// Lowest price.
    Low,
    /// Last price.
    Close,
    /// `(high + low) / 2`.
    Hl2,
    /// `(high + low + close) / 3`.
    Hlc3,
    /// `(open + high + low + close) / 4`.
    Ohlc4,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 7] = [Self::Open, Self::High, Self::Low, Self::Close, Self::Hl2, Self::Hlc3, Self::Ohlc4];

    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::Hl2 => "hl2",
            Self::Hlc3 => "hlc3",
            Self::Ohlc4 => "ohlc4",
        }
    }

    /// The source with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }

    /// How many prices its sum is of.
    pub fn divisor(self) -> i128 {
        match self {
            Self::Open | Self::High | Self::Low | Self::Close => 1,
            Self::Hl2 => 2,
            Self::Hlc3 => 3,
            Self::Ohlc4 => 4,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How true ranges are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Smoothing {
    /// Wilder's recursive average.
    Wilder,
    /// The plain mean.
    Mean,
}

/// An argument that an indicator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    /// A number of candles, with its name and the least it may be.
    Period(&'static str, u16),
    /// A number of standard deviations.
    Deviations,
    /// A price, the close where it is left out.
    Source,
    /// `sma` for the plain mean, Wilder's where it is left out.
    Smoothing,
}

/// The arguments of one indicator; what it does not take has a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Arguments {
    pub(super) periods: [Period; 3],
    /// In thousandths.
    pub(super) deviations: u32,
    pub(super) source: Source,
    pub(super) smoothing: Smoothing,
}

impl Arguments {
    /// The first period, which is the only one of most indicators.
    pub(super) fn period(&self) -> u16 {
        self.periods[0].get()
    }

    /// Reads `(…)` as these parameters.
    pub(super) fn read(name: &str, parameters: &[Parameter], cursor: &mut Cursor<'_>) -> Result<Self, Misread> {
        let mut arguments =
            Self { periods: [Period::ONE; 3], deviations: 0, source: Source::Close, smoothing: Smoothing::Wilder };
        let usage = || format!("write it as {}", usage(name, parameters));
        if !cursor.take("(") {
            return Err(cursor.misread(usage()));
        }
        let mut periods = arguments.periods.iter_mut();
        for (at, parameter) in parameters.iter().enumerate() {
            if parameter.is_optional() && cursor.peek(")") {
                break;
            }
            if at > 0 && !cursor.take(",") {
                return Err(cursor.misread(usage()));
            }
            match parameter {
                Parameter::Period(label, least) => {
                    let period = read_period(name, label, *least, cursor)?;
                    if let Some(place) = periods.next() {
                        *place = period;
                    }
                }
                Parameter::Deviations => arguments.deviations = read_deviations(name, cursor)?,
                Parameter::Source => {
                    let source = cursor.word().and_then(Source::named);
                    arguments.source = source.ok_or_else(|| {
                        cursor.misread(format!(
                            "{name} takes a price here: {}",
                            Source::ALL.map(Source::as_str).join(" ")
                        ))
                    })?;
                }
                Parameter::Smoothing => {
                    let is_mean = cursor.word() == Some("sma");
                    let smoothing = is_mean.then_some(Smoothing::Mean);
                    arguments.smoothing =
                        smoothing.ok_or_else(|| cursor.misread(format!("{name} takes sma here, or nothing")))?;
                }
            }
        }
        if cursor.take(")") { Ok(arguments) } else { Err(cursor.misread(usage())) }
    }

    /// Writes `(…)` in the one spelling: what is the default is left out.
    pub(super) fn write(&self, parameters: &[Parameter], f: &mut impl fmt::Write) -> fmt::Result {
        let mut periods = self.periods.iter();
        f.write_char('(')?;
        for (at, parameter) in parameters.iter().enumerate() {
            let text = match parameter {
                Parameter::Period(..) => periods.next().map_or_else(String::new, |period| period.get().to_string()),
                Parameter::Deviations => (f64::from(self.deviations) / 1e3).to_string(),
                Parameter::Source if self.source == Source::Close => continue,
                Parameter::Source => self.source.to_string(),
                Parameter::Smoothing if self.smoothing == Smoothing::Wilder => continue,
                Parameter::Smoothing => "sma".to_owned(),
            };
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(&text)?;
        }
        f.write_char(')')
    }
}

impl Parameter {
    fn is_optional(self) -> bool {
        matches!(self, Self::Source | Self::Smoothing)
    }
}

/// How an indicator is written: `sma(n[, source])`.
pub(super) fn usage(name: &str, parameters: &[Parameter]) -> String {
    let label = |parameter: &Parameter| match parameter {
        Parameter::Period(label, _) => label,
        Parameter::Deviations => "k",
        Parameter::Source => "source",
        Parameter::Smoothing => "sma",
    };
    let (optional, required): (Vec<_>, Vec<_>) = parameters.iter().partition(|parameter| parameter.is_optional());
    let required: Vec<&str> = required.into_iter().map(label).collect();
    let optional: Vec<String> = optional.into_iter().map(|parameter| format!("[, {}]", label(parameter))).collect();
    format!("{name}({}{})", required.join(", "), optional.concat())
}

fn read_period(name: &str, label: &str, least: u16, cursor: &mut Cursor<'_>) -> Result<Period, Misread> {
    let digits = cursor.number().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let period = digits.and_then(|digits| digits.parse().ok()).filter(|count| *count >= least).and_then(Period::new);
    let expected = || format!("{name} takes a period {label} here, a whole number from {least} to {PERIOD_MAX}");
    period.ok_or_else(|| cursor.misread(expected()))
}

fn read_deviations(name: &str, cursor: &mut Cursor<'_>) -> Result<u32, Misread> {
    let number = cursor.number().and_then(|text| text.parse::<crate::decimal::Decimal>().ok());
    let thousandths = number.and_then(|number| number.ticks(3)).and_then(|ticks| u32::try_from(ticks).ok());
    let valid = thousandths.filter(|thousandths| (1..=DEVIATIONS_MAX).contains(thousandths));
    let expected = || format!("{name} takes a number of standard deviations here, from 0.001 to 100");
    valid.ok_or_else(|| cursor.misread(expected()))
}
