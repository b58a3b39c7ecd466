//! OKX v5 spot: `candles` and `history-candles`, and the candle channels of `/ws/v5/business`.

use serde_json::{Value, json};

use super::bar::{Bar, SIZE_DECIMALS, bucket, trimmed};
use super::feed::{Closes, Flow, Item};
use super::kind::VenueKind;
use super::rest::{Ask, Frame, Reply};
use super::talk::{Line, Talk};

const ROWS_DEFAULT: i64 = 100;
const ROWS_MAX: i64 = 300;

/// `candles` reaches back so many rows.
const NEWEST_ROWS: i64 = 1_440;

/// Bars of six hours and more start by this much earlier, unless they are called `utc`.
const HONG_KONG_MS: i64 = 8 * 3_600_000;

/// Time between two updates.
const UPDATE_MS: i64 = 1_000;

/// All arguments of a request have at most so many bytes.
const ARGS_MAX_BYTES: usize = 64 << 10;

fn failure(code: &str, msg: &str) -> Reply {
    Reply::new(200, json!({ "code": code, "msg": msg, "data": [] }).to_string())
}

/// Answers a REST request.
pub(crate) fn rest(ask: &Ask) -> Reply {
    let answer = match ask.path {
        "/api/v5/market/candles" => candles(ask, false),
        "/api/v5/market/history-candles" => candles(ask, true),
        _ => return Reply::new(404, r#"{"code":"404","data":[],"msg":"Not Found"}"#),
    };
    answer.unwrap_or_else(|failure| failure)
}

/// Returns the timeframe of a bar by its name.
fn frame(bar: &str) -> Option<Frame> {
    if let Some(timeframe_ms) = VenueKind::Okx.timeframe_ms(bar) {
        return Some(Frame::utc(timeframe_ms));
    }
    let timeframe_ms = VenueKind::Okx.timeframe_ms(&format!("{bar}utc"))?;
    Some(Frame { timeframe_ms, offset_ms: -HONG_KONG_MS })
}

fn candles(ask: &Ask, history: bool) -> Result<Reply, Reply> {
    let name = ask.text("instId").ok_or_else(|| failure("50014", "Parameter instId can not be empty."))?;
    let unknown = || failure("51001", "Instrument ID does not exist.");
    let symbol = ask.hub.by_rest(name).ok_or_else(unknown)?;
    let parameter = |name: &str| failure("51000", &format!("Parameter {name} error"));
    let frame = frame(ask.text("bar").unwrap_or("1m")).ok_or_else(|| parameter("bar"))?;
    let number = |name: &str| ask.number(name).map_err(|()| parameter(name));
    let limit = number("limit")?.unwrap_or(ROWS_DEFAULT);
    if limit < 1 {
        return Err(parameter("limit"));
    }
    let count = usize::try_from(limit.min(ROWS_MAX)).unwrap_or(0);
    let Frame { timeframe_ms, offset_ms } = frame;
    let reach_ms =
        if history { i64::MIN } else { bucket(ask.now_ms, timeframe_ms, offset_ms) - (NEWEST_ROWS - 1) * timeframe_ms };
    // The names read backwards: rows before `after`, and after `before`; both are excluded.
    let before_ms = number("after")?.unwrap_or(i64::MAX);
    let from_ms = number("before")?.map_or(i64::MIN, |ms| ms.saturating_add(1)).max(reach_ms);
    let mut bars = ask.newest(&symbol, frame, from_ms, before_ms, count);
    bars.reverse();
    let row = |bar: &Bar| {
        let quote = trimmed(bar.turnover, ask.hub.market.price_decimals() + SIZE_DECIMALS);
        json!([
            bar.open_time_ms.to_string(),
            ask.price(bar.open),
            ask.price(bar.high),
            ask.price(bar.low),
            ask.price(bar.close),
            ask.volume(bar),
            quote,
            quote,
            if ask.closed(bar) { "1" } else { "0" }
        ])
    };
    let rows: Vec<Value> = bars.iter().map(row).collect();
    Ok(Reply::rows(&symbol, &bars, json!({ "code": "0", "msg": "", "data": rows }).to_string()))
}

/// A connection to the channels.
pub(crate) struct Channels {
    business: bool,
    price_decimals: u32,
}

impl Channels {
    /// Returns the protocol for a path, `None` for a wrong one.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            "/ws/v5/business" => Some(Self { business: true, price_decimals: 0 }),
            "/ws/v5/public" => Some(Self { business: false, price_decimals: 0 }),
            _ => None,
        }
    }

    fn change(&self, line: &mut Line, arg: &Value, subscribe: bool) -> bool {
        let (channel, name) = (arg["channel"].as_str().unwrap_or(""), arg["instId"].as_str().unwrap_or(""));
        // Candles that don't start with UTC's are not fed here.
        let timeframe_ms = channel.strip_prefix("candle").and_then(|bar| VenueKind::Okx.timeframe_ms(bar));
        let (Some(timeframe_ms), Some(symbol), true) = (timeframe_ms, line.hub.by_feed(name), self.business) else {
            return false;
        };
        if subscribe {
            let flow = Flow::Candles { timeframe_ms, update_ms: UPDATE_MS, closes: Closes::All };
            line.subscribe(&symbol, channel, flow);
        } else {
            line.unsubscribe(&symbol, channel);
        }
        true
    }
}

fn connection(line: &Line) -> String {
    format!("mock{:04}", line.id)
}

fn refuse(line: &mut Line, code: &str, msg: &str) {
    let refusal = json!({ "event": "error", "code": code, "msg": msg, "connId": connection(line) });
    line.replies.push(refusal.to_string());
}

impl Talk for Channels {
    fn opened(&mut self, line: &mut Line) {
        self.price_decimals = line.hub.market.price_decimals();
    }

    fn heard(&mut self, line: &mut Line, text: &str) {
        if text == "ping" {
            return line.replies.push("pong".to_owned());
        }
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let op = request["op"].as_str().unwrap_or_default();
        let args = request["args"].as_array().cloned().unwrap_or_default();
        if !["subscribe", "unsubscribe"].contains(&op) || args.is_empty() || text.len() > ARGS_MAX_BYTES {
            return refuse(line, "60012", &format!("Invalid request: {text}"));
        }
        for arg in args {
            if self.change(line, &arg, op == "subscribe") {
                let mut ack = json!({ "event": op, "arg": arg, "connId": connection(line) });
                if let Some(id) = request.get("id") {
                    ack["id"] = id.clone();
                }
                line.replies.push(ack.to_string());
            } else {
                refuse(line, "60018", &format!("Wrong URL or {arg} doesn't exist."));
            }
        }
    }

    fn encode(&mut self, item: &Item, _now_ms: i64) -> String {
        let quote = trimmed(item.bar.turnover, self.price_decimals + SIZE_DECIMALS);
        let confirm = if item.closing { "1" } else { "0" };
        json!({
            "arg": { "channel": item.sub.channel, "instId": item.wire },
            "data": [[
                item.open_time_ms.to_string(), item.open, item.high, item.low, item.close, item.volume, quote, quote,
                confirm
            ]]
        })
        .to_string()
    }
}
