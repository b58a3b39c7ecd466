//! `GET /0/public/Trades`: every trade from a moment on, oldest first, a thousand at a time.

use candlewire_common::decimal::Decimal;
use candlewire_common::series::Symbol;
use candlewire_common::time::UnixMillis;

use super::{pair, rest};
use crate::venue::answer::{Failure, Request};
use crate::venue::bar_text::Number;
use crate::venue::instant;

/// The most trades of one answer.
pub(super) const TRADES_MAX: usize = 1_000;

/// One trade.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trade {
    pub(super) time: UnixMillis,
    pub(super) price: Decimal,
    pub(super) volume: Decimal,
    /// Kraken's number of it.
    pub(super) id: u64,
}

/// One answer.
pub(super) struct Page {
    pub(super) trades: Vec<Trade>,
    /// The time of the last trade in nanoseconds: where to go on.
    pub(super) last_ns: i64,
}

pub(super) fn request(symbol: &Symbol, since_ns: i64) -> Request {
    let pair = pair::rest_name(symbol);
    Request { path: format!("/0/public/Trades?pair={pair}&since={since_ns}&count={TRADES_MAX}"), cost: 1 }
}

pub(super) fn page(body: &[u8]) -> Result<Page, Failure> {
    let table = rest::table(body)?;
    let last_ns = table.last.and_then(Number::whole).ok_or_else(|| Failure::unreadable("last"))?;
    let trades = table.rows.iter().map(|columns| trade(columns)).collect::<Result<_, _>>()?;
    Ok(Page { trades, last_ns })
}

/// Price, volume, time, side, kind of order, what does not matter, number.
fn trade(columns: &[Number]) -> Result<Trade, Failure> {
    let [price, volume, time, _, _, _, id, ..] = *columns else {
        return Err(Failure::unreadable("a trade of fewer than 7 columns"));
    };
    Ok(Trade {
        time: instant::seconds(time.text()).ok_or_else(|| Failure::unreadable("time of a trade"))?,
        price: price.price("price").map_err(Failure::unreadable)?,
        volume: volume.volume("volume").map_err(Failure::unreadable)?,
        id: id.text().parse().map_err(|_| Failure::unreadable("number of a trade"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trades_are_asked_for_and_read() {
        let path = "/0/public/Trades?pair=XBTUSD&since=1688669597000000000&count=1000";
        let symbol = "BTC/USD".parse().unwrap();
        assert_eq!(request(&symbol, 1_688_669_597_000_000_000), Request { path: path.to_owned(), cost: 1 });
        let body = br#"{"error":[],"result":{"XXBTZUSD":[
            ["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],
            ["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953]],"last":"1688669598280411200"}}"#;
        let page = page(body).unwrap();
        assert_eq!((page.trades.len(), page.last_ns), (2, 1_688_669_598_280_411_200));
        let Trade { time, price, volume, id } = page.trades[0];
        assert_eq!((time.0, id), (1_688_669_597_827, 61_044_952));
        assert_eq!((price.to_string(), volume.to_string()), ("30243.40000".to_owned(), "0.34507674".to_owned()));
    }

    #[test]
    fn what_is_no_page_of_trades_is_refused() {
        for body in [
            r#"{"result":{"A":[]}}"#,
            r#"{"result":{"A":[],"last":"x"}}"#,
            r#"{"result":{"A":[["1","1",1.5,"b","m",""]],"last":"1"}}"#,
            r#"{"result":{"A":[["1","1","x","b","m","",1]],"last":"1"}}"#,
            r#"{"result":{"A":[["1","one",1.5,"b","m","",1]],"last":"1"}}"#,
            r#"{"result":{"A":[["1","1",1.5,"b","m","",-1]],"last":"1"}}"#,
        ] {
            assert!(matches!(page(body.as_bytes()), Err(Failure::Unreadable(_))), "{body}");
        }
        let limited = page(br#"{"error":["EGeneral:Too many requests"]}"#);
        assert!(matches!(limited, Err(Failure::Limited { .. })));
    }
}
