//! OANDA v20: candles of instruments, and the chunked stream of prices.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bar::{Bar, bucket, fixed};
use super::feed::{Flow, Item};
use super::hub::Hub;
use super::kind::VenueKind;
use super::rest::{Ask, Frame, Reply};
use super::talk::{Line, Talk};
use super::time::{parse_ms, rfc3339};

/// The token that the mock takes.
pub const OANDA_TOKEN: &str = "mock-token";

const ROWS_DEFAULT: i64 = 500;
const ROWS_MAX: i64 = 5_000;

/// Granularities from here on are aligned to New York's afternoon, unless UTC is asked for.
const ALIGNED_FROM_MS: i64 = 2 * 3_600_000;

/// 17:00 in New York, in winter.
const NEW_YORK_MS: i64 = 22 * 3_600_000;

/// Bid and ask are so many units below and above the middle.
const HALF_SPREAD: i64 = 5;

fn error(status: u16, message: &str) -> Reply {
    Reply::new(status, json!({ "errorMessage": message }).to_string())
}

/// Returns a refusal unless the request bears the token.
pub(crate) fn authorize(authorization: Option<&String>) -> Result<(), Reply> {
    let bears = authorization.and_then(|value| value.strip_prefix("Bearer ")) == Some(OANDA_TOKEN);
    if bears { Ok(()) } else { Err(error(401, "Insufficient authorization to perform request.")) }
}

/// Answers a REST request.
pub(crate) fn rest(ask: &Ask) -> Reply {
    let path = ask.path.strip_prefix("/v3/instruments/").and_then(|path| path.strip_suffix("/candles"));
    let Some(instrument) = path else { return error(404, "Not found") };
    let answer = authorize(ask.headers.get("authorization")).and_then(|()| candles(ask, instrument));
    answer.unwrap_or_else(|error| error)
}

fn invalid(name: &str) -> Reply {
    error(400, &format!("Invalid value specified for '{name}'"))
}

fn frame(ask: &Ask) -> Result<Frame, Reply> {
    let granularity = ask.text("granularity").unwrap_or("S5");
    let timeframe_ms = VenueKind::Oanda.timeframe_ms(granularity).ok_or_else(|| invalid("granularity"))?;
    let utc = ask.text("dailyAlignment") == Some("0") && ask.text("alignmentTimezone") == Some("UTC");
    let offset_ms = if utc || timeframe_ms < ALIGNED_FROM_MS { 0 } else { NEW_YORK_MS % timeframe_ms };
    Ok(Frame { timeframe_ms, offset_ms })
}

fn candles(ask: &Ask, instrument: &str) -> Result<Reply, Reply> {
    let symbol = ask.hub.by_rest(instrument).ok_or_else(|| invalid("instrument"))?;
    let granularity = ask.text("granularity").unwrap_or("S5");
    let frame = frame(ask)?;
    let sides = ask.text("price").unwrap_or("M");
    if !sides.chars().all(|side| "MBA".contains(side)) {
        return Err(invalid("price"));
    }
    let moment = |name: &str| ask.text(name).map(|text| parse_ms(text).ok_or_else(|| invalid(name))).transpose();
    let (from_ms, to_ms) = (moment("from")?, moment("to")?);
    let count = ask.number("count").map_err(|()| invalid("count"))?;
    if from_ms.is_some() && to_ms.is_some() && count.is_some() {
        return Err(error(400, "'count' cannot be specified when both 'to' and 'from' are set"));
    }
    if count.is_some_and(|count| !(1..=ROWS_MAX).contains(&count)) {
        return Err(error(400, "Maximum value for 'count' exceeded"));
    }
    let rows = usize::try_from(count.unwrap_or(ROWS_DEFAULT)).unwrap_or(0);
    let include_first = ask.text("includeFirst") != Some("false");
    let Frame { timeframe_ms, offset_ms } = frame;
    // The candle that contains the start is the first one.
    let first = |ms: i64| bucket(ms, timeframe_ms, offset_ms) + if include_first { 0 } else { timeframe_ms };
    let bars = match (from_ms, to_ms) {
        (Some(from_ms), Some(to_ms)) if from_ms > to_ms => return Err(invalid("to")),
        (Some(from_ms), Some(to_ms)) => {
            if (to_ms - from_ms) / timeframe_ms > ROWS_MAX {
                return Err(error(400, "Maximum value for 'count' exceeded"));
            }
            ask.range(&symbol, timeframe_ms, first(from_ms), to_ms)
        }
        (Some(from_ms), None) => ask.oldest(&symbol, frame, first(from_ms), i64::MAX, rows),
        (None, to_ms) => ask.newest(&symbol, frame, i64::MIN, to_ms.unwrap_or(i64::MAX), rows),
    };
    let unix = ask.headers.get("accept-datetime-format").is_some_and(|format| format == "UNIX");
    let candles: Vec<Value> = bars.iter().map(|bar| row(ask, bar, sides, unix)).collect();
    let body = json!({ "instrument": instrument, "granularity": granularity, "candles": candles });
    Ok(Reply::rows(&symbol, &bars, body.to_string()))
}

