//! The fixed properties of a venue: addresses, limits, and how it tells that a candle is closed.

use std::time::Duration;

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

/// What is known of a venue before any message.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name, as in the configuration.
    pub name: &'static str,
    /// The base address of its REST.
    pub rest_url: &'static str,
    /// The base address of its feed.
    pub feed_url: &'static str,
    /// How the feed is carried.
    pub transport: Transport,
    /// How it tells that a candle is closed.
    pub closing: Closing,
    /// Whether its REST leaves out candles without trades.
    pub omits_empty: bool,
    /// When it trades.
    pub hours: Hours,
    /// The most candles of one REST answer.
    pub rows_max: u32,
    /// What its REST allows.
    pub budget: Budget,
    /// The most subscriptions of one connection.
    pub subscriptions_max: usize,
    /// For how long a living connection may carry nothing at all.
    pub silence_max: Duration,
    /// How old the venue lets a connection become.
    pub lifetime: Option<Duration>,
    /// Where its weeks begin; days and shorter candles begin at the Unix epoch.
    pub week: Week,
}

/// How a feed is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket text messages.
    WebSocket,
    /// Lines of an endless HTTP answer.
    Lines,
}

/// How a venue tells that a candle is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Its feed marks the closing message.
    Marked,
    /// Its feed goes on to the next candle; what it told of the one before counts after `patience` unless REST
    /// has confirmed or corrected it by then.
    Followed {
        /// How long REST is waited for; `None`: until the grace period is over, as what the feed told may lack the last.
        patience: Option<Duration>,
    },
    /// Only its REST tells.
    Rest,
}

/// When a venue trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// Always.
    Always,
    /// Sunday to Friday, 17:00 New York.
    ForeignExchange,
}

/// Where weeks begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Week {
    /// Monday, 00:00 UTC.
    Monday,
    /// Thursday, 00:00 UTC: whole weeks since the Unix epoch.
    Epoch,
}

/// What a venue's REST allows one address, with room to spare for others behind it.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Requests' cost a minute, at least 1.
    pub per_minute: u32,
    /// The most at once, at least what one request costs.
    pub burst: u32,
    /// The most requests under way at the same time.
    pub concurrent: usize,
    /// Where the venue tells what was used of it within the minute.
    pub used: Option<Used>,
}

/// What a venue tells of its budget's use.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// The header of its answers.
    pub header: &'static str,
    /// With so much used, there are no more requests until the next minute.
    pub most: u64,
}

impl Week {
    /// An open time of the timeframe's grid.
    pub fn origin(self, timeframe: Timeframe) -> UnixMillis {
        const FIRST_MONDAY_MS: i64 = 4 * 24 * 3_600_000;
        match (self, timeframe) {
            (Self::Monday, Timeframe::W1) => UnixMillis(FIRST_MONDAY_MS),
            _ => UnixMillis(0),
        }
    }
}
