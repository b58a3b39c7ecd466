//! Coinbase Advanced Trade.
//!
//! Protocol: <https://docs.cdp.coinbase.com/advanced-trade/docs/welcome> (`ws-channels`, `Get Public Product
//! Candles`). Its feed has candles of five minutes only; those of one minute can be built of its trades. Candles
//! without trades exist nowhere.

mod feed;
mod rest;

use std::time::Duration;

use candlewire_common::timeframe::Timeframe;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::profile::{Budget, Closing, Hours, Profile, Transport, Week};
use crate::venue::{Live, Session, Span, Subscription, Venue};

/// Coinbase Advanced Trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coinbase;

static PROFILE: Profile = Profile {
    name: "coinbase",
    rest_url: "https://api.coinbase.com",
    feed_url: "wss://advanced-trade-ws.coinbase.com",
    transport: Transport::WebSocket,
    closing: Closing::Followed { patience: Some(Duration::from_millis(80)) },
    omits_empty: true,
    hours: Hours::Always,
    rows_max: 300,
    // Of 10 a second.
    budget: Budget { per_minute: 480, burst: 1, concurrent: 4, used: None },
    subscriptions_max: 100,
    // Heartbeats come every second.
    silence_max: Duration::from_secs(15),
    lifetime: None,
    week: Week::Monday,
};

impl Venue for Coinbase {
    fn profile(&self) -> &'static Profile {
        &PROFILE
    }

    fn timeframe_name(&self, timeframe: Timeframe) -> Option<&'static str> {
        name(timeframe)
    }

    fn live(&self, timeframe: Timeframe) -> Live {
        if timeframe == feed::CANDLES_TIMEFRAME { Live::Bars } else { Live::Trades }
    }

    fn closing(&self, timeframe: Timeframe) -> Closing {
        match self.live(timeframe) {
            // They come once a second: the last one of a candle may lack its last trades.
            Live::Bars => Closing::Followed { patience: None },
            Live::Trades | Live::Prices => PROFILE.closing,
        }
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

    fn read_failure(&self, status: u16, body: &[u8]) -> Option<Failure> {
        match status {
            403 | 429 | 500.. => None,
            404 => Some(Failure::UnknownSymbol(rest::reason(body).unwrap_or_else(|| "status 404".to_owned()))),
            _ => rest::failure(body),
        }
    }
}

/// REST's "granularity".
fn name(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::M1 => "ONE_MINUTE",
        Timeframe::M5 => "FIVE_MINUTE",
        Timeframe::M15 => "FIFTEEN_MINUTE",
        Timeframe::M30 => "THIRTY_MINUTE",
        Timeframe::H1 => "ONE_HOUR",
        Timeframe::H2 => "TWO_HOUR",
        Timeframe::H4 => "FOUR_HOUR",
        Timeframe::H6 => "SIX_HOUR",
        Timeframe::D1 => "ONE_DAY",
        Timeframe::S1 | Timeframe::M3 | Timeframe::H8 | Timeframe::H12 | Timeframe::W1 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_it_all_or_the_body_does() {
        let unknown = br#"{"error":"INVALID_ARGUMENT","error_details":"","message":"ProductID is invalid"}"#;
        for (status, body) in [(400, &unknown[..]), (404, b""), (404, b"<html>"), (404, unknown)] {
            assert!(matches!(Coinbase.read_failure(status, body), Some(Failure::UnknownSymbol(_))), "{status}");
        }
        for (status, body) in [(403, &unknown[..]), (429, unknown), (502, unknown), (400, b"<html>"), (400, b"{}")] {
            assert_eq!(Coinbase.read_failure(status, body), None, "{status}");
        }
    }
}