fn row(ask: &Ask, bar: &Bar, sides: &str, unix: bool) -> Value {
    let time = if unix { format!("{}.000000000", bar.open_time_ms / 1_000) } else { rfc3339(bar.open_time_ms) };
    let mut row = json!({ "complete": ask.closed(bar), "volume": bar.count, "time": time });
    for side in sides.chars() {
        let (name, away) = match side {
            'B' => ("bid", -HALF_SPREAD),
            'A' => ("ask", HALF_SPREAD),
            _ => ("mid", 0),
        };
        let [o, h, l, c] = [bar.open, bar.high, bar.low, bar.close].map(|units| ask.price(units + away));
        row[name] = json!({ "o": o, "h": h, "l": l, "c": c });
    }
    row
}

/// A connection to the stream of prices.
pub(crate) struct Prices {
    symbols: Vec<String>,
    snapshot: bool,
    price_decimals: u32,
}

impl Prices {
    /// Returns the protocol for a request, or why it is refused.
    pub(crate) fn at(hub: &Hub, path_and_query: &str, authorization: Option<&String>) -> Result<Self, Reply> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let account = path.strip_prefix("/v3/accounts/").and_then(|path| path.strip_suffix("/pricing/stream"));
        if account.is_none_or(|account| account.is_empty() || account.contains('/')) {
            return Err(error(404, "Not found"));
        }
        authorize(authorization)?;
        let query: Map<String, Value> = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), json!(value)))
            .collect();
        let text = |name: &str| query.get(name).and_then(Value::as_str).unwrap_or_default();
        let symbols: Option<Vec<String>> = text("instruments").split(',').map(|name| hub.by_feed(name)).collect();
        let symbols = symbols.ok_or_else(|| invalid("instruments"))?;
        Ok(Self { symbols, snapshot: text("snapshot") != "false", price_decimals: hub.market.price_decimals() })
    }
}

impl Talk for Prices {
    fn opened(&mut self, line: &mut Line) {
        for symbol in &self.symbols.clone() {
            let sub = line.subscribe(symbol, "pricing", Flow::Quotes);
            if !self.snapshot {
                continue;
            }
            let price = line.hub.market.price_before(symbol, line.now_ms);
            let flat = Bar::flat(line.now_ms, 1, price);
            let item = Item::candle(&line.hub, &Arc::clone(&sub), flat, line.now_ms);
            let text = self.encode(&item, line.now_ms);
            line.snapshots.push(text);
        }
    }

    fn heard(&mut self, _line: &mut Line, _text: &str) {}

    fn encode(&mut self, item: &Item, _now_ms: i64) -> String {
        let numeric = serde_json::from_str::<f64>(&item.close).is_ok();
        let price = |away: i64| {
            let text = fixed(i128::from(item.units + away), self.price_decimals);
            if numeric { text } else { item.close.clone() }
        };
        let (bid, ask) = (price(-HALF_SPREAD), price(HALF_SPREAD));
        json!({
            "type": "PRICE", "instrument": item.wire, "time": rfc3339(item.open_time_ms), "status": "tradeable",
            "bids": [{ "price": bid, "liquidity": 10_000_000 }], "asks": [{ "price": ask, "liquidity": 10_000_000 }],
            "closeoutBid": price(-4 * HALF_SPREAD), "closeoutAsk": price(4 * HALF_SPREAD)
        })
        .to_string()
    }

    fn heartbeat(&mut self, line: &Line) -> Option<String> {
        Some(json!({ "type": "HEARTBEAT", "time": rfc3339(line.now_ms) }).to_string())
    }
}
