//! `GET /v5/market/kline`: rows of seven columns, newest first; the newest may be forming, and none says so.

use candlewire_common::time::UnixMillis;
use serde::Deserialize;

use super::name;
use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::bar_text::{BarText, Number};
use crate::venue::{Span, Subscription};

/// The code of a parameter that is wrong, the symbol among them.
const BAD_PARAMETER: i64 = 10_001;
/// The codes of too many requests.
const TOO_MANY: [i64; 4] = [10_006, 10_009, 10_018, 10_429];
/// The codes of Bybit's own faults.
const OWN_FAULTS: [i64; 2] = [10_000, 10_016];

/// An answer of any kind, at status 200.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "retCode")]
    code: i64,
    #[serde(rename = "retMsg", default)]
    message: String,
}

#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    result: Klines<'a>,
}

#[derive(Deserialize)]
struct Klines<'a> {
    #[serde(borrow)]
    list: Vec<Vec<Number<'a>>>,
}

pub(super) fn request(subscription: &Subscription, span: Span, limit: u32) -> Request {
    let Subscription { symbol, timeframe } = subscription;
    let interval = name(*timeframe).unwrap_or_default();
    let path = format!(
        "/v5/market/kline?category=spot&symbol={symbol}&interval={interval}&start={}&end={}&limit={limit}",
        span.first, span.last
    );
    Request { path, cost: 1 }
}

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, Failure> {
    let answer: Answer = serde_json::from_slice(body).map_err(Failure::unreadable)?;
    if answer.code != 0 {
        return Err(failure(&answer));
    }
    let Success { result } = serde_json::from_slice(body).map_err(Failure::unreadable)?;
    let mut rows = result.list.iter().map(|columns| row(columns)).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.open_time);
    Ok(rows)
}

/// Open time, open, high, low, close, volume, and what does not matter.
fn row(columns: &[Number]) -> Result<Row, Failure> {
    let [open_time, open, high, low, close, volume, ..] = *columns else {
        return Err(Failure::unreadable("a row of fewer than 6 columns"));
    };
    let open_time = open_time.whole().ok_or_else(|| Failure::unreadable("open time"))?;
    let bar = BarText { open, high, low, close, volume }.read().map_err(Failure::unreadable)?;
    Ok(Row { open_time: UnixMillis(open_time), bar, state: RowState::Unsaid })
}

fn failure(Answer { code, message }: &Answer) -> Failure {
    let reason = format!("{message} ({code})");
    match *code {
        // One code for all parameters: only the text tells which.
        BAD_PARAMETER if message.to_ascii_lowercase().contains("symbol") => Failure::UnknownSymbol(reason),
        code if TOO_MANY.contains(&code) => Failure::Limited { reason: reason.into(), wait: None },
        code if OWN_FAULTS.contains(&code) => Failure::Unavailable(reason),
        _ => Failure::Refused(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_with_both_ends() {
        let subscription = Subscription { symbol: "BTCUSDT".parse().unwrap(), timeframe: "1h".parse().unwrap() };
        let span = Span { first: UnixMillis(3_600_000), last: UnixMillis(7_200_000) };
        let path = "/v5/market/kline?category=spot&symbol=BTCUSDT&interval=60&start=3600000&end=7200000&limit=1000";
        assert_eq!(request(&subscription, span, 1_000), Request { path: path.to_owned(), cost: 1 });
    }

    #[test]
    fn rows_are_read_oldest_first() {
        let body = br#"{"retCode":0,"retMsg":"OK","result":{"symbol":"BTCUSD","category":"inverse","list":[
            ["1670612400000","17055.5","17060","17050","17051","3","1"],
            ["1670608800000","17071","17073","17027","17055.5","268611","15.74462667"]]},
            "retExtInfo":{},"time":1672025956592}"#;
        let rows = rows(body).unwrap();
        assert_eq!(rows.iter().map(|row| row.open_time.0).collect::<Vec<_>>(), [1_670_608_800_000, 1_670_612_400_000]);
        assert!(rows.iter().all(|row| row.state == RowState::Unsaid));
        let bar = rows[0].bar;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(numbers, ["17071", "17073", "17027", "17055.5", "268611"]);
        assert!(super::rows(br#"{"retCode":0,"result":{"list":[]}}"#).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_answer_is_unreadable() {
        let list = |row: &str| format!(r#"{{"retCode":0,"result":{{"list":[{row}]}}}}"#);
        let rows = [r#"["1"]"#, r#"["x","1","1","1","1","1"]"#, r#"["1","1","1","1","1","one"]"#, "7"].map(list);
        let others =
            ["", "[]", "{}", r#"{"retCode":0}"#, r#"{"retCode":0,"result":{}}"#, r#"{"retCode":0,"result":{"li"#];
        for body in rows.iter().map(String::as_str).chain(others) {
            assert!(matches!(super::rows(body.as_bytes()), Err(Failure::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn failures_are_told_apart_by_their_code() {
        let read = |code: i64, message: &str| {
            rows(format!(r#"{{"retCode":{code},"retMsg":"{message}","result":{{}}}}"#).as_bytes()).unwrap_err()
        };
        for message in ["Not supported symbols", "params error: Symbol Invalid"] {
            assert_eq!(read(10_001, message), Failure::UnknownSymbol(format!("{message} (10001)")));
        }
        assert!(matches!(read(10_001, "Invalid period!"), Failure::Refused(_)));
        assert!(matches!(read(10_006, "Too many visits!"), Failure::Limited { wait: None, .. }));
        assert!(matches!(read(10_018, ""), Failure::Limited { .. }));
        assert!(matches!(read(10_016, "Server error"), Failure::Unavailable(_)));
        assert!(matches!(read(10_005, "Permission denied"), Failure::Refused(_)));
    }
}
