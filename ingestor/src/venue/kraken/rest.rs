//! `GET /0/public/OHLC`: rows of eight columns, oldest first, the last one forming. A failure has status 200 too.

use std::collections::BTreeMap;

use candlewire_common::time::UnixMillis;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::pair;
use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::bar_text::{BarText, Number};
use crate::venue::{Span, Subscription, Venue};

/// The key beside the pair's own.
const LAST: &str = "last";

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow)]
    result: Option<BTreeMap<String, &'a RawValue>>,
}

/// What an answer holds: the rows of the one pair that was asked for, each a list of columns, and where to go on.
pub(super) struct Table<'a> {
    pub(super) rows: Vec<Vec<Number<'a>>>,
    pub(super) last: Option<Number<'a>>,
}

pub(super) fn request(subscription: &Subscription, span: Span) -> Request {
    let Subscription { symbol, timeframe } = subscription;
    // Rows later than `since` are sent: the one that begins there is not.
    let since = span.first.0.saturating_sub(timeframe.millis()) / 1_000;
    let interval = super::Kraken.timeframe_name(*timeframe).unwrap_or_default();
    let path = format!("/0/public/OHLC?pair={}&interval={interval}&since={since}", pair::rest_name(symbol));
    Request { path, cost: 1 }
}

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, Failure> {
    let table = table(body)?;
    let last = table.last.map(|last| last.whole().ok_or_else(|| Failure::unreadable("last"))).transpose()?;
    let mut rows = table.rows.iter().map(|columns| row(columns, last)).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.open_time);
    Ok(rows)
}

/// Reads what every answer of a pair's rows has in common.
pub(super) fn table(body: &[u8]) -> Result<Table<'_>, Failure> {
    let Answer { error, result } = serde_json::from_slice(body).map_err(Failure::unreadable)?;
    if let Some(failure) = failure_of(&error) {
        return Err(failure);
    }
    let result = result.ok_or_else(|| Failure::unreadable("no result"))?;
    let rows = result.iter().find(|(key, _)| *key != LAST).map(|(_, rows)| rows.get());
    let rows = serde_json::from_str(rows.unwrap_or("[]")).map_err(Failure::unreadable)?;
    let last = result.get(LAST).map(|last| serde_json::from_str(last.get())).transpose();
    Ok(Table { rows, last: last.map_err(Failure::unreadable)? })
}

/// Time, open, high, low, close, weighted price, volume, count of trades.
fn row(columns: &[Number], last: Option<i64>) -> Result<Row, Failure> {
    let [time, open, high, low, close, _, volume, ..] = *columns else {
        return Err(Failure::unreadable("a row of fewer than 7 columns"));
    };
    let seconds = time.whole().ok_or_else(|| Failure::unreadable("open time"))?;
    let open_time = seconds.checked_mul(1_000).ok_or_else(|| Failure::unreadable("open time"))?;
    let bar = BarText { open, high, low, close, volume }.read().map_err(Failure::unreadable)?;
    let state = match last {
        Some(last) if seconds <= last => RowState::Closed,
        Some(_) => RowState::Forming,
        None => RowState::Unsaid,
    };
    Ok(Row { open_time: UnixMillis(open_time), bar, state })
}

pub(super) fn failure(body: &[u8]) -> Option<Failure> {
    let Answer { error, .. } = serde_json::from_slice(body).ok()?;
    failure_of(&error)
}

