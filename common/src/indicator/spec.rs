//! What can be configured: `sma(50)`, `ema(200)`, `atr(14)`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// The longest period: the history that a state is rebuilt from holds no more candles.
pub const PERIOD_MAX: u32 = 5_000;

/// How many candles an indicator looks at: 1 to [`PERIOD_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(NonZeroU32);

impl Period {
    /// Accepts a period from 1 to [`PERIOD_MAX`].
    pub fn new(candles: u32) -> Option<Self> {
        NonZeroU32::new(candles).filter(|candles| candles.get() <= PERIOD_MAX).map(Self)
    }

    /// The number of candles.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

/// An indicator as it is configured, shown and named in the state hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IndicatorSpec {
    /// `sma(n)`: simple moving average of the close.
    Sma(Period),
    /// `ema(n)`: exponential moving average of the close.
    Ema(Period),
    /// `atr(n)`: Wilder's average true range.
    Atr(Period),
}

/// Why a text names no indicator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not `name(arguments)`.
    #[error("not an indicator: write it as {example}, for example")]
    Shape {
        /// An indicator that would be accepted.
        example: &'static str,
    },
    /// No indicator has this name.
    #[error("unknown indicator {0:?}, known: sma(n) ema(n) atr(n)")]
    Unknown(String),
    /// The arguments are not one period.
    #[error("{name} takes one period, a whole number from 1 to {PERIOD_MAX}")]
    Period {
        /// The indicator's name.
        name: &'static str,
    },
}

impl IndicatorSpec {
    /// Whether this is an average, which a strategy's `fast` and `slow` must be.
    pub fn is_average(self) -> bool {
        match self {
            Self::Sma(_) | Self::Ema(_) => true,
            Self::Atr(_) => false,
        }
    }

    /// Whether the value depends on all candles before it, however faintly.
    pub fn is_recursive(self) -> bool {
        match self {
            Self::Sma(_) => false,
            Self::Ema(_) | Self::Atr(_) => true,
        }
    }

    /// How many closes before the current one a step reads.
    pub fn window(self) -> usize {
        match self {
            Self::Sma(period) => period.get() as usize,
            Self::Ema(_) => 0,
            Self::Atr(_) => 1,
        }
    }

    /// How many candles a rebuild needs until the value has 8 correct digits: all that count for a
    /// window, 9.5 periods for an EMA, 19 for Wilder's.
    pub fn settling(self) -> usize {
        let (period, half_periods) = match self {
            Self::Sma(period) => (period, 2),
            Self::Ema(period) => (period, 19),
            Self::Atr(period) => (period, 38),
        };
        (period.get() as usize * half_periods).div_ceil(2) + 1
    }
}

impl FromStr for IndicatorSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = SpecError::Shape { example: "sma(50)" };
        let (name, rest) = text.trim().split_once('(').ok_or(shape.clone())?;
        let arguments = rest.strip_suffix(')').ok_or(shape)?;
        let period = |name| {
            let digits = arguments.trim();
            let plain = digits.bytes().all(|b| b.is_ascii_digit());
            let count = digits.parse().ok().filter(|_| plain);
            count.and_then(Period::new).ok_or(SpecError::Period { name })
        };
        match name.trim_end() {
            "sma" => period("sma").map(Self::Sma),
            "ema" => period("ema").map(Self::Ema),
            "atr" => period("atr").map(Self::Atr),
            other => Err(SpecError::Unknown(other.to_owned())),
        }
    }
}

impl fmt::Display for IndicatorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, period) = match self {
            Self::Sma(period) => ("sma", period),
            Self::Ema(period) => ("ema", period),
            Self::Atr(period) => ("atr", period),
        };
        f.pad(&format!("{name}({})", period.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<String, String> {
        text.parse::<IndicatorSpec>().map(|spec| spec.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn spelling_is_forgiven_and_made_one() {
        assert_eq!(spec(" sma ( 050 ) "), Ok("sma(50)".to_owned()));
        assert_eq!(spec("atr(14)"), Ok("atr(14)".to_owned()));
    }

    #[test]
    fn each_slip_is_explained() {
        for (text, part) in [
            ("sma", "write it as"),
            ("sma(50", "write it as"),
            ("smaa(50)", "unknown indicator \"smaa\""),
            ("sma(0)", "sma takes one period"),
            ("sma(5001)", "from 1 to 5000"),
            ("ema(2.5)", "ema takes one period"),
            ("ema(+5)", "ema takes one period"),
            ("atr(14, 3)", "atr takes one period"),
            ("atr()", "atr takes one period"),
        ] {
            assert!(spec(text).is_err_and(|error| error.contains(part)), "{text}: {:?}", spec(text));
        }
    }
}
