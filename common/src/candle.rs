//! Closed candles: one finished bar of a series.
//!
//! A [`ClosedCandle`] always satisfies `low <= open, close <= high`, a volume of at least zero and an
//! open time after the epoch. Which series it belongs to is said beside it, never inside it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::decimal::Decimal;
use crate::time::UnixMillis;

/// How far ahead of the clock an open time may lie.
pub const AHEAD_MAX: Duration = Duration::from_hours(24);

/// Four prices and a volume, not yet checked against each other.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Traded volume in the venue's unit.
    pub volume: Decimal,
}

/// One closed bar, known by its open time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedCandle {
    open_time: UnixMillis,
    bar: Bar,
}

/// Why a bar is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandleError {
    /// `low` is above `high`.
    #[error("impossible bar: low {low} is above high {high}")]
    LowAboveHigh {
        /// The bar's low.
        low: Decimal,
        /// The bar's high.
        high: Decimal,
    },
    /// Open or close lies outside of low and high.
    #[error("impossible bar: {name} {price} is outside of low {low} and high {high}")]
    Outside {
        /// `open` or `close`.
        name: &'static str,
        /// The price that lies outside.
        price: Decimal,
        /// The bar's low.
        low: Decimal,
        /// The bar's high.
        high: Decimal,
    },
    /// The volume is below zero.
    #[error("negative volume {0}")]
    NegativeVolume(Decimal),
    /// The open time is not after the Unix epoch.
    #[error("open_time {0} is not after 1970-01-01")]
    BeforeEpoch(UnixMillis),
    /// The open time is more than a day ahead of the clock.
    #[error("open_time {0} is more than a day ahead")]
    Ahead(UnixMillis),
}

impl ClosedCandle {
    /// Checks a bar and its open time against each other and the clock.
    ///
    /// # Errors
    ///
    /// [`CandleError`], when no such bar can have been.
    pub fn new(open_time: UnixMillis, bar: Bar, now: UnixMillis) -> Result<Self, CandleError> {
        let Bar { open, high, low, close, volume } = bar;
        if low > high {
            return Err(CandleError::LowAboveHigh { low, high });
        }
        for (name, price) in [("open", open), ("close", close)] {
            if price < low || price > high {
                return Err(CandleError::Outside { name, price, low, high });
            }
        }
        if volume.is_negative() {
            return Err(CandleError::NegativeVolume(volume));
        }
        if open_time.0 <= 0 {
            return Err(CandleError::BeforeEpoch(open_time));
        }
        if open_time > now.after(AHEAD_MAX) {
            return Err(CandleError::Ahead(open_time));
        }
        Ok(Self { open_time, bar })
    }

    /// When the bar began: its identity within the series.
    pub fn open_time(&self) -> UnixMillis {
        self.open_time
    }

    /// All its numbers.
    pub fn bar(&self) -> Bar {
        self.bar
    }

    /// First price.
    pub fn open(&self) -> Decimal {
        self.bar.open
    }

    /// Highest price.
    pub fn high(&self) -> Decimal {
        self.bar.high
    }

    /// Lowest price.
    pub fn low(&self) -> Decimal {
        self.bar.low
    }

    /// Last price.
    pub fn close(&self) -> Decimal {
        self.bar.close
    }

    /// The most decimals of the four prices.
    pub fn price_scale(&self) -> u8 {
        let Bar { open, high, low, close, .. } = self.bar;
        open.scale().max(high.scale()).max(low.scale()).max(close.scale())
    }

    /// The most digits before the point of the four prices.
    pub fn whole_digits(&self) -> u8 {
        self.bar.high.whole_digits().max(self.bar.low.whole_digits())
    }

    /// Traded volume.
    pub fn volume(&self) -> Decimal {
        self.bar.volume
    }
}

impl PartialEq for Bar {
    fn eq(&self, other: &Self) -> bool {
        let Self { open, high, low, close, volume } = self;
        (*open, *high, *low, *close, *volume) == (other.open, other.high, other.low, other.close, other.volume)
    }
}

impl Eq for Bar {}

/// How a candle came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Published soon after its close.
    Live,
    /// Fetched from a venue later.
    Backfill,
    /// Read from a file.
    Replay,
}

/// A text that names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown origin {0:?}, known: live backfill replay")]
pub struct UnknownOrigin(String);

impl Origin {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backfill => "backfill",
            Self::Replay => "replay",
        }
    }
}

impl FromStr for Origin {
    type Err = UnknownOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Live, Self::Backfill, Self::Replay]
            .into_iter()
            .find(|origin| origin.as_str() == text)
            .ok_or_else(|| UnknownOrigin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn bar(prices: [&str; 5]) -> Option<Bar> {
        let [open, high, low, close, volume] = prices.map(|text| text.parse().ok());
        Some(Bar { open: open?, high: high?, low: low?, close: close?, volume: volume? })
    }

    fn refusal(prices: [&str; 5], open_time: i64) -> Option<CandleError> {
        ClosedCandle::new(UnixMillis(open_time), bar(prices)?, NOW).err()
    }

    #[test]
    fn a_flat_bar_without_trades_is_possible() {
        assert_eq!(refusal(["1.0", "1", "1.00", "1", "0"], 1), None);
        assert_eq!(refusal(["-37.6", "10", "-40.3", "-37.63", "1"], 1), None);
    }

    #[test]
    fn impossible_bars_are_refused() {
        assert!(matches!(refusal(["1", "1", "2", "1", "0"], 1), Some(CandleError::LowAboveHigh { .. })));
        assert!(matches!(refusal(["3", "2", "1", "1", "0"], 1), Some(CandleError::Outside { name: "open", .. })));
        assert!(matches!(refusal(["1", "2", "1", "0.5", "0"], 1), Some(CandleError::Outside { name: "close", .. })));
        assert!(matches!(refusal(["1", "1", "1", "1", "-0.1"], 1), Some(CandleError::NegativeVolume(_))));
        assert!(matches!(refusal(["1", "1", "1", "1", "1"], 0), Some(CandleError::BeforeEpoch(_))));
        assert!(matches!(refusal(["1", "1", "1", "1", "1"], NOW.0 + 86_400_001), Some(CandleError::Ahead(_))));
        assert_eq!(refusal(["1", "1", "1", "1", "1"], NOW.0 + 86_400_000), None);
    }
}
