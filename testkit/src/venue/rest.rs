//! How a mock venue answers REST requests.
//!
//! Owns what all venues have in common: which rows can be seen at a moment, under lag and staleness, the budget, and
//! the faults of the script. What a request means and what the answer looks like is each venue's own.

use std::collections::BTreeMap;

use super::bar::{Bar, bucket};
use super::budget::Judgement;
use super::hub::{Hub, RestRequest};
use super::kind::VenueKind;
use super::script::{FaultKind, RestFault};
use super::{binance, bybit, coinbase, kraken, oanda, okx};

/// Seconds of `Retry-After` when the budget is used up.
const RETRY_AFTER_SECS: u32 = 10;

/// How many times further back is looked for rows that are not empty.
const LOOKS_MAX: u32 = 200;

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) path: &'a str,
    pub(crate) query: BTreeMap<String, String>,
    /// By lower-case name.
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) now_ms: i64,
    lag_ms: i64,
    stale_ms: i64,
    late_ms: i64,
}

/// An answer.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) symbol: Option<String>,
    pub(crate) rows: Vec<i64>,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// Returns an answer with rows of candles.
    pub(crate) fn rows(symbol: &str, bars: &[Bar], body: String) -> Self {
        let rows = bars.iter().map(|bar| bar.open_time_ms).collect();
        Self { status: 200, body, symbol: Some(symbol.to_owned()), rows, ..Self::default() }
    }
}

impl<'a> Ask<'a> {
    pub(crate) fn new(hub: &'a Hub, path_and_query: &'a str, headers: &'a BTreeMap<String, String>) -> Self {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let now_ms = hub.clock.now_ms();
        let script = hub.script();
        let lag_ms = script.at(now_ms, |fault| match fault.kind {
            FaultKind::RestLag { by_ms } => Some(by_ms),
            _ => None,
        });
        let stale_ms = script.at(now_ms, |fault| match fault.kind {
            FaultKind::StaleRow { for_ms } => Some(for_ms),
            _ => None,
        });
        let late_ms = script.at(now_ms, |fault| match fault.kind {
            FaultKind::LateComplete { by_ms } => Some(by_ms),
            _ => None,
        });
        let [lag_ms, stale_ms, late_ms] = [lag_ms, stale_ms, late_ms].map(|span| span.unwrap_or(0));
        Self { hub, path, query, headers, now_ms, lag_ms, stale_ms, late_ms }
    }

    /// Returns a parameter's value if it is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a parameter as a whole number; `Err` if it is there and none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ()> {
        self.text(name).map(|text| text.parse().map_err(|_| ())).transpose()
    }

    /// Returns a price as text.
    pub(crate) fn price(&self, units: i64) -> String {
        self.hub.kind.price_text(units, self.hub.market.price_decimals())
    }

    /// Returns a volume as text.
    pub(crate) fn volume(&self, bar: &Bar) -> String {
        self.hub.kind.volume_text(bar)
    }

    /// Returns whether a row counts as closed, where the venue says so.
    pub(crate) fn closed(&self, bar: &Bar) -> bool {
        bar.end_ms() + self.late_ms <= self.now_ms
    }

    /// Returns the rows that start in `from_ms..to_ms`, oldest first; `from_ms` must be the start of one.
    pub(crate) fn range(&self, symbol: &str, timeframe_ms: i64, from_ms: i64, to_ms: i64) -> Vec<Bar> {
        let market = &self.hub.market;
        let kraken = self.hub.kind == VenueKind::Kraken;
        let seen_ms = if kraken { self.now_ms - self.lag_ms } else { self.now_ms };
        let skipped = (market.listed_ms() - from_ms).max(0) / timeframe_ms;
        let from_ms = from_ms + skipped * timeframe_ms;
        let mut bars = market.bars(symbol, timeframe_ms, from_ms, to_ms.min(seen_ms + 1), seen_ms + 1);
        if self.lag_ms > 0 && !kraken {
            bars.retain(|bar| bar.end_ms() <= self.now_ms - self.lag_ms);
        }
        let just_closed = |bar: &&mut Bar| (bar.end_ms()..bar.end_ms() + self.stale_ms).contains(&seen_ms);
        if let Some(newest) = bars.iter_mut().filter(just_closed).max_by_key(|bar| bar.open_time_ms) {
            *newest = self.half(symbol, newest);
        }
        bars.retain(|bar| bar.count > 0 || self.hub.kind.shows_empty());
        bars
    }

    /// Returns a bar of the first half of a bar's trades.
    fn half(&self, symbol: &str, whole: &Bar) -> Bar {
        let price = self.hub.market.price_before(symbol, whole.open_time_ms);
        let mut bar = Bar::flat(whole.open_time_ms, whole.timeframe_ms, price);
        let trades = self.hub.market.trades(symbol, whole.open_time_ms, whole.end_ms());
        trades.iter().take(trades.len() / 2).for_each(|trade| bar.add(trade));
        bar
    }

    /// Returns the newest `count` rows that start in `from_ms..before_ms`, oldest first.
    pub(crate) fn newest(&self, symbol: &str, frame: Frame, from_ms: i64, before_ms: i64, count: usize) -> Vec<Bar> {
        let Frame { timeframe_ms, offset_ms } = frame;
        let from_ms = from_ms.max(self.hub.market.listed_ms());
        let mut end_ms = bucket(before_ms.min(self.now_ms + 1) - 1, timeframe_ms, offset_ms) + timeframe_ms;
        let step_ms = i64::try_from(count + 2).unwrap_or(i64::MAX / timeframe_ms) * timeframe_ms;
        let mut rows: Vec<Bar> = Vec::new();
        for _ in 0..LOOKS_MAX {
            let start_ms = bucket((end_ms - step_ms).max(from_ms) + timeframe_ms - 1, timeframe_ms, offset_ms);
            let mut older = self.range(symbol, timeframe_ms, start_ms, end_ms.min(before_ms));
            older.append(&mut rows);
            rows = older;
            if rows.len() >= count || start_ms - timeframe_ms < from_ms {
                break;
            }
            end_ms = start_ms;
        }
        rows.split_off(rows.len().saturating_sub(count))
    }

    /// Returns the oldest `count` rows that start in `from_ms..before_ms`, oldest first.
    pub(crate) fn oldest(&self, symbol: &str, frame: Frame, from_ms: i64, before_ms: i64, count: usize) -> Vec<Bar> {
        let Frame { timeframe_ms, offset_ms } = frame;
        let from_ms = from_ms.max(self.hub.market.listed_ms());
        let before_ms = before_ms.min(self.now_ms + 1);
        let step_ms = i64::try_from(count + 2).unwrap_or(i64::MAX / timeframe_ms) * timeframe_ms;
        let mut start_ms = bucket(from_ms + timeframe_ms - 1, timeframe_ms, offset_ms);
        let mut rows = Vec::new();
        for _ in 0..LOOKS_MAX {
            let end_ms = (start_ms + step_ms).min(before_ms);
            rows.append(&mut self.range(symbol, timeframe_ms, start_ms, end_ms));
            if rows.len() >= count || end_ms >= before_ms {
                break;
            }
            start_ms += step_ms;
        }
        rows.truncate(count);
        rows
    }
}

