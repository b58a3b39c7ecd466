//! `GET /api/v3/klines`: rows of twelve columns, oldest first; the newest may be forming, and none says so.

use candlewire_common::time::UnixMillis;
use serde::Deserialize;

use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::bar_text::{BarText, Number};
use crate::venue::{Span, Subscription};

/// What one request costs of the budget, whatever its size.
const WEIGHT: u32 = 2;
/// The error code of a symbol that is not known.
const INVALID_SYMBOL: i64 = -1121;
/// The error codes of too many requests.
const TOO_MANY: [i64; 2] = [-1003, -1015];

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    msg: String,
}

pub(super) fn request(subscription: &Subscription, span: Span, limit: u32) -> Request {
    let Subscription { symbol, timeframe } = subscription;
    let path = format!(
        "/api/v3/klines?symbol={symbol}&interval={timeframe}&startTime={}&endTime={}&limit={limit}",
        span.first, span.last
    );
    Request { path, cost: WEIGHT }
}

pub(super) fn rows(body: &[u8]) -> Result<Vec<Row>, Failure> {
    let klines: Vec<Vec<Number>> = serde_json::from_slice(body).map_err(Failure::unreadable)?;
    let mut rows = klines.iter().map(|columns| row(columns)).collect::<Result<Vec<_>, _>>()?;
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

pub(super) fn failure(body: &[u8]) -> Option<Failure> {
    let Refusal { code, msg } = serde_json::from_slice(body).ok()?;
    match code {
        INVALID_SYMBOL => Some(Failure::UnknownSymbol(msg)),
        code if TOO_MANY.contains(&code) => None,
        code => Some(Failure::Refused(format!("{msg} ({code})"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_with_both_ends() {
        let subscription = Subscription { symbol: "BTCUSDT".parse().unwrap(), timeframe: "1m".parse().unwrap() };
        let span = Span { first: UnixMillis(60_000), last: UnixMillis(180_000) };
        let path = "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=60000&endTime=180000&limit=1000";
        assert_eq!(request(&subscription, span, 1_000), Request { path: path.to_owned(), cost: 2 });
    }

    #[test]
    fn rows_are_read() {
        let body =
            br#"[[1634943780000,"60685.22000000","60729.84000000","60670.90000000","60719.27000000","21.63272000",
            1634943839999,"1313200.01340410",617,"12.28492000","745719.41022840","0"]]"#;
        let rows = rows(body).unwrap();
        assert_eq!((rows.len(), rows[0].open_time.0, rows[0].state), (1, 1_634_943_780_000, RowState::Unsaid));
        let bar = rows[0].bar;
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(numbers, ["60685.22000000", "60729.84000000", "60670.90000000", "60719.27000000", "21.63272000"]);
        for body in ["[[1]]", "{}", "", r#"[["x","1","1","1","1","1"]]"#, r#"[[1,"1","1","1","1","one"]]"#] {
            assert!(matches!(super::rows(body.as_bytes()), Err(Failure::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn rows_out_of_order_come_oldest_first() {
        let rows = rows(b"[[180000,1,1,1,1,1],[60000,1,1,1,1,1],[120000,1,1,1,1,1]]").unwrap();
        assert_eq!(rows.iter().map(|row| row.open_time.0).collect::<Vec<_>>(), [60_000, 120_000, 180_000]);
    }

    #[test]
    fn an_unknown_symbol_is_told_from_other_faults() {
        let unknown = Failure::UnknownSymbol("Invalid symbol.".to_owned());
        assert_eq!(failure(br#"{"code":-1121,"msg":"Invalid symbol."}"#), Some(unknown));
        assert_eq!(failure(br#"{"code":-1003,"msg":"Too much request weight used."}"#), None);
        let other = Failure::Refused("Illegal characters. (-1100)".to_owned());
        assert_eq!(failure(br#"{"code":-1100,"msg":"Illegal characters."}"#), Some(other));
        assert_eq!(failure(b"<html>"), None);
    }
}
