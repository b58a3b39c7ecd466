//! How fast a replay goes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The factors that can be asked for. Within them no span overflows.
const FACTORS: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed(Option<f64>);

/// A text that names no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("speed {0:?} is neither \"max\" nor a factor from 0.001x to 1000000x, such as \"60x\"")]
pub struct SpeedError(String);

impl Speed {
    /// As fast as Redis takes candles.
    pub const MAX: Self = Self(None);

    /// How long a span of market time lasts in the replay.
    pub fn lasting(self, span: Duration) -> Duration {
        match self.0 {
            None => Duration::ZERO,
            Some(factor) => Duration::try_from_secs_f64(span.as_secs_f64() / factor).unwrap_or(Duration::MAX),
        }
    }
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "max" {
            return Ok(Self::MAX);
        }
        let factor = text.strip_suffix('x').and_then(|number| number.parse().ok());
        match factor.filter(|factor| FACTORS.contains(factor)) {
            Some(factor) => Ok(Self(Some(factor))),
            None => Err(SpeedError(text.to_owned())),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.pad("max"),
            Some(factor) => write!(f, "{factor}x"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_divide_spans() {
        let hour = Duration::from_hours(1);
        for (text, lasting) in [("max", 0), ("60x", 60_000), ("1x", 3_600_000), ("0.5x", 7_200_000), ("1000000x", 4)] {
            let speed: Result<Speed, _> = text.parse();
            let millis = speed.as_ref().map(|speed| (speed.lasting(hour).as_secs_f64() * 1000.0).round());
            assert_eq!(millis, Ok(f64::from(lasting)), "{text}");
            assert_eq!(speed.map(|speed| speed.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_texts_are_no_speed() {
        for text in ["", "60", "x", "0x", "-1x", "60 x", "60X", "infx", "NaNx", "1e9x", "fast", "0.0001x", "Max"] {
            let message = text.parse::<Speed>().map_err(|error| error.to_string());
            assert!(message.is_err_and(|message| message.starts_with(&format!("speed {text:?} is neither"))), "{text}");
        }
    }
}