/// A timeframe and where its buckets start.
#[derive(Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) timeframe_ms: i64,
    /// After UTC's.
    pub(crate) offset_ms: i64,
}

impl Frame {
    pub(crate) fn utc(timeframe_ms: i64) -> Self {
        Self { timeframe_ms, offset_ms: 0 }
    }
}

/// Returns the answer to a GET, `None` if there shall be none.
pub(crate) fn answer(hub: &Hub, path_and_query: &str, headers: &BTreeMap<String, String>) -> Option<Reply> {
    let ask = Ask::new(hub, path_and_query, headers);
    let fault = hub.script().at(ask.now_ms, |fault| match fault.kind {
        FaultKind::Rest(fault) => Some(fault),
        _ => None,
    });
    let (used, judgement) = hub.record().budget(hub.kind, ask.path).spend(hub.kind, ask.path, ask.now_ms);
    let enforced = hub.script().enforce_budget && judgement != Judgement::Fine;
    let mut reply = match fault {
        Some(RestFault::Hang) => None,
        Some(RestFault::OverBudget) => Some(over_budget(hub.kind, Judgement::Over, RETRY_AFTER_SECS)),
        Some(RestFault::Status { code, retry_after_secs }) => Some(plain(hub.kind, code, retry_after_secs)),
        None if enforced => {
            hub.record().violations.push(format!("{}: request over the budget at {}", ask.path, ask.now_ms));
            Some(over_budget(hub.kind, judgement, RETRY_AFTER_SECS))
        }
        None => Some(match hub.kind {
            VenueKind::Binance => binance::rest(&ask),
            VenueKind::Kraken => kraken::rest(&ask),
            VenueKind::Coinbase => coinbase::rest(&ask),
            VenueKind::Bybit => bybit::rest(&ask),
            VenueKind::Okx => okx::rest(&ask),
            VenueKind::Oanda => oanda::rest(&ask),
        }),
    };
    if let (Some(reply), VenueKind::Binance) = (&mut reply, hub.kind) {
        reply.headers.push(("X-MBX-USED-WEIGHT-1M", used.to_string()));
    }
    let (status, symbol, rows) = match &reply {
        Some(reply) => (reply.status, reply.symbol.clone(), reply.rows.clone()),
        None => (0, None, Vec::new()),
    };
    let path_and_query = path_and_query.to_owned();
    hub.record().asked(RestRequest { at_ms: ask.now_ms, path_and_query, symbol, status, rows });
    reply
}

/// Returns the venue's way to say that the budget is used up.
fn over_budget(kind: VenueKind, judgement: Judgement, secs: u32) -> Reply {
    let banned = judgement == Judgement::Banned;
    match kind {
        VenueKind::Binance => plain(kind, if banned { 418 } else { 429 }, Some(secs)),
        VenueKind::Kraken => Reply::new(200, r#"{"error":["EGeneral:Too many requests"]}"#),
        VenueKind::Bybit if banned => plain(kind, 403, None),
        VenueKind::Bybit => Reply::new(
            200,
            r#"{"retCode":10006,"retMsg":"Too many visits. Exceeded the API Rate Limit.","result":{},"retExtInfo":{},"time":0}"#,
        ),
        VenueKind::Okx => Reply::new(200, r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#),
        VenueKind::Coinbase | VenueKind::Oanda => plain(kind, 429, None),
    }
}

/// Returns a bare status with a body such as the venue has.
fn plain(kind: VenueKind, code: u16, retry_after_secs: Option<u32>) -> Reply {
    let body = match (kind, code) {
        (VenueKind::Binance, 418 | 429) => {
            r#"{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight per 1 MINUTE."}"#
        }
        (VenueKind::Oanda, _) => r#"{"errorMessage":"Request refused"}"#,
        (VenueKind::Coinbase, 429) => r#"{"error":"rate_limit_exceeded","message":"too many requests"}"#,
        _ => "<html><body>no</body></html>",
    };
    let mut reply = Reply::new(code, body);
    if let Some(secs) = retry_after_secs {
        reply.headers.push(("Retry-After", secs.to_string()));
    }
    reply
}
