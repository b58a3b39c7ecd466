//! Binance spot.
//!
//! Protocol: <https://developers.binance.com/docs/binance-spot-api-docs> (`web-socket-streams`, `rest-api`). Candles
//! are "klines"; those without a trade are in REST, flat, while the feed often leaves them out, the closing message too.

mod feed;
mod rest;

use std::time::Duration;

use candlewire_common::timeframe::Timeframe;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::profile::{Budget, Closing, Hours, Profile, Transport, Used, Week};
use crate::venue::{Live, Session, Span, Subscription, Venue};

/// Binance spot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binance;

/// Others behind this address count, too; at 6,000 it would be shut out.
const USED: Used = Used { header: "x-mbx-used-weight-1m", most: 4_800 };

static PROFILE: Profile = Profile {
    name: "binance",
    rest_url: "https://api.binance.com",
    feed_url: "wss://stream.binance.com:9443",
    transport: Transport::WebSocket,
    closing: Closing::Marked,
    omits_empty: false,
    hours: Hours::Always,
    rows_max: 1_000,
    // Half of 6,000 a minute.
    budget: Budget { per_minute: 3_000, burst: 100, concurrent: 8, used: Some(USED) },
    // Of 1,024: the address grows with each.
    subscriptions_max: 200,
    // It pings every 20 s.
    silence_max: Duration::from_mins(1),
    lifetime: Some(Duration::from_hours(24)),
    week: Week::Monday,
};

impl Venue for Binance {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn timeframe_name(&self, timeframe: Timeframe) -> Option<&'static str> {
        // They are the same in Binance's and in Candlewire's words.
        Some(timeframe.as_str())
    }

    fn live(&self, _timeframe: Timeframe) -> Live {
        Live::Bars
    }

    fn session(&self, subscriptions: &[Subscription]) -> Box<dyn Session> {
        Box::new(feed::Feed::new(subscriptions))
    }

    fn page_request(&self, subscription: &Subscription, span: Span) -> Request {
        rest::request(subscription, span, PROFILE.rows_max)
    }

    fn read_page(&self, _subscription: &Subscription, body: &[u8]) -> Result<Vec<Row>, Failure> {
        rest::rows(body)
    }

    fn read_failure(&self, status: u16, body: &[u8]) -> Option<Failure> {
        match status {
            403 | 418 | 429 | 500.. => None,
            _ => rest::failure(body),
        }
    }
}
