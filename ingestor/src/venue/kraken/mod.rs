//! Kraken spot.
//!
//! Protocol: <https://docs.kraken.com/api/docs/websocket-v2/ohlc> and
//! <https://docs.kraken.com/api/docs/rest-api/get-ohlc-data>. The feed tells of a candle only when there is a trade
//! and never that it is closed; REST has flat candles for the minutes between. REST holds only the newest 720
//! candles: what is older is built of trades.

mod candles;
mod deep;
mod feed;
mod pair;
mod rest;
mod trades;

use std::time::Duration;

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::pager::Pager;
use crate::venue::profile::{Budget, Closing, Hours, Profile, Transport, Week};
use crate::venue::{Live, Session, Span, Subscription, Venue};

/// Kraken spot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kraken;

static PROFILE: Profile = Profile {
    name: "kraken",
    rest_url: "https://api.kraken.com",
    feed_url: "wss://ws.kraken.com",
    transport: Transport::WebSocket,
    closing: Closing::Followed { patience: Some(Duration::from_millis(80)) },
    omits_empty: false,
    hours: Hours::Always,
    rows_max: 720,
    budget: Budget { per_minute: 50, burst: 1, concurrent: 1, used: None },
    subscriptions_max: 200,
    // A heartbeat comes every second.
    silence_max: Duration::from_secs(10),
    lifetime: None,
    // Not documented: its weeks are counted from the epoch.
    week: Week::Epoch,
};

/// How many of the newest candles REST certainly still has once the request arrives.
const REACH: u32 = PROFILE.rows_max - 5;

impl Venue for Kraken {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn timeframe_name(&self, timeframe: Timeframe) -> Option<&'static str> {
        Some(match timeframe {
            Timeframe::M1 => "1",
            Timeframe::M5 => "5",
            Timeframe::M15 => "15",
            Timeframe::M30 => "30",
            Timeframe::H1 => "60",
            Timeframe::H4 => "240",
            Timeframe::D1 => "1440",
            Timeframe::W1 => "10080",
            _ => return None,
        })
    }

    fn live(&self, _timeframe: Timeframe) -> Live {
        Live::Bars
    }

    fn has_connection_per_timeframe(&self) -> bool {
        // It refuses a symbol's second: "Already subscribed to one ohlc interval on this symbol".
        true
    }

    fn session(&self, subscriptions: &[Subscription]) -> Box<dyn Session> {
        Box::new(feed::Feed::new(subscriptions))
    }

    fn page_request(&self, subscription: &Subscription, span: Span) -> Request {
        rest::request(subscription, span)
    }

    fn read_page(&self, _subscription: &Subscription, body: &[u8]) -> Result<Vec<Row>, Failure> {
        rest::rows(body)
    }

    fn read_failure(&self, _status: u16, body: &[u8]) -> Option<Failure> {
        rest::failure(body)
    }

    fn deep_pager(&self, subscription: &Subscription, span: Span, now: UnixMillis) -> Option<Box<dyn Pager>> {
        let reached = UnixMillis(now.0.saturating_sub(subscription.timeframe.millis() * i64::from(REACH)));
        (span.first < reached)
            .then(|| Box::new(deep::DeepPager::new(subscription.clone(), span, now)) as Box<dyn Pager>)
    }
}
