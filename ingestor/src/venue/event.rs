//! What a feed tells, in the words of all venues.

use candlewire_common::candle::Bar;
use candlewire_common::decimal::Decimal;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

/// One thing a message told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A bar as it stands. Its symbol may be one that nobody subscribed, its numbers may be impossible.
    Bar {
        /// The instrument, in the venue's spelling.
        symbol: Box<str>,
        /// The length of the bar.
        timeframe: Timeframe,
        /// When it began.
        open_time: UnixMillis,
        /// Its numbers.
        bar: Bar,
        /// Whether it is closed, by the venue's word.
        closed: bool,
    },
    /// A trade, or a price without one.
    Price {
        /// The instrument, in the venue's spelling.
        symbol: Box<str>,
        /// When, by the venue's clock.
        time: UnixMillis,
        /// The price.
        price: Decimal,
        /// The trade, where it is one.
        trade: Option<Trade>,
    },
    /// The connection lives.
    Alive,
    /// A subscription was accepted.
    Accepted,
    /// A subscription was refused.
    Refused {
        /// The instrument, where the venue tells it.
        symbol: Option<Box<str>>,
        /// The venue's reason.
        reason: String,
    },
    /// The venue will end the connection: another is to be opened now.
    Ending(&'static str),
    /// Messages were lost: what this connection told before may be incomplete.
    Lost,
    /// Part of a message that should have been a bar or a price, and is none.
    Unusable {
        /// The instrument, where it can be read.
        symbol: Option<Box<str>>,
        /// What is wrong.
        reason: String,
    },
    /// A message of a kind that is not known; the kind is short.
    Unknown(Box<str>),
}

/// What makes a price a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// The traded volume.
    pub size: Decimal,
    /// The venue's number of the trade; it grows within a symbol.
    pub id: u64,
}

impl Event {
    /// Whether it tells something of an instrument.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Bar { .. } | Self::Price { .. })
    }

    /// A part that should have been a bar or a price.
    pub fn unusable(symbol: Option<&str>, reason: impl std::fmt::Display) -> Self {
        Self::Unusable { symbol: symbol.map(Into::into), reason: reason.to_string() }
    }

    /// A message that is not known, named by its kind or else by its beginning.
    pub fn unknown(kind: &str) -> Self {
        /// As much of a message as names a kind.
        const SHOWN: usize = 40;
        Self::Unknown(kind.chars().take(SHOWN).collect())
    }
}
