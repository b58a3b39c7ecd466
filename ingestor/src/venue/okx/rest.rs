//! `GET /api/v5/market/candles` and `…/history-candles`: rows of nine columns, newest first.

use std::borrow::Cow;

use candlewire_common::series::Symbol;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{columns, name};
use crate::venue::answer::{Failure, Request, Row};
use crate::venue::bar_text::Number;
use crate::venue::{Span, Subscription};

/// The code of an answer with rows.
const SUCCESS: &str = "0";
/// The code of an instrument that is not known.
const UNKNOWN_INSTRUMENT: &str = "51001";
/// The codes of too many requests.
const TOO_MANY: [&str; 2] = ["50011", "50061"];
/// The codes of OKX's own faults: unavailable, timed out, busy, system error.
const OWN_FAULTS: [&str; 4] = ["50001", "50004", "50013", "50026"];

/// What has the candles that are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The newest.
    Recent,
    /// All but the newest.
    History,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    code: Number<'a>,
    #[serde(borrow, default)]
    msg: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The ends are exclusive, and named by a reader who goes back in time: `after` is the later one.
pub(super) fn request(part: Part, subscription: &Subscription, span: Span, limit: u32) -> Request {
    let Subscription { symbol, timeframe } = subscription;
    let (address, cost) = match part {
        Part::Recent => ("candles", 1),
        Part::History => ("history-candles", 2),
    };
    let path = format!(
        "/api/v5/market/{address}?instId={symbol}&bar={}&after={}&before={}&limit={limit}",
        name(*timeframe).unwrap_or_default(),
        span.last.0.saturating_add(1),
        span.first.0.saturating_sub(1),
    );
    Request { path, cost }
}

pub(super) fn rows(symbol: &Symbol, body: &[u8]) -> Result<Vec<Row>, Failure> {
    let answer: Answer = serde_json::from_slice(body).map_err(Failure::unreadable)?;
    if let Some(failure) = failure_of(&answer) {
        return Err(failure);
    }
    let data = answer.data.ok_or_else(|| Failure::unreadable("no data"))?;
    let candles: Vec<Vec<Number>> = serde_json::from_str(data.get()).map_err(Failure::unreadable)?;
    let rows = candles.iter().map(|candle| columns::read(symbol.as_str(), candle).map_err(Failure::unreadable));
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.open_time);
    Ok(rows)
}

pub(super) fn failure(body: &[u8]) -> Option<Failure> {
    failure_of(&serde_json::from_slice(body).ok()?)
}

fn failure_of(answer: &Answer) -> Option<Failure> {
    let code = answer.code.text();
    let reason = format!("{} ({code})", answer.msg);
    match code {
        SUCCESS => None,
        UNKNOWN_INSTRUMENT => Some(Failure::UnknownSymbol(reason)),
        code if TOO_MANY.contains(&code) => Some(Failure::Limited { reason: reason.into(), wait: None }),
        code if OWN_FAULTS.contains(&code) => Some(Failure::Unavailable(reason)),
        _ => Some(Failure::Refused(reason)),
    }
}

#[cfg(test)]
mod tests {
    use candlewire_common::time::UnixMillis;

    use super::*;
    use crate::venue::answer::RowState;

    fn read(body: &str) -> Result<Vec<Row>, Failure> {
        rows(&"BTC-USDT".parse().unwrap(), body.as_bytes())
    }

    #[test]
    fn a_range_is_asked_for_with_both_ends() {
        let subscription = Subscription { symbol: "BTC-USDT".parse().unwrap(), timeframe: "1d".parse().unwrap() };
        let span = Span { first: UnixMillis(86_400_000), last: UnixMillis(172_800_000) };
        let query = "instId=BTC-USDT&bar=1Dutc&after=172800001&before=86399999&limit";
        for (part, limit, path, cost) in [
            (Part::Recent, 300, format!("/api/v5/market/candles?{query}=300"), 1),
            (Part::History, 100, format!("/api/v5/market/history-candles?{query}=100"), 2),
        ] {
            assert_eq!(request(part, &subscription, span, limit), Request { path, cost });
        }
    }

    #[test]
    fn rows_are_read_oldest_first() {
        let body = r#"{"code":"0","msg":"","data":[
            ["1747094100000","102820.4","102820.4","102820.4","102820.4","1","1","1","0"],
            ["1747094040000","102806.1","102820.4","102806.1","102820.4","1040.37","10.4037","1069603.34883","1"]]}"#;
        let rows = read(body).unwrap().iter().map(|row| (row.open_time.0, row.state)).collect::<Vec<_>>();
        assert_eq!(rows, [(1_747_094_040_000, RowState::Closed), (1_747_094_100_000, RowState::Forming)]);
        assert!(read(r#"{"code":"0","data":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_answer_is_unreadable() {
        for body in ["", "[]", "{}", r#"{"code":"0"}"#, r#"{"code":"0","data":[["1"]]}"#, r#"{"code":"0","data":[["#] {
            assert!(matches!(read(body), Err(Failure::Unreadable(_))), "{body}");
        }
    }

    #[test]
    fn failures_are_told_apart_by_their_code() {
        let read = |code: &str| read(&format!(r#"{{"code":"{code}","data":[],"msg":"\"why\""}}"#)).unwrap_err();
        assert_eq!(read("51001"), Failure::UnknownSymbol("\"why\" (51001)".to_owned()));
        assert_eq!(read("51000"), Failure::Refused("\"why\" (51000)".to_owned()));
        for code in TOO_MANY {
            assert!(matches!(read(code), Failure::Limited { wait: None, .. }), "{code}");
        }
        for code in OWN_FAULTS {
            assert!(matches!(read(code), Failure::Unavailable(_)), "{code}");
        }
        assert_eq!(failure(br#"{"code":"0","data":[]}"#), None);
    }
}
