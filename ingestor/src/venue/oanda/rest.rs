//! `GET /v3/instruments/{i}/candles`: candles of mid prices, oldest first, those without a price left out. Longer
//! ones begin where the request says; here in UTC, weeks on Monday.

use std::borrow::Cow;

use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use super::name;
use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::bar_text::{BarText, Number};
use crate::venue::{Span, Subscription, instant};

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    candles: Option<Vec<Candle<'a>>>,
    #[serde(rename = "errorMessage")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Candle<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    complete: Option<bool>,
    #[serde(borrow)]
    volume: Number<'a>,
    #[serde(borrow)]
    mid: Mid<'a>,
}

#[derive(Deserialize)]
struct Mid<'a> {
    #[serde(borrow, rename = "o")]
    open: Number<'a>,
    #[serde(borrow, rename = "h")]
    high: Number<'a>,
    #[serde(borrow, rename = "l")]
    low: Number<'a>,
    #[serde(borrow, rename = "c")]
    close: Number<'a>,
}

/// The end that is asked for is the last candle's own: it must not lie in the future, as OANDA refuses that.
pub(super) fn request(subscription: &Subscription, span: Span) -> Request {
    let Subscription { symbol, timeframe } = subscription;
    let instrument: String = byte_serialize(symbol.as_str().as_bytes()).collect();
    let granularity = name(*timeframe).unwrap_or_default();
    let (from, to) = (span.first.rfc3339(), timeframe.close_time(span.last).rfc3339());
    let path = format!(
        "/v3/instruments/{instrument}/candles?granularity={granularity}&price=M&from={from}&to={to}\
         &alignmentTimezone=UTC&dailyAlignment=0&weeklyAlignment=Monday"
    );
    Request { path, cost: 1 }
}

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, Failure> {
    let Answer { candles, error } = serde_json::from_slice(body).map_err(Failure::unreadable)?;
    if let Some(error) = error {
        return Err(refusal(error));
    }
    let candles = candles.ok_or_else(|| Failure::unreadable("no candles"))?;
    let mut rows = candles.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.open_time);
    Ok(rows)
}

fn row(candle: &Candle) -> Result<Row, Failure> {
    let open_time = instant::rfc3339(&candle.time).ok_or_else(|| Failure::unreadable("open time"))?;
    let Mid { open, high, low, close } = candle.mid;
    let bar = BarText { open, high, low, close, volume: candle.volume }.read().map_err(Failure::unreadable)?;
    let state = match candle.complete {
        Some(true) => RowState::Closed,
        Some(false) => RowState::Forming,
        None => RowState::Unsaid,
    };
    Ok(Row { open_time, bar, state })
}

pub(super) fn failure(status: u16, body: &[u8]) -> Option<Failure> {
    let error = serde_json::from_slice(body).ok().and_then(|Answer { error, .. }| error);
    match status {
        401 => {
            let reason = error.as_deref().unwrap_or("no reason given");
            Some(Failure::Refused(format!("token refused: {reason}")))
        }
        400..=499 if status != 429 => error.map(refusal),
        _ => None,
    }
}

/// OANDA tells its errors apart by their text only.
fn refusal(error: String) -> Failure {
    let names = |part: &str| error.contains(part);
    if names("Invalid value specified for 'instrument'") || names("Invalid Instrument") {
        Failure::UnknownSymbol(error)
    } else if names("Time is in the future") {
        // Its clock is a little behind.
        Failure::Unavailable(error)
    } else {
        Failure::Refused(error)
    }
}

#[cfg(test)]
mod tests {
    use candlewire_common::time::UnixMillis;

    use super::*;

    #[test]
    fn a_range_is_asked_for_up_to_its_end() {
        let span = Span { first: UnixMillis(1_476_732_900_000), last: UnixMillis(1_476_733_200_000) };
        for (symbol, path) in [("EUR_USD", "EUR_USD"), ("DE30/EUR", "DE30%2FEUR")] {
            let subscription = Subscription { symbol: symbol.parse().unwrap(), timeframe: "5m".parse().unwrap() };
            let path = format!(
                "/v3/instruments/{path}/candles?granularity=M5&price=M&from=2016-10-17T19:35:00Z\
                 &to=2016-10-17T19:45:00Z&alignmentTimezone=UTC&dailyAlignment=0&weeklyAlignment=Monday"
            );
            assert_eq!(request(&subscription, span), Request { path, cost: 1 });
        }
    }

    #[test]
    fn candles_are_read() {
        let body = br#"{"instrument":"DE30/EUR","granularity":"M5","candles":[
            {"complete":true,"volume":132,"time":"2016-10-17T19:35:00.000000000Z",
             "mid":{"o":"10503.8","h":"10508.0","l":"10503.8","c":"10506.0"}},
            {"complete":false,"volume":1,"time":"2016-10-17T19:40:00.000000000Z",
             "mid":{"o":"10506.0","h":"10506.0","l":"10506.0","c":"10506.0"}}]}"#;
        let rows = rows(body).unwrap();
        let states: Vec<_> = rows.iter().map(|row| (row.open_time.0, row.state)).collect();
        assert_eq!(states, [(1_476_732_900_000, RowState::Closed), (1_476_733_200_000, RowState::Forming)]);
        let bar = rows[0].bar;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(numbers, ["10503.8", "10508.0", "10503.8", "10506.0", "132"]);
    }

    #[test]
    fn odd_answers_are_read_or_refused() {
        assert!(rows(br#"{"candles":[]}"#).is_ok_and(|rows| rows.is_empty()));
        for body in [
            "",
            "[]",
            "{}",
            r#"{"candles":[{}]}"#,
            r#"{"candles":[{"volume":1,"time":"x","mid":{"o":"1","h":"1","l":"1","c":"1"}}]}"#,
            r#"{"candles":[{"volume":1,"time":"2016-10-17T19:35:00Z","mid":{"o":"1","h":"1","l":"1","c":"-"}}]}"#,
        ] {
            assert!(matches!(rows(body.as_bytes()), Err(Failure::Unreadable(_))), "{body}");
        }
        let refused = rows(br#"{"errorMessage":"no"}"#).err();
        assert_eq!(refused, Some(Failure::Refused("no".to_owned())));
    }

    #[test]
    fn errors_are_told_apart() {
        let unknown = "Invalid value specified for 'instrument'";
        let early = "Invalid value specified for 'to'. Time is in the future";
        let other = "Invalid value specified for 'price'";
        for (status, error, failure) in [
            (400, unknown, Some(Failure::UnknownSymbol(unknown.to_owned()))),
            (404, "Invalid Instrument X", Some(Failure::UnknownSymbol("Invalid Instrument X".to_owned()))),
            (400, early, Some(Failure::Unavailable(early.to_owned()))),
            (400, other, Some(Failure::Refused(other.to_owned()))),
            (
                401,
                "Insufficient authorization",
                Some(Failure::Refused("token refused: Insufficient authorization".to_owned())),
            ),
            (429, "Rate limit", None),
            (503, "Down", None),
        ] {
            let body = format!(r#"{{"errorMessage":"{error}"}}"#);
            assert_eq!(super::failure(status, body.as_bytes()), failure, "{error}");
        }
        assert!(matches!(failure(401, b""), Some(Failure::Refused(_))));
        assert_eq!(failure(400, b"<html>"), None);
    }
}
