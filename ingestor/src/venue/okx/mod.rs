//! OKX.
//!
//! Protocol: <https://www.okx.com/docs-v5/en/> (`WS / Candlesticks channel`, `GET / Candlesticks`, `GET /
//! Candlesticks history`). One address of REST has the newest 1,440 candles, another the older ones.

mod columns;
mod feed;
mod rest;

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::pager::{Pager, RangePager};
use crate::venue::profile::{Budget, Closing, Hours, Profile, Transport, Week};
use crate::venue::{Live, Session, Span, Subscription, Venue};

/// How many of the newest candles are asked for where only those are: of 1,440, as a request may have to wait.
const RECENT: u32 = 1_000;

/// OKX, and how far back its candles are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Okx {
    /// Among the newest.
    Recent,
    /// Beyond them too: in smaller pages, of which those that begin too long before `now` are history.
    Deep {
        /// When the walk began.
        now: UnixMillis,
    },
}

const RECENT_PROFILE: Profile = Profile {
    name: "okx",
    rest_url: "https://www.okx.com",
    feed_url: "wss://ws.okx.com:8443",
    transport: Transport::WebSocket,
    closing: Closing::Marked,
    omits_empty: false,
    hours: Hours::Always,
    rows_max: 300,
    // Of 40 in any 2 s, and half as many of the history, which costs twice.
    budget: Budget { per_minute: 720, burst: 8, concurrent: 4, used: None },
    subscriptions_max: 200,
    // It answers a ping every 25 s.
    silence_max: Duration::from_secs(35),
    lifetime: None,
    week: Week::Monday,
};

static PROFILE: Profile = RECENT_PROFILE;

/// The history gives 300 rows or only 100: OKX has documented both.
static DEEP_PROFILE: Profile = Profile { rows_max: 100, ..RECENT_PROFILE };

impl Venue for Okx {
    fn profile(&self) -> &'static Profile {
        match self {
            Self::Recent => &PROFILE,
            Self::Deep { .. } => &DEEP_PROFILE,
        }
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
        let part = match self {
            Self::Deep { now } if is_history(subscription.timeframe, span, *now) => rest::Part::History,
            _ => rest::Part::Recent,
        };
        rest::request(part, subscription, span, self.profile().rows_max)
    }

    fn read_page(&self, subscription: &Subscription, body: &[u8]) -> Result<Vec<Row>, Failure> {
        rest::rows(&subscription.symbol, body)
    }

    fn read_failure(&self, status: u16, body: &[u8]) -> Option<Failure> {
        match status {
            403 | 429 | 500.. => None,
            _ => rest::failure(body),
        }
    }

    fn deep_pager(&self, subscription: &Subscription, span: Span, now: UnixMillis) -> Option<Box<dyn Pager>> {
        let walk = || RangePager::new(Arc::new(Self::Deep { now }), subscription.clone(), span);
        is_history(subscription.timeframe, span, now).then(|| Box::new(walk()) as Box<dyn Pager>)
    }
}

/// Whether a span begins before the newest candles.
fn is_history(timeframe: Timeframe, span: Span, now: UnixMillis) -> bool {
    span.first.after(timeframe.duration() * RECENT) < now
}

/// OKX's "bar". From six hours on, those without `utc` begin at midnight in Hong Kong.
fn name(timeframe: Timeframe) -> Option<&'static str> {
    Some(match timeframe {
        Timeframe::M1 => "1m",
        Timeframe::M3 => "3m",
        Timeframe::M5 => "5m",
        Timeframe::M15 => "15m",
        Timeframe::M30 => "30m",
        Timeframe::H1 => "1H",
        Timeframe::H2 => "2H",
        Timeframe::H4 => "4H",
        Timeframe::H6 => "6Hutc",
        Timeframe::H12 => "12Hutc",
        Timeframe::D1 => "1Dutc",
        Timeframe::W1 => "1Wutc",
        Timeframe::S1 | Timeframe::H8 => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn subscription() -> Subscription {
        Subscription { symbol: "BTC-USDT".parse().unwrap(), timeframe: Timeframe::M1 }
    }

    /// An answer with every candle that a request asked for, newest first.
    fn answer(request: &Request) -> String {
        let after = |name: &str| -> i64 {
            let (_, rest) = request.path.split_once(name).unwrap();
            rest.split('&').next().unwrap().parse().unwrap()
        };
        let rows: Vec<_> = (after("before=") + 1..after("after="))
            .filter(|time| time % MINUTE_MS == 0)
            .map(|time| format!(r#"["{time}","1","1","1","1","1","1","1","1"]"#))
            .rev()
            .collect();
        assert!(rows.len() <= if request.path.contains("history") { 100 } else { 300 });
        format!(r#"{{"code":"0","msg":"","data":[{}]}}"#, rows.join(","))
    }

    #[test]
    fn a_walk_goes_from_the_history_to_the_newest() {
        let now = UnixMillis(2_000 * MINUTE_MS + 5);
        let span = Span { first: UnixMillis(MINUTE_MS), last: UnixMillis(2_000 * MINUTE_MS) };
        let mut pager = Okx::Recent.deep_pager(&subscription(), span, now).unwrap();
        let (mut times, mut costs) = (Vec::new(), Vec::new());
        while let Some(request) = pager.request() {
            costs.push(request.cost);
            let rows = pager.take(answer(&request).as_bytes()).unwrap();
            times.extend(rows.iter().map(|row| row.open_time.0));
        }
        assert_eq!(times, (1..=2_000).map(|minute| minute * MINUTE_MS).collect::<Vec<_>>());
        assert!(costs.is_sorted_by(|a, b| a >= b), "{costs:?}");
        assert_eq!((costs.len(), costs.iter().filter(|cost| **cost == 2).count()), (20, 10));
    }

    #[test]
    fn newer_spans_need_no_history() {
        let now = UnixMillis(2_000 * MINUTE_MS);
        let span = Span { first: UnixMillis(1_001 * MINUTE_MS), last: UnixMillis(1_999 * MINUTE_MS) };
        assert!(Okx::Recent.deep_pager(&subscription(), span, now).is_none());
    }

    #[test]
    fn a_status_says_it_all_or_the_body_does() {
        let unknown = br#"{"code":"51001","data":[],"msg":"Instrument ID doesn't exist."}"#;
        assert!(matches!(Okx::Recent.read_failure(400, unknown), Some(Failure::UnknownSymbol(_))));
        for (status, body) in [(403, &unknown[..]), (429, unknown), (502, unknown), (400, b"<html>"), (404, b"")] {
            assert_eq!(Okx::Recent.read_failure(status, body), None, "{status}");
        }
    }
}
