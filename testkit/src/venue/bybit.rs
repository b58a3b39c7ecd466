//! Bybit v5 spot: `/v5/market/kline`, and kline topics.

use serde_json::{Value, json};

use super::bar::{Bar, SIZE_DECIMALS, bucket, trimmed};
use super::feed::{Closes, Flow, Item};
use super::kind::VenueKind;
use super::rest::{Ask, Frame, Reply};
use super::talk::{Line, Talk};

const ROWS_DEFAULT: i64 = 200;
const ROWS_MAX: i64 = 1_000;

/// At most so many topics in a request.
const ARGS_MAX: usize = 10;

/// Topics of a connection together have at most so many characters.
const TOPICS_MAX_CHARS: usize = 21_000;

/// Time between two updates.
const UPDATE_MS: i64 = 1_000;

/// The name of every connection.
const CONN_ID: &str = "cejreaspqfm9se7usbrg-2xh";

fn failure(ask: &Ask, code: i32, msg: &str) -> Reply {
    let body = json!({ "retCode": code, "retMsg": msg, "result": {}, "retExtInfo": {}, "time": ask.now_ms });
    Reply::new(200, body.to_string())
}

/// Answers a REST request.
pub(crate) fn rest(ask: &Ask) -> Reply {
    if ask.path != "/v5/market/kline" {
        return Reply::new(404, "");
    }
    kline(ask).unwrap_or_else(|failure| failure)
}

fn kline(ask: &Ask) -> Result<Reply, Reply> {
    let parameter = |msg: &str| failure(ask, 10001, msg);
    let category = ask.text("category").unwrap_or("linear");
    let name = ask.text("symbol").ok_or_else(|| parameter("params error: Symbol Is Required"))?;
    let interval = ask.text("interval").ok_or_else(|| parameter("params error: Interval Is Required"))?;
    if !["spot", "linear", "inverse"].contains(&category) {
        return Err(parameter("params error: Category is invalid"));
    }
    // Only spot is listed here.
    let symbol = ask.hub.by_rest(name).filter(|_| category == "spot");
    let symbol = symbol.ok_or_else(|| parameter("Not supported symbols"))?;
    let timeframe_ms = VenueKind::Bybit.timeframe_ms(interval).ok_or_else(|| parameter("Invalid period!"))?;
    let number = |name: &str| ask.number(name).map_err(|()| parameter(&format!("params error: {name}")));
    let limit = number("limit")?.unwrap_or(ROWS_DEFAULT);
    if limit < 1 {
        return Err(parameter("params error: limit"));
    }
    let count = usize::try_from(limit.min(ROWS_MAX)).unwrap_or(0);
    let frame = Frame::utc(timeframe_ms);
    let before_ms = number("end")?.map_or(i64::MAX, |end_ms| end_ms.saturating_add(1));
    let bars = match number("start")? {
        // The candle that contains the start is there too.
        Some(start_ms) => {
            let from_ms = bucket(start_ms, timeframe_ms, 0);
            if before_ms == i64::MAX {
                ask.oldest(&symbol, frame, from_ms, before_ms, count)
            } else {
                ask.newest(&symbol, frame, from_ms, before_ms, count)
            }
        }
        None => ask.newest(&symbol, frame, i64::MIN, before_ms, count),
    };
    let bars: Vec<Bar> = bars.into_iter().rev().collect();
    let row = |bar: &Bar| {
        json!([
            bar.open_time_ms.to_string(),
            ask.price(bar.open),
            ask.price(bar.high),
            ask.price(bar.low),
            ask.price(bar.close),
            ask.volume(bar),
            trimmed(bar.turnover, ask.hub.market.price_decimals() + SIZE_DECIMALS)
        ])
    };
    let rows: Vec<Value> = bars.iter().map(row).collect();
    let body = json!({
        "retCode": 0, "retMsg": "OK", "result": { "symbol": name, "category": category, "list": rows },
        "retExtInfo": {}, "time": ask.now_ms
    });
    Ok(Reply::rows(&symbol, &bars, body.to_string()))
}

/// A connection to the spot topics.
#[derive(Default)]
pub(crate) struct Topics {
    price_decimals: u32,
}

impl Topics {
    fn parse(line: &Line, topic: &str) -> Option<(String, String, i64)> {
        let (interval, name) = topic.strip_prefix("kline.")?.split_once('.')?;
        let timeframe_ms = VenueKind::Bybit.timeframe_ms(interval)?;
        Some((line.hub.by_feed(name)?, format!("kline.{interval}"), timeframe_ms))
    }

    fn change(line: &mut Line, topics: &[String], subscribe: bool) -> Result<(), String> {
        if topics.is_empty() || topics.len() > ARGS_MAX {
            return Err(format!("args size {} is not within 1 to {ARGS_MAX}", topics.len()));
        }
        let known = line.subs.iter().map(|sub| sub.channel.len() + sub.wire.len() + 1).sum::<usize>();
        if subscribe && known + topics.iter().map(String::len).sum::<usize>() > TOPICS_MAX_CHARS {
            return Err("args of this connection are too long".to_owned());
        }
        let parsed = |topic: &String| Self::parse(line, topic).ok_or_else(|| format!("Invalid topic: {topic}"));
        // One wrong topic refuses them all.
        let parsed = topics.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
        for (symbol, channel, timeframe_ms) in parsed {
            if subscribe {
                let flow = Flow::Candles { timeframe_ms, update_ms: UPDATE_MS, closes: Closes::All };
                line.subscribe(&symbol, &channel, flow);
            } else {
                line.unsubscribe(&symbol, &channel);
            }
        }
        Ok(())
    }
}

impl Talk for Topics {
    fn opened(&mut self, line: &mut Line) {
        self.price_decimals = line.hub.market.price_decimals();
    }

    fn heard(&mut self, line: &mut Line, text: &str) {
        let request: Value = serde_json::from_str(text).unwrap_or_default();
        let args = request["args"].as_array().cloned().unwrap_or_default();
        let topics: Vec<String> = args.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let op = request["op"].as_str().unwrap_or_default();
        let outcome = match op {
            "ping" => {
                line.pinged_ms = line.now_ms;
                Ok("pong")
            }
            "subscribe" | "unsubscribe" => Self::change(line, &topics, op == "subscribe").map(|()| ""),
            _ => Err("Invalid op".to_owned()),
        };
        let (success, ret_msg) = match outcome {
            Ok(msg) => (true, msg.to_owned()),
            Err(msg) => (false, msg),
        };
        let mut reply = json!({ "success": success, "ret_msg": ret_msg, "conn_id": CONN_ID, "op": op });
        if let Some(id) = request.get("req_id") {
            reply["req_id"] = id.clone();
        }
        line.replies.push(reply.to_string());
    }

    fn encode(&mut self, item: &Item, now_ms: i64) -> String {
        let interval = item.sub.channel.trim_start_matches("kline.");
        let candle = json!({
            "start": item.open_time_ms, "end": item.open_time_ms + item.timeframe_ms - 1, "interval": interval,
            "open": item.open, "close": item.close, "high": item.high, "low": item.low, "volume": item.volume,
            "turnover": trimmed(item.bar.turnover, self.price_decimals + SIZE_DECIMALS),
            "confirm": item.closing, "timestamp": now_ms
        });
        let topic = format!("{}.{}", item.sub.channel, item.wire);
        json!({ "topic": topic, "type": "snapshot", "ts": now_ms, "data": [candle] }).to_string()
    }
}
