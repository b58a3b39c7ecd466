//! Series and instruments: which candles belong together, and where they live.
//!
//! Owns the names `venue:SYMBOL` and `venue:SYMBOL:timeframe` and the partition they hash to.
//! A value of these types is well formed; nothing here knows about keys or prices.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::sync::Arc;

use crate::slot::{SLOTS, crc16};
use crate::timeframe::Timeframe;

/// The most partitions there can be: Redis Cluster has as many slots.
pub const PARTITIONS_MAX: u16 = SLOTS;

/// A partition's number, below the count it was computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

/// How many partitions there are: 1 to [`PARTITIONS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(NonZeroU16);

impl Partitions {
    /// Accepts a count from 1 to [`PARTITIONS_MAX`].
    pub fn new(count: u16) -> Option<Self> {
        NonZeroU16::new(count).filter(|count| count.get() <= PARTITIONS_MAX).map(Self)
    }

    /// The count.
    pub fn count(self) -> u16 {
        self.0.get()
    }

    /// Every partition, in order.
    pub fn iter(self) -> impl Iterator<Item = Partition> {
        (0..self.count()).map(Partition)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text names no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// Not three parts between colons.
    #[error("series {0:?} is not venue:SYMBOL:timeframe")]
    Shape(String),
    /// The venue is not 1 to 16 of `a-z 0-9 _ -`.
    #[error("venue {0:?} is not 1 to 16 of a-z 0-9 _ -")]
    Venue(String),
    /// The symbol is not 1 to 32 of `A-Z a-z 0-9 . _ / -`.
    #[error("symbol {0:?} is not 1 to 32 of A-Z a-z 0-9 . _ / -")]
    Symbol(String),
    /// The last part names no timeframe.
    #[error("series has an unknown timeframe {0:?}")]
    Timeframe(String),
}

/// A venue's name: 1 to 16 of `a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Venue(Arc<str>);

/// An instrument's name as the venue spells it: 1 to 32 of `A-Z a-z 0-9 . _ / -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Symbol(Arc<str>);

fn is_venue(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    (1..=16).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_symbol(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'/' | b'-');
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

impl FromStr for Venue {
    type Err = SeriesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_venue(text) { Ok(Self(text.into())) } else { Err(SeriesError::Venue(text.to_owned())) }
    }
}

impl FromStr for Symbol {
    type Err = SeriesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_symbol(text) { Ok(Self(text.into())) } else { Err(SeriesError::Symbol(text.to_owned())) }
    }
}

impl Venue {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Symbol {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One instrument's candles of one timeframe: `venue:SYMBOL:timeframe`.
///
/// ```
/// use candlewire_common::series::Series;
///
/// let series: Series = "binance:BTCUSDT:1h".parse()?;
/// assert_eq!((series.venue(), series.symbol()), ("binance", "BTCUSDT"));
/// assert_eq!(series.instrument(), "binance:BTCUSDT");
/// # Ok::<(), candlewire_common::series::SeriesError>(())
/// ```
#[derive(Clone)]
pub struct Series {
    text: Arc<str>,
    venue_len: u8,
    instrument_len: u8,
    timeframe: Timeframe,
}

impl Series {
    /// Joins the three parts.
    pub fn new(venue: &Venue, symbol: &Symbol, timeframe: Timeframe) -> Self {
        let text = format!("{venue}:{symbol}:{timeframe}");
        let venue_len = u8::try_from(venue.0.len()).unwrap_or(u8::MAX);
        let instrument_len = u8::try_from(venue.0.len() + 1 + symbol.0.len()).unwrap_or(u8::MAX);
        Self { text: text.into(), venue_len, instrument_len, timeframe }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The venue's part.
    pub fn venue(&self) -> &str {
        &self.text[..usize::from(self.venue_len)]
    }

    /// The symbol's part.
    pub fn symbol(&self) -> &str {
        &self.text[usize::from(self.venue_len) + 1..usize::from(self.instrument_len)]
    }

    /// `venue:SYMBOL`, what the partition is computed from.
    pub fn instrument(&self) -> &str {
        &self.text[..usize::from(self.instrument_len)]
    }

    /// The length of the series' candles.
    pub fn timeframe(&self) -> Timeframe {
        self.timeframe
    }

    /// The same instrument's series of another timeframe.
    #[must_use]
    pub fn with_timeframe(&self, timeframe: Timeframe) -> Self {
        Self { text: format!("{}:{timeframe}", self.instrument()).into(), timeframe, ..self.clone() }
    }

    /// Where the instrument lives: `CRC16(instrument) mod partitions`.
    pub fn partition(&self, partitions: Partitions) -> Partition {
        Partition(crc16(self.instrument().as_bytes()) % partitions.0)
    }
}

impl FromStr for Series {
    type Err = SeriesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(venue), Some(symbol), Some(timeframe), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SeriesError::Shape(text.to_owned()));
        };
        if !is_venue(venue) {
            return Err(SeriesError::Venue(venue.to_owned()));
        }
        if !is_symbol(symbol) {
            return Err(SeriesError::Symbol(symbol.to_owned()));
        }
        let shape = || SeriesError::Shape(text.to_owned());
        Ok(Self {
            venue_len: u8::try_from(venue.len()).map_err(|_| shape())?,
            instrument_len: u8::try_from(venue.len() + 1 + symbol.len()).map_err(|_| shape())?,
            timeframe: timeframe.parse().map_err(|_| SeriesError::Timeframe(timeframe.to_owned()))?,
            text: text.into(),
        })
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Series {}

impl std::hash::Hash for Series {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// A series is found by its name, so that a lookup needs no owned copy.
impl std::borrow::Borrow<str> for Series {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Series({})", self.text)
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_venue_are_read() {
        for text in ["kraken:BTC/USD:1d", "oanda:EUR_USD:4h", "coinbase:BTC-USD:5m", "csv:BRK.B:1w", "a-b_1:x:1s"] {
            assert_eq!(text.parse::<Series>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn other_names_are_refused() {
        for text in [
            "",
            "binance",
            "binance:BTCUSDT",
            "binance:BTCUSDT:1h:2",
            "Binance:BTC:1h",
            "b:B C:1h",
            "b:BTC:1H",
            ":BTC:1h",
            "b::1h",
        ] {
            assert!(text.parse::<Series>().is_err(), "{text}");
        }
        assert!(format!("b:{}:1h", "X".repeat(33)).parse::<Series>().is_err());
    }

    #[test]
    fn partition_is_redis_clusters_own_hash() {
        // CLUSTER KEYSLOT of the instrument, as Redis 7.0 answers it (16384 slots).
        let slots = Partitions::new(PARTITIONS_MAX);
        let slot = |text: &str| slots.zip(text.parse::<Series>().ok()).map(|(slots, series)| series.partition(slots).0);
        assert_eq!(slot("binance:BTCUSDT:1h"), slot("binance:BTCUSDT:1m"));
        assert_eq!(slot("binance:BTCUSDT:1h"), Some(crc16(b"binance:BTCUSDT") % 16_384));
    }
}
