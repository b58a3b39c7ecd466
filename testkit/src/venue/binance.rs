//! Binance spot: `/api/v3/klines`, and kline streams by URL or `SUBSCRIBE`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::bar::{Bar, fixed};
use super::feed::{Closes, Flow, Item, Sub};
use super::hub::Hub;
use super::kind::VenueKind;
use super::rest::{Ask, Frame, Reply};
use super::talk::{Line, Talk};

const ROWS_DEFAULT: i64 = 500;
const ROWS_MAX: i64 = 1_000;

/// At most so many streams per connection.
const STREAMS_MAX: usize = 1_024;

/// Decimals of a price times a size as Binance writes it.
const DECIMALS: u32 = 8;

fn error(code: i32, msg: &str) -> Reply {
    Reply::new(400, json!({ "code": code, "msg": msg }).to_string())
}

fn mandatory(name: &str) -> Reply {
    error(-1102, &format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."))
}

/// Answers a REST request.
pub(crate) fn rest(ask: &Ask) -> Reply {
    if ask.path != "/api/v3/klines" {
        return Reply::new(404, "<html>404</html>");
    }
    klines(ask).unwrap_or_else(|error| error)
}

fn klines(ask: &Ask) -> Result<Reply, Reply> {
    let name = ask.text("symbol").ok_or_else(|| mandatory("symbol"))?;
    let interval = ask.text("interval").ok_or_else(|| mandatory("interval"))?;
    let symbol = ask.hub.by_rest(name).ok_or_else(|| error(-1121, "Invalid symbol."))?;
    let timeframe_ms = VenueKind::Binance.timeframe_ms(interval).ok_or_else(|| error(-1120, "Invalid interval."))?;
    let number = |name: &str| {
        ask.number(name).map_err(|()| error(-1100, &format!("Illegal characters found in parameter '{name}'.")))
    };
    let limit = number("limit")?.unwrap_or(ROWS_DEFAULT);
    if limit < 1 {
        return Err(error(-1130, "Data sent for parameter 'limit' is not valid."));
    }
    let count = usize::try_from(limit.min(ROWS_MAX)).unwrap_or(0);
    let before_ms = number("endTime")?.map_or(i64::MAX, |end_ms| end_ms.saturating_add(1));
    let frame = Frame::utc(timeframe_ms);
    let bars = match number("startTime")? {
        Some(start_ms) => ask.oldest(&symbol, frame, start_ms, before_ms, count),
        None => ask.newest(&symbol, frame, i64::MIN, before_ms, count),
    };
    let rows: Vec<Value> = bars.iter().map(|bar| row(ask, bar)).collect();
    Ok(Reply::rows(&symbol, &bars, json!(rows).to_string()))
}

fn row(ask: &Ask, bar: &Bar) -> Value {
    let [quote, taker_quote] =
        [bar.turnover, bar.taker_turnover].map(|sum| amount(sum, ask.hub.market.price_decimals()));
    json!([
        bar.open_time_ms,
        ask.price(bar.open),
        ask.price(bar.high),
        ask.price(bar.low),
        ask.price(bar.close),
        ask.volume(bar),
        bar.end_ms() - 1,
        quote,
        bar.count,
        fixed(i128::from(bar.taker_volume), DECIMALS),
        taker_quote,
        "0"
    ])
}

/// Writes a sum of prices times sizes, cut off after the eighth decimal.
fn amount(sum: i128, price_decimals: u32) -> String {
    fixed(sum / 10_i128.pow(price_decimals), DECIMALS)
}

/// A connection to a stream URL.
pub(crate) struct Streams {
    names: Vec<String>,
    wrapped: bool,
    price_decimals: u32,
}

impl Streams {
    /// Returns the protocol for a URL, `None` for a wrong one.
    pub(crate) fn at(hub: &Hub, path_and_query: &str) -> Option<Self> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let (names, wrapped) = match path.trim_start_matches('/') {
            "ws" => ("", false),
            "stream" => (query.strip_prefix("streams=").unwrap_or(""), true),
            path => (path.strip_prefix("ws/")?, false),
        };
        let names = names.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        Some(Self { names, wrapped, price_decimals: hub.market.price_decimals() })
    }

    /// Subscribes to a stream. Binance takes any name, and sends nothing for one that it doesn't know.
    fn join(line: &mut Line, name: &str) {
        let Some((symbol, channel)) = name.split_once('@') else { return };
        let known = line
            .hub
            .market
            .symbols()
            .iter()
            .find(|canonical| VenueKind::Binance.feed_symbol(canonical).to_lowercase() == symbol);
        let timeframe_ms = channel.strip_prefix("kline_").and_then(|name| VenueKind::Binance.timeframe_ms(name));
        let (Some(canonical), Some(timeframe_ms)) = (known.cloned(), timeframe_ms) else { return };
        let update_ms = if timeframe_ms == 1_000 { 1_000 } else { 2_000 };
        line.subscribe(&canonical, channel, Flow::Candles { timeframe_ms, update_ms, closes: Closes::Traded });
    }

    fn leave(line: &mut Line, name: &str) {
        let found = line.subs.iter().find(|sub| format!("{}@{}", sub.wire.to_lowercase(), sub.channel) == name);
        if let Some(sub) = found.cloned() {
            line.unsubscribe(&sub.symbol, &sub.channel);
        }
    }
}

impl Talk for Streams {
    fn opened(&mut self, line: &mut Line) {
        for name in self.names.iter().take(STREAMS_MAX) {
            Self::join(line, name);
        }
    }

    fn heard(&mut self, line: &mut Line, text: &str) {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let params = request["params"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = params.iter().filter_map(Value::as_str).collect();
        let result = match request["method"].as_str() {
            Some("SUBSCRIBE") if line.subs.len() + names.len() <= STREAMS_MAX => {
                for name in names {
                    Self::join(line, name);
                }
                Some(Value::Null)
            }
            Some("UNSUBSCRIBE") => {
                for name in names {
                    Self::leave(line, name);
                }
                Some(Value::Null)
            }
            Some("LIST_SUBSCRIPTIONS") => {
                let name = |sub: &Arc<Sub>| format!("{}@{}", sub.wire.to_lowercase(), sub.channel);
                Some(line.subs.iter().map(name).collect())
            }
            _ => None,
        };
        let reply = match result {
            Some(result) => json!({ "result": result, "id": request["id"] }),
            None => json!({ "error": { "code": 2, "msg": "Invalid request" }, "id": request["id"] }),
        };
        line.replies.push(reply.to_string());
    }

    fn encode(&mut self, item: &Item, now_ms: i64) -> String {
        let [quote, taker_quote] =
            [item.bar.turnover, item.bar.taker_turnover].map(|sum| amount(sum, self.price_decimals));
        let interval = item.sub.channel.trim_start_matches("kline_");
        let data = json!({
            "e": "kline", "E": now_ms, "s": item.wire,
            "k": {
                "t": item.open_time_ms, "T": item.open_time_ms + item.timeframe_ms - 1, "s": item.wire, "i": interval,
                "f": item.bar.first_id, "L": item.bar.last_id,
                "o": item.open, "c": item.close, "h": item.high, "l": item.low, "v": item.volume,
                "n": item.bar.count, "x": item.closing, "q": quote,
                "V": fixed(i128::from(item.bar.taker_volume), DECIMALS), "Q": taker_quote, "B": "0"
            }
        });
        if !self.wrapped {
            return data.to_string();
        }
        let stream = format!("{}@{}", item.wire.to_lowercase(), item.sub.channel);
        json!({ "stream": stream, "data": data }).to_string()
    }
}
