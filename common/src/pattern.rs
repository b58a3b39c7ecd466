//! Patterns that name many series at once: `binance:*:1h`.
//!
//! `*` stands for any run of characters within one part; a lone `*` stands for every series.

use std::fmt;
use std::str::FromStr;

use crate::series::Series;
use crate::timeframe::Timeframe;

/// A pattern over `venue:SYMBOL:timeframe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesPattern {
    text: String,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a series pattern: write venue:SYMBOL:timeframe, with * for any characters of one part")]
pub struct PatternError;

impl SeriesPattern {
    /// The timeframe, where the pattern names a single one.
    pub fn timeframe(&self) -> Option<Timeframe> {
        self.text.rsplit(':').next().and_then(|part| part.parse().ok())
    }

    /// Whether `series` is one of those meant.
    pub fn matches(&self, series: &Series) -> bool {
        if self.text == "*" {
            return true;
        }
        let mut parts = self.text.split(':');
        let timeframe = series.timeframe().as_str();
        [series.venue(), series.symbol(), timeframe]
            .into_iter()
            .all(|part| parts.next().is_some_and(|pattern| glob(pattern.as_bytes(), part.as_bytes())))
    }
}

/// Whether `text` is one of those that `pattern` means: `*` stands for any characters.
///
/// Matches greedily and goes back to the last star only: linear in practice, quadratic at worst.
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after, taken)) = star {
            p = after;
            t = taken + 1;
            star = Some((after, taken + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

impl FromStr for SeriesPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-' | b'*');
        let parts: Vec<&str> = text.split(':').collect();
        let shaped = parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(allowed));
        // A timeframe that does not exist can only be a slip: such a pattern would never match.
        let timed = parts.last().is_some_and(|last| last.contains('*') || last.parse::<Timeframe>().is_ok());
        if text == "*" || (shaped && timed) { Ok(Self { text: text.to_owned() }) } else { Err(PatternError) }
    }
}

impl fmt::Display for SeriesPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, series: &str) -> Option<bool> {
        Some(pattern.parse::<SeriesPattern>().ok()?.matches(&series.parse().ok()?))
    }

    #[test]
    fn stars_stay_within_their_part() {
        for (pattern, series, expected) in [
            ("*", "oanda:EUR_USD:4h", true),
            ("binance:*:1h", "binance:BTCUSDT:1h", true),
            ("binance:*:1h", "binance:BTCUSDT:4h", false),
            ("*:BTC*:*", "kraken:BTC/USD:1d", true),
            ("*:*USDT:*", "binance:BTCUSDC:1d", false),
            ("*:*B*USD*:1?", "x:y:1h", false),
            ("binance:B*T*T:1h", "binance:BTCUSDT:1h", true),
            ("binance:BTCUSDT:1h", "binance:BTCUSDT:1h", true),
        ] {
            assert_eq!(matches(pattern, series).unwrap_or(false), expected, "{pattern} on {series}");
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for text in [
            "",
            "binance",
            "binance:*",
            "a:b:c:d",
            "binance::1h",
            "binance:BTC USDT:1h",
            "binance:*:1H",
            "binance:*:90m",
        ] {
            assert_eq!(text.parse::<SeriesPattern>(), Err(PatternError), "{text}");
        }
    }
}
