//! Venues: what differs between them, and nothing else.
//!
//! Each venue has a folder that owns its protocol: addresses, names of timeframes, subscriptions, the reading of
//! messages and of REST answers. A venue neither connects nor waits nor knows the time: it says what to send and
//! what was received, so that all of it can be tested on recorded texts. When a candle counts as closed, what is
//! missing, and what is published is the same for all and decided elsewhere. To add a venue is to add a folder,
//! a line in [`open`], and its name to those that the configuration knows.

pub mod answer;
pub mod bar_text;
mod binance;
pub mod built;
mod bybit;
mod coinbase;
pub mod event;
mod instant;
mod kraken;
mod oanda;
mod okx;
pub mod pager;
pub mod profile;
mod refusal;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::config::SourceConfig;
use candlewire_common::exit::Fault;
use candlewire_common::series::Symbol;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use secrecy::SecretString;
use url::Url;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::built::BuiltPager;
use crate::venue::event::Event;
use crate::venue::pager::{Pager, RangePager};
use crate::venue::profile::{Closing, Profile};

/// What is wanted of a venue: the candles of one symbol in one timeframe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The instrument, as the venue's streaming API spells it.
    pub symbol: Symbol,
    /// The length of its candles.
    pub timeframe: Timeframe,
}

/// A range of open times, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first open time.
    pub first: UnixMillis,
    /// The last, not before the first.
    pub last: UnixMillis,
}

/// What a venue's feed carries for a timeframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Bars of the timeframe, forming and closed.
    Bars,
    /// Every trade: bars can be built of them.
    Trades,
    /// Only prices or bars of another length: they tell that time has moved on, not what the candle is.
    Prices,
}

/// A venue's protocol, without input or output.
pub trait Venue: fmt::Debug + Send + Sync {
    /// Its fixed properties.
    fn profile(&self) -> &'static Profile;

    /// How its REST names a timeframe; `None` where it has no such candles.
    fn timeframe_name(&self, timeframe: Timeframe) -> Option<&'static str>;

    /// What its feed carries for a timeframe.
    fn live(&self, timeframe: Timeframe) -> Live;

    /// How it tells that a candle of a timeframe is closed.
    fn closing(&self, _timeframe: Timeframe) -> Closing {
        self.profile().closing
    }

    /// What authorises requests and connections, sent as the `authorization` header.
    fn authorization(&self) -> Option<SecretString> {
        None
    }

    /// Whether a connection carries the subscriptions of one timeframe only.
    fn has_connection_per_timeframe(&self) -> bool {
        false
    }

    /// A new connection that is to carry these subscriptions, at most [`Profile::subscriptions_max`] and of one
    /// timeframe where [`Venue::has_connection_per_timeframe`].
    fn session(&self, subscriptions: &[Subscription]) -> Box<dyn Session>;

    /// Asks for one page of candles; `span` holds at most [`Profile::rows_max`].
    fn page_request(&self, subscription: &Subscription, span: Span) -> Request;

    /// Reads the body of a successful answer to [`Venue::page_request`]: the rows in open-time order, the
    /// forming one too where the venue shows it.
    ///
    /// # Errors
    ///
    /// [`Failure`], also where the venue reports one in a successful answer.
    fn read_page(&self, subscription: &Subscription, body: &[u8]) -> Result<Vec<Row>, Failure>;

    /// Reads the body of an answer with another status; `None` where the status says it all.
    fn read_failure(&self, status: u16, body: &[u8]) -> Option<Failure>;

    /// Walks through a range that pages of candles don't reach at `now`; `None` where they do.
    fn deep_pager(&self, _subscription: &Subscription, _span: Span, _now: UnixMillis) -> Option<Box<dyn Pager>> {
        None
    }
}

/// One connection's side of the conversation.
pub trait Session: Send {
    /// Where to connect: the venue's path, and its query, under the base address.
    fn address(&self, base: &Url) -> Url;

    /// What to send once connected, in order.
    fn greetings(&self) -> Vec<String>;

    /// What to send while connected, so that the venue keeps the connection.
    fn keep_alive(&self) -> Option<KeepAlive>;

    /// Reads one message. What can't be read is an event too.
    fn read(&mut self, message: &str, events: &mut Vec<Event>);
}

/// A message that keeps a connection open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// How often it is sent.
    pub every: Duration,
    /// The text.
    pub message: String,
}

/// Makes the venue that a source names.
///
/// # Errors
///
/// [`Fault::Usage`] where it needs what the source does not give, or a secret can't be read.
pub fn open(source: &SourceConfig) -> Result<Arc<dyn Venue>, Fault> {
    match source.venue.as_str() {
        "binance" => Ok(Arc::new(binance::Binance)),
        "bybit" => Ok(Arc::new(bybit::Bybit)),
        "coinbase" => Ok(Arc::new(coinbase::Coinbase)),
        "okx" => Ok(Arc::new(okx::Okx::Recent)),
        "kraken" => Ok(Arc::new(kraken::Kraken)),
        "oanda" => Ok(Arc::new(oanda::Oanda::open(source)?)),
        unknown => Err(Fault::Usage(format!("venue {unknown} is not known"))),
    }
}

/// Walks through a range of candles of a timeframe that the venue has.
pub fn pager(venue: &Arc<dyn Venue>, subscription: &Subscription, span: Span, now: UnixMillis) -> Box<dyn Pager> {
    let paged = || Box::new(RangePager::new(Arc::clone(venue), subscription.clone(), span));
    venue.deep_pager(subscription, span, now).unwrap_or_else(|| paged())
}

/// Walks through a range of candles of any timeframe: those that the venue does not have are built from shorter ones.
/// `None` where it has nothing that they could be built of.
pub fn any_pager(
    venue: &Arc<dyn Venue>,
    subscription: &Subscription,
    span: Span,
    now: UnixMillis,
) -> Option<Box<dyn Pager>> {
    if venue.timeframe_name(subscription.timeframe).is_some() {
        return Some(pager(venue, subscription, span, now));
    }
    BuiltPager::new(venue, subscription, span, now).map(|pager| Box::new(pager) as Box<dyn Pager>)
}
