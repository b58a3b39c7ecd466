//! `GET /api/v3/brokerage/market/products/{id}/candles`: objects, newest first; the newest may be forming, and none
//! says so.

use std::borrow::Cow;

use candlewire_common::time::UnixMillis;
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::name;
use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::bar_text::{BarText, Number};
use crate::venue::{Span, Subscription};

/// A candle, in REST and in the feed.
#[derive(Deserialize)]
pub(super) struct Candle<'a> {
    #[serde(borrow)]
    start: Number<'a>,
    #[serde(borrow)]
    open: Number<'a>,
    #[serde(borrow)]
    high: Number<'a>,
    #[serde(borrow)]
    low: Number<'a>,
    #[serde(borrow)]
    close: Number<'a>,
    #[serde(borrow)]
    volume: Number<'a>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    candles: Vec<Candle<'a>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: Cow<'a, str>,
    #[serde(borrow, default)]
    error_details: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
}

impl Candle<'_> {
    pub(super) fn open_time(&self) -> Option<UnixMillis> {
        self.start.whole().and_then(|seconds| seconds.checked_mul(1_000)).map(UnixMillis)
    }

    pub(super) fn numbers(&self) -> BarText<'_> {
        let Self { open, high, low, close, volume, .. } = *self;
        BarText { open, high, low, close, volume }
    }

    fn row(&self) -> Result<Row, Failure> {
        let open_time = self.open_time().ok_or_else(|| Failure::unreadable(format_args!("start {:?}", self.start)))?;
        let bar = self.numbers().read().map_err(Failure::unreadable)?;
        Ok(Row { open_time, bar, state: RowState::Unsaid })
    }
}

pub(super) fn request(subscription: &Subscription, span: Span) -> Request {
    let Subscription { symbol, timeframe } = subscription;
    let product: String = byte_serialize(symbol.as_str().as_bytes()).collect();
    let granularity = name(*timeframe).unwrap_or_default();
    let path = format!(
        "/api/v3/brokerage/market/products/{product}/candles?start={}&end={}&granularity={granularity}",
        span.first.0.div_euclid(1_000),
        span.last.0.div_euclid(1_000),
    );
    Request { path, cost: 1 }
}

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, Failure> {
    let Page { candles } =
        serde_json::from_slice(body).map_err(|error| failure(body).unwrap_or_else(|| Failure::unreadable(error)))?;
    let mut rows = candles.iter().map(Candle::row).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.open_time);
    Ok(rows)
}

pub(super) fn failure(body: &[u8]) -> Option<Failure> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let reason = refusal.reason();
    Some(match &*refusal.error {
        "NOT_FOUND" => Failure::UnknownSymbol(reason),
        // One code for all arguments: only the text tells which, "ProductID is invalid" or "valid product_id is
        // required".
        "INVALID_ARGUMENT" if reason.to_ascii_lowercase().replace('_', "").contains("productid") => {
            Failure::UnknownSymbol(reason)
        }
        _ => Failure::Refused(reason),
    })
}

/// The venue's words, where the body has any.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    serde_json::from_slice(body).ok().map(|refusal: Refusal| refusal.reason())
}

impl Refusal<'_> {
    fn reason(&self) -> String {
        let words = if self.message.is_empty() { &self.error_details } else { &self.message };
        format!("{words} ({})", self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_in_seconds() {
        for (symbol, product) in [("BTC-USD", "BTC-USD"), ("A/B", "A%2FB")] {
            let subscription = Subscription { symbol: symbol.parse().unwrap(), timeframe: "1h".parse().unwrap() };
            let span = Span { first: UnixMillis(1_712_188_800_000), last: UnixMillis(1_712_192_400_000) };
            let path = format!(
                "/api/v3/brokerage/market/products/{product}/candles\
                ?start=1712188800&end=1712192400&granularity=ONE_HOUR"
            );
            assert_eq!(request(&subscription, span), Request { path, cost: 1 });
        }
    }

    #[test]
    fn rows_are_read_oldest_first() {
        let body = br#"{"candles":[{"start":"1712192400","low":"66055.14","high":"66331.99","open":"66312.4",
            "close":"66181.6","volume":"355.82896243"},{"start":"1712188800","low":"65857.35","high":"66387.77",
            "open":"65984.18","close":"66314.59","volume":"358.74851052"}]}"#;
        let rows = rows(body).unwrap();
        assert_eq!(rows.iter().map(|row| row.open_time.0).collect::<Vec<_>>(), [1_712_188_800_000, 1_712_192_400_000]);
        assert!(rows.iter().all(|row| row.state == RowState::Unsaid));
        let bar = rows[0].bar;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(numbers, ["65984.18", "66387.77", "65857.35", "66314.59", "358.74851052"]);
        assert!(super::rows(br#"{"candles":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_answer_is_unreadable() {
        let candle = |start: &str, open: &str| {
            format!(
                r#"{{"candles":[{{"start":{start},"open":{open},"high":"1","low":"1","close":"1","volume":"1"}}]}}"#
            )
        };
        let bad = [candle("null", "1"), candle("9223372036854775807", "1"), candle("1", r#""one""#)];
        for body in bad.iter().map(String::as_str).chain(["", "{}", "[1]", r#"{"candles":[{}]}"#, r#"{"candles":[{"#]) {
            assert!(matches!(rows(body.as_bytes()), Err(Failure::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn failures_are_told_apart() {
        let read = |error: &str, message: &str| {
            let body = format!(r#"{{"error":"{error}","error_details":"{message}","message":"{message}"}}"#);
            assert_eq!(rows(body.as_bytes()).err(), failure(body.as_bytes()));
            failure(body.as_bytes()).unwrap()
        };
        for (error, message) in [
            ("NOT_FOUND", "valid product_id is required"),
            ("INVALID_ARGUMENT", "ProductID is invalid"),
            ("INVALID_ARGUMENT", r#"ProductID \"X-Y\" could not be found"#),
        ] {
            let unknown = Failure::UnknownSymbol(format!("{} ({error})", message.replace('\\', "")));
            assert_eq!(read(error, message), unknown);
        }
        let other = "start and end argument is invalid - number of candles requested should be less than 350";
        assert!(matches!(read("INVALID_ARGUMENT", other), Failure::Refused(_)));
        assert!(matches!(read("unknown", ""), Failure::Refused(_)));
    }
}
