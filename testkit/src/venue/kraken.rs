//! Kraken: `/0/public/OHLC` and `/0/public/Trades`, and the `ohlc` channel of WebSocket v2.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::bar::{Bar, SIZE_DECIMALS, bucket, fixed};
use super::feed::{Closes, Flow, Item};
use super::kind::VenueKind;
use super::rest::{Ask, Frame, Reply};
use super::talk::{Line, Talk};
use super::time::rfc3339;

/// There are only so many rows, the newest.
const ROWS_MAX: usize = 720;

const TRADES_MAX: i64 = 1_000;

/// How many candles a snapshot has.
const SNAPSHOT_ROWS: i64 = 10;

/// How many days back a page of trades is looked for at once.
const DAY_MS: i64 = 86_400_000;

fn error(text: &str) -> Reply {
    Reply::new(200, json!({ "error": [text] }).to_string())
}

/// Answers a REST request.
pub(crate) fn rest(ask: &Ask) -> Reply {
    let answer = match ask.path {
        "/0/public/OHLC" => ohlc(ask),
        "/0/public/Trades" => trades(ask),
        _ => return Reply::new(404, r#"{"error":["EGeneral:Unknown method"]}"#),
    };
    answer.unwrap_or_else(|error| error)
}

fn pair<'a>(ask: &'a Ask) -> Result<(String, &'a str), Reply> {
    let name = ask.text("pair").ok_or_else(|| error("EGeneral:Invalid arguments"))?;
    let symbol = ask.hub.by_rest(name).ok_or_else(|| error("EQuery:Unknown asset pair"))?;
    Ok((symbol, name))
}

/// Returns the name of a pair in an answer, which may be another than the one asked for.
fn key(name: &str) -> String {
    match name.strip_prefix("XBT") {
        Some("USD") => "XXBTZUSD".to_owned(),
        _ => name.to_owned(),
    }
}

fn ohlc(ask: &Ask) -> Result<Reply, Reply> {
    let (symbol, name) = pair(ask)?;
    let arguments = || error("EGeneral:Invalid arguments");
    let interval = ask.text("interval").unwrap_or("1");
    let timeframe_ms = VenueKind::Kraken.timeframe_ms(interval).ok_or_else(arguments)?;
    let since_secs = ask.number("since").map_err(|()| arguments())?.unwrap_or(0);
    let mut bars = ask.newest(&symbol, Frame::utc(timeframe_ms), i64::MIN, i64::MAX, ROWS_MAX);
    let last = bars.iter().rev().nth(1).map_or(0, |bar| bar.open_time_ms / 1_000);
    // The running row is always there.
    let newest_ms = bars.last().map(|bar| bar.open_time_ms);
    bars.retain(|bar| bar.open_time_ms / 1_000 > since_secs || Some(bar.open_time_ms) == newest_ms);
    let row = |bar: &Bar| {
        json!([
            bar.open_time_ms / 1_000,
            ask.price(bar.open),
            ask.price(bar.high),
            ask.price(bar.low),
            ask.price(bar.close),
            vwap(bar, ask.hub.market.price_decimals()),
            ask.volume(bar),
            bar.count
        ])
    };
    let rows: Vec<Value> = bars.iter().map(row).collect();
    let body = json!({ "error": [], "result": { key(name): rows, "last": last } });
    Ok(Reply::rows(&symbol, &bars, body.to_string()))
}

/// Writes the mean price by volume.
fn vwap(bar: &Bar, decimals: u32) -> String {
    if bar.volume == 0 {
        return "0.0".to_owned();
    }
    let volume = i128::from(bar.volume);
    fixed((bar.turnover + volume / 2) / volume, decimals)
}

