//! Bybit spot.
//!
//! Protocol: <https://bybit-exchange.github.io/docs/v5/intro> (`websocket/public/kline`, `market/kline`).

mod feed;
mod rest;

use std::time::Duration;

use candlewire_common::timeframe::Timeframe;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::profile::{Budget, Closing, Hours, Profile, Transport, Week};
use crate::venue::{Live, Session, Span, Subscription, Venue};

/// Bybit spot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bybit;

static PROFILE: Profile = Profile {
    name: "bybit",
    rest_url: "https://api.bybit.com",
    feed_url: "wss://stream.bybit.com",
    transport: Transport::WebSocket,
    closing: Closing::Marked,
    omits_empty: false,
    hours: Hours::Always,
    rows_max: 1_000,
    // Of 600 in 5 s, beyond which the address is shut out for ten minutes.
    budget: Budget { per_minute: 3_000, burst: 100, concurrent: 8, used: None },
    // All topics of a connection may have 21,000 characters, one has at most 42. Each symbol is a request of its
    // own, and so many at once is enough.
    subscriptions_max: 100,
    // It answers a ping every 20 s.
    silence_max: Duration::from_mins(1),
    lifetime: None,
    week: Week::Monday,
};

impl Venue for Bybit {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn timeframe_name(&self, timeframe: Timeframe) -> Option<&'static str> {
        name(timeframe)
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
            403 | 429 | 500.. => None,
            _ => rest::rows(body).err().filter(|failure| !matches!(failure, Failure::Unreadable(_))),
        }
    }
}

/// Minutes, or a letter; the same in REST and in topics.
fn name(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::M1 => "1",
        Timeframe::M3 => "3",
        Timeframe::M5 => "5",
        Timeframe::M15 => "15",
        Timeframe::M30 => "30",
        Timeframe::H1 => "60",
        Timeframe::H2 => "120",
        Timeframe::H4 => "240",
        Timeframe::H6 => "360",
        Timeframe::H12 => "720",
        Timeframe::D1 => "D",
        Timeframe::W1 => "W",
        Timeframe::S1 | Timeframe::H8 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_it_all_or_the_body_does() {
        let unknown = br#"{"retCode":10001,"retMsg":"Not supported symbols","result":{}}"#;
        assert!(matches!(Bybit.read_failure(400, unknown), Some(Failure::UnknownSymbol(_))));
        for (status, body) in [(403, &unknown[..]), (429, unknown), (502, unknown), (400, b"<html>"), (404, b"")] {
            assert_eq!(Bybit.read_failure(status, body), None, "{status}");
        }
    }
}
