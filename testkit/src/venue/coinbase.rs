//! Coinbase Advanced Trade: public candles, and the channels `heartbeats`, `candles` and `market_trades`.

use serde_json::{Value, json};

use super::bar::{Bar, bucket};
use super::feed::{Closes, Flow, Item};
use super::kind::VenueKind;
use super::rest::{Ask, Reply};
use super::talk::{Line, Talk};
use super::time::rfc3339_micros;

const ROWS_MAX: i64 = 350;

/// The one timeframe of the `candles` channel.
const CHANNEL_TIMEFRAME_MS: i64 = 300_000;

/// How many candles, and minutes of trades, a snapshot has.
const SNAPSHOT_ROWS: i64 = 10;

/// Stands in a message for the number that it gets when it is sent.
const NUMBER: &str = "\"@NUMBER@\"";

fn error(details: &str) -> Reply {
    let body = json!({ "error": "INVALID_ARGUMENT", "error_details": details, "message": details });
    Reply::new(400, body.to_string())
}

/// Answers a REST request.
pub(crate) fn rest(ask: &Ask) -> Reply {
    let path = ask.path.strip_prefix("/api/v3/brokerage/market/products/");
    match path.and_then(|path| path.strip_suffix("/candles")) {
        Some(product) => candles(ask, product).unwrap_or_else(|error| error),
        None => Reply::new(404, r#"{"error":"NOT_FOUND","message":"route not found"}"#),
    }
}

fn candles(ask: &Ask, product: &str) -> Result<Reply, Reply> {
    let Some(symbol) = ask.hub.by_rest(product) else {
        let body = json!({ "error": "NOT_FOUND", "error_details": "valid product_id is required",
            "message": "valid product_id is required" });
        return Err(Reply::new(404, body.to_string()));
    };
    let secs = |name: &str| {
        let number = ask.number(name).ok().flatten();
        number.ok_or_else(|| error(&format!("valid {name} is required")))
    };
    let (start_secs, end_secs) = (secs("start")?, secs("end")?);
    let granularity = ask.text("granularity").and_then(|name| VenueKind::Coinbase.timeframe_ms(name));
    let timeframe_ms = granularity.ok_or_else(|| error("valid granularity is required"))?;
    if end_secs < start_secs {
        return Err(error("start must be before end"));
    }
    let from_ms = bucket(start_secs * 1_000 + timeframe_ms - 1, timeframe_ms, 0);
    let to_ms = bucket(end_secs * 1_000, timeframe_ms, 0) + timeframe_ms;
    if (to_ms - from_ms) / timeframe_ms > ROWS_MAX {
        return Err(error("number of candles requested should be less than 350"));
    }
    let mut bars = ask.range(&symbol, timeframe_ms, from_ms, to_ms);
    bars.reverse();
    if let Some(limit) = ask.number("limit").map_err(|()| error("valid limit is required"))? {
        if !(1..=ROWS_MAX).contains(&limit) {
            return Err(error("valid limit is required"));
        }
        bars.truncate(usize::try_from(limit).unwrap_or(0));
    }
    let row = |bar: &Bar| {
        json!({
            "start": (bar.open_time_ms / 1_000).to_string(),
            "low": ask.price(bar.low), "high": ask.price(bar.high),
            "open": ask.price(bar.open), "close": ask.price(bar.close), "volume": ask.volume(bar)
        })
    };
    let rows: Vec<Value> = bars.iter().map(row).collect();
    Ok(Reply::rows(&symbol, &bars, json!({ "candles": rows }).to_string()))
}

/// A connection to the market data feed.
#[derive(Default)]
pub(crate) struct Channels {
    sequence: u64,
    heartbeats: u64,
}

fn message(channel: &str, now_ms: i64, events: &Value) -> String {
    format!(
        r#"{{"channel":"{channel}","client_id":"","timestamp":"{}","sequence_num":{NUMBER},"events":{events}}}"#,
        rfc3339_micros(now_ms)
    )
}

fn body(item: &Item) -> Value {
    match item.sub.flow {
        Flow::Candles { .. } => json!({
            "start": (item.open_time_ms / 1_000).to_string(), "high": item.high, "low": item.low, "open": item.open,
            "close": item.close, "volume": item.volume, "product_id": item.wire
        }),
        Flow::Trades | Flow::Quotes => json!({
            "trade_id": item.bar.first_id.to_string(), "product_id": item.wire, "price": item.close,
            "size": item.volume, "side": if item.taker_buys { "BUY" } else { "SELL" },
            "time": rfc3339_micros(item.open_time_ms)
        }),
    }
}

fn event(kind: &str, flow: Flow, bodies: &[Value]) -> Value {
    let list = if flow == Flow::Trades { "trades" } else { "candles" };
    json!([{ "type": kind, list: bodies }])
}

impl Channels {
    fn subscribe(line: &mut Line, channel: &str, products: &[String]) {
        let flow = match channel {
            "candles" => Flow::Candles { timeframe_ms: CHANNEL_TIMEFRAME_MS, update_ms: 1_000, closes: Closes::None },
            _ => Flow::Trades,
        };
        Self::acknowledge(line, channel, products);
        let mut bodies = Vec::new();
        for symbol in products {
            let sub = line.subscribe(symbol, channel, flow);
            let now_ms = line.now_ms;
            let market = &line.hub.market;
            if flow == Flow::Trades {
                let trades = market.trades(symbol, now_ms - SNAPSHOT_ROWS * 60_000, now_ms);
                // Newest first.
                bodies.extend(trades.iter().rev().map(|trade| body(&Item::trade(&line.hub, &sub, trade, now_ms))));
            } else {
                let open_ms = bucket(now_ms, CHANNEL_TIMEFRAME_MS, 0);
                let from_ms = open_ms - (SNAPSHOT_ROWS - 1) * CHANNEL_TIMEFRAME_MS;
                let bars = market.bars(symbol, CHANNEL_TIMEFRAME_MS, from_ms, open_ms + 1, now_ms);
                let traded = bars.into_iter().rev().filter(|bar| bar.count > 0);
                bodies.extend(traded.map(|bar| body(&Item::candle(&line.hub, &sub, bar, now_ms))));
            }
        }
        line.snapshots.push(message(channel, line.now_ms, &event("snapshot", flow, &bodies)));
    }

    fn acknowledge(line: &mut Line, channel: &str, products: &[String]) {
        let mut all = serde_json::Map::new();
        for sub in &line.subs {
            let list = all.entry(sub.channel.clone()).or_insert_with(|| json!([]));
            list.as_array_mut().into_iter().for_each(|list| list.push(json!(sub.wire)));
        }
        let list = if channel == "heartbeats" { json!(["heartbeats"]) } else { json!(products) };
        all.insert(channel.to_owned(), list);
        line.replies.push(message("subscriptions", line.now_ms, &json!([{ "subscriptions": all }])));
    }
}

fn refuse(line: &mut Line, text: &str) {
    line.replies.push(json!({ "type": "error", "message": text }).to_string());
}

impl Talk for Channels {
    fn heard(&mut self, line: &mut Line, text: &str) {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let channel = request["channel"].as_str().unwrap_or_default().to_owned();
        let names = request["product_ids"].as_array().cloned().unwrap_or_default();
        let known: Option<Vec<String>> =
            names.iter().map(|name| line.hub.by_feed(name.as_str().unwrap_or_default())).collect();
        let Some(products) = known else { return refuse(line, "failed to subscribe: unknown product_id") };
        match (request["type"].as_str(), channel.as_str()) {
            (Some("subscribe"), "heartbeats") => {
                line.heartbeats = true;
                Self::acknowledge(line, &channel, &[]);
            }
            (Some("subscribe"), "candles" | "market_trades") if !products.is_empty() => {
                Self::subscribe(line, &channel, &products);
            }
            (Some("unsubscribe"), "heartbeats") => line.heartbeats = false,
            (Some("unsubscribe"), "candles" | "market_trades") => {
                for symbol in &products {
                    line.unsubscribe(symbol, &channel);
                }
            }
            _ => refuse(line, "failed to subscribe: unknown type, channel, or no product_ids"),
        }
    }

    fn encode(&mut self, item: &Item, now_ms: i64) -> String {
        message(&item.sub.channel, now_ms, &event("update", item.sub.flow, &[body(item)]))
    }

    fn stamp(&mut self, text: &str) -> String {
        if !text.contains(NUMBER) {
            return text.to_owned();
        }
        let stamped = text.replace(NUMBER, &self.sequence.to_string());
        self.sequence += 1;
        stamped
    }

    fn heartbeat(&mut self, line: &Line) -> Option<String> {
        if !line.heartbeats {
            return None;
        }
        self.heartbeats += 1;
        let beat = json!([{ "current_time": rfc3339_micros(line.now_ms), "heartbeat_counter": self.heartbeats }]);
        Some(message("heartbeats", line.now_ms, &beat))
    }

    fn leave_out(&mut self) {
        self.sequence += 1;
    }
}