fn trades(ask: &Ask) -> Result<Reply, Reply> {
    let (symbol, name) = pair(ask)?;
    let arguments = || error("EGeneral:Invalid arguments");
    let count = ask.number("count").map_err(|()| arguments())?.unwrap_or(TRADES_MAX);
    if !(1..=TRADES_MAX).contains(&count) {
        return Err(arguments());
    }
    let count = usize::try_from(count).unwrap_or(0);
    let since_ns = ask.number("since").map_err(|()| arguments())?;
    let market = &ask.hub.market;
    let mut page = Vec::new();
    // Without a cursor, the newest trades; the cursor itself is excluded.
    let mut from_ms = since_ns.map_or(ask.now_ms - DAY_MS, |ns| ns / 1_000_000).max(market.listed_ms());
    while page.len() < count && from_ms <= ask.now_ms {
        let to_ms = (from_ms + DAY_MS).min(ask.now_ms + 1);
        page.extend(market.trades(&symbol, from_ms, to_ms));
        page.retain(|trade| since_ns.is_none_or(|ns| cursor(trade.time_ms, trade.id) > ns));
        from_ms = to_ms;
    }
    if since_ns.is_none() {
        page.drain(..page.len().saturating_sub(count));
    }
    page.truncate(count);
    let last = page.last().map_or(since_ns.unwrap_or(0), |trade| cursor(trade.time_ms, trade.id));
    let mut rows = String::new();
    for trade in &page {
        let comma = if rows.is_empty() { "" } else { "," };
        let time = fixed(i128::from(cursor(trade.time_ms, trade.id) / 100), 7);
        let taker = if trade.taker_buys { "b" } else { "s" };
        let (price, size) = (ask.price(trade.price), fixed(i128::from(trade.size), SIZE_DECIMALS));
        write!(rows, r#"{comma}["{price}","{size}",{time},"{taker}","l","",{}]"#, trade.id).ok();
    }
    let body = format!(r#"{{"error":[],"result":{{"{}":[{rows}],"last":"{last}"}}}}"#, key(name));
    let mut reply = Reply::new(200, body);
    reply.symbol = Some(symbol);
    Ok(reply)
}

/// Returns the time of a trade in nanoseconds, made unique by its place in its minute.
fn cursor(time_ms: i64, id: i64) -> i64 {
    time_ms * 1_000_000 + id.rem_euclid(8) * 100
}

/// A connection to WebSocket v2.
#[derive(Default)]
pub(crate) struct Channels {
    price_decimals: u32,
    beats: bool,
}

impl Channels {
    fn subscribe(&mut self, line: &mut Line, request: &Value) {
        let params = &request["params"];
        let minutes = params["interval"].as_i64().unwrap_or(1);
        let timeframe_ms = VenueKind::Kraken.timeframe_ms(&minutes.to_string());
        let snapshot = params["snapshot"].as_bool().unwrap_or(true);
        let names = params["symbol"].as_array().cloned().unwrap_or_default();
        if params["channel"] != "ohlc" {
            return refuse(line, request, &format!("Unsupported channel {}", params["channel"]));
        }
        let Some(timeframe_ms) = timeframe_ms else { return refuse(line, request, "Unsupported ohlc interval") };
        self.beats = true;
        for name in names.iter().filter_map(Value::as_str) {
            let Some(symbol) = line.hub.by_feed(name) else {
                refuse(line, request, &format!("Currency pair not supported {name}"));
                continue;
            };
            let flow = Flow::Candles { timeframe_ms, update_ms: 0, closes: Closes::None };
            let sub = line.subscribe(&symbol, &format!("ohlc-{minutes}"), flow);
            let now = rfc3339(line.now_ms);
            let mut ack = json!({
                "method": "subscribe",
                "result": {
                    "channel": "ohlc", "interval": minutes, "snapshot": snapshot, "symbol": name,
                    "warnings": ["timestamp is deprecated, use interval_begin"]
                },
                "success": true, "time_in": now, "time_out": now
            });
            if let Some(id) = request.get("req_id") {
                ack["req_id"] = id.clone();
            }
            line.replies.push(ack.to_string());
            if snapshot {
                let open_ms = bucket(line.now_ms, timeframe_ms, 0);
                let from_ms = open_ms - (SNAPSHOT_ROWS - 1) * timeframe_ms;
                let bars = line.hub.market.bars(&symbol, timeframe_ms, from_ms, open_ms + 1, line.now_ms + 1);
                let candles: Vec<String> =
                    bars.into_iter().map(|bar| self.candle(&Item::candle(&line.hub, &sub, bar, line.now_ms))).collect();
                line.snapshots.push(message("snapshot", line.now_ms, &candles.join(",")));
            }
        }
    }

    /// Writes a candle, with numbers as JSON numbers with all their decimals.
    fn candle(&self, item: &Item) -> String {
        let number = |text: &str| {
            let is_number = serde_json::from_str::<f64>(text).is_ok();
            if is_number { text.to_owned() } else { format!("\"{text}\"") }
        };
        let [open, high, low, close, volume] =
            [&item.open, &item.high, &item.low, &item.close, &item.volume].map(|text| number(text));
        let (begin, end) = (rfc3339(item.open_time_ms), rfc3339(item.open_time_ms + item.timeframe_ms));
        format!(
            r#"{{"symbol":"{}","open":{open},"high":{high},"low":{low},"close":{close},"trades":{},"volume":{volume},"vwap":{},"interval_begin":"{begin}","interval":{},"timestamp":"{end}"}}"#,
            item.wire,
            item.bar.count,
            vwap(&item.bar, self.price_decimals),
            item.timeframe_ms / 60_000,
        )
    }
}

fn message(kind: &str, now_ms: i64, candles: &str) -> String {
    let now = rfc3339(now_ms);
    format!(r#"{{"channel":"ohlc","type":"{kind}","timestamp":"{now}","data":[{candles}]}}"#)
}

fn refuse(line: &mut Line, request: &Value, error: &str) {
    let now = rfc3339(line.now_ms);
    let id = request["req_id"].as_i64().unwrap_or(0);
    let method = request["method"].as_str().unwrap_or("subscribe");
    let refusal = json!({
        "error": error, "method": method, "req_id": id, "success": false, "time_in": now, "time_out": now
    });
    line.replies.push(refusal.to_string());
}

impl Talk for Channels {
    fn opened(&mut self, line: &mut Line) {
        self.price_decimals = line.hub.market.price_decimals();
        let status = json!({ "channel": "status", "type": "update", "data": [{
            "api_version": "v2", "connection_id": 12_393_906_104_898_154_338_u64, "system": "online", "version": "2.0.4"
        }] });
        line.replies.push(status.to_string());
    }

    fn heard(&mut self, line: &mut Line, text: &str) {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        match request["method"].as_str() {
            Some("ping") => {
                let now = rfc3339(line.now_ms);
                let mut pong = json!({ "method": "pong", "time_in": now, "time_out": now });
                if let Some(id) = request.get("req_id") {
                    pong["req_id"] = id.clone();
                }
                line.replies.push(pong.to_string());
            }
            Some("subscribe") => self.subscribe(line, &request),
            Some("unsubscribe") => {
                let params = &request["params"];
                let channel = format!("ohlc-{}", params["interval"].as_i64().unwrap_or(1));
                let names = params["symbol"].as_array().cloned().unwrap_or_default();
                for name in names.iter().filter_map(Value::as_str) {
                    if let Some(symbol) = line.hub.by_feed(name) {
                        line.unsubscribe(&symbol, &channel);
                    }
                    let result = json!({ "channel": "ohlc", "symbol": name });
                    let done = json!({ "method": "unsubscribe", "result": result, "success": true });
                    line.replies.push(done.to_string());
                }
            }
            _ => refuse(line, &request, "Unsupported event"),
        }
    }

    fn encode(&mut self, item: &Item, now_ms: i64) -> String {
        message("update", now_ms, &self.candle(item))
    }

    fn heartbeat(&mut self, line: &Line) -> Option<String> {
        let idle = line.now_ms - line.sent_ms >= 1_000;
        (self.beats && idle).then(|| r#"{"channel":"heartbeat"}"#.to_owned())
    }
}