/// The first error; those that begin with W are warnings.
fn failure_of(errors: &[String]) -> Option<Failure> {
    /// What errors of too many requests begin with.
    const TOO_MANY: [&str; 3] =
        ["EGeneral:Too many requests", "EAPI:Rate limit exceeded", "EGeneral:Temporary lockout"];
    /// What errors that pass begin with.
    const PASSING: [&str; 2] = ["EService:", "EGeneral:Internal error"];
    let error = errors.iter().find(|error| !error.starts_with('W'))?.clone();
    let begins = |with: &[&str]| with.iter().any(|with| error.starts_with(with));
    Some(if begins(&["EQuery:Unknown asset pair"]) {
        Failure::UnknownSymbol(error)
    } else if begins(&TOO_MANY) {
        Failure::Limited { reason: error.into(), wait: None }
    } else if begins(&PASSING) {
        Failure::Unavailable(error)
    } else {
        Failure::Refused(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_from_one_candle_before() {
        let subscription = Subscription { symbol: "BTC/USD".parse().unwrap(), timeframe: "1h".parse().unwrap() };
        let span = Span { first: UnixMillis(7_200_000), last: UnixMillis(10_800_000) };
        let path = "/0/public/OHLC?pair=XBTUSD&interval=60&since=3600";
        assert_eq!(request(&subscription, span), Request { path: path.to_owned(), cost: 1 });
    }

    #[test]
    fn rows_are_closed_up_to_last() {
        let body = br#"{"error":[],"result":{"XBTUSDT":[
            [1762820160,"106038.3","106038.3","106038.3","106038.3","0.0","0.00000000",0],
            [1762820220,"106038.3","106040","106038.2","106039","106038.3","0.00032101",1]],"last":1762820160}}"#;
        let rows = rows(body).unwrap();
        let states: Vec<_> = rows.iter().map(|row| (row.open_time.0, row.state)).collect();
        assert_eq!(states, [(1_762_820_160_000, RowState::Closed), (1_762_820_220_000, RowState::Forming)]);
        let bar = rows[1].bar;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(numbers, ["106038.3", "106040", "106038.2", "106039", "0.00032101"]);
    }

    #[test]
    fn odd_answers_are_read_or_refused() {
        for body in [r#"{"error":[],"result":{"last":0}}"#, r#"{"error":["WGeneral:x"],"result":{"A":[],"last":"0"}}"#]
        {
            assert!(rows(body.as_bytes()).is_ok_and(|rows| rows.is_empty()), "{body}");
        }
        let unsaid = br#"{"result":{"A":[[60,"1","1","1","1","0","0",0]]}}"#;
        assert!(rows(unsaid).is_ok_and(|rows| rows[0].state == RowState::Unsaid));
        for body in [
            "",
            "[]",
            r#"{"error":[]}"#,
            r#"{"result":{"A":[[60,"1","1","1","1","0"]],"last":0}}"#,
            r#"{"result":{"A":[["x","1","1","1","1","0","0",0]],"last":0}}"#,
            r#"{"result":{"A":[[9223372036854775807,"1","1","1","1","0","0",0]],"last":0}}"#,
            r#"{"result":{"A":[],"last":{}}}"#,
            r#"{"result":{"A":7,"last":0}}"#,
        ] {
            assert!(matches!(rows(body.as_bytes()), Err(Failure::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn errors_are_told_apart() {
        let limited = |reason: &str| Failure::Limited { reason: reason.to_owned().into(), wait: None };
        let owned = str::to_owned;
        for (error, failure) in [
            ("EQuery:Unknown asset pair", Failure::UnknownSymbol(owned("EQuery:Unknown asset pair"))),
            ("EGeneral:Too many requests", limited("EGeneral:Too many requests")),
            ("EAPI:Rate limit exceeded", limited("EAPI:Rate limit exceeded")),
            ("EService:Unavailable", Failure::Unavailable(owned("EService:Unavailable"))),
            ("EGeneral:Invalid arguments", Failure::Refused(owned("EGeneral:Invalid arguments"))),
        ] {
            let body = format!(r#"{{"error":["{error}"]}}"#);
            assert_eq!(rows(body.as_bytes()).err(), Some(failure.clone()), "{error}");
            assert_eq!(super::failure(body.as_bytes()), Some(failure), "{error}");
        }
        assert_eq!(failure(b"<html>"), None);
    }
}
