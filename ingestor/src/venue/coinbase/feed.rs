//! Channels `candles` and `market_trades`, subscribed after connecting.
//!
//! Products wanted in five minutes have their candles, the others are built of trades. Messages are numbered over all channels: a number that is not the next means that some were lost.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candlewire_common::series::Symbol;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::rest::Candle;
use crate::venue::bar_text::Number;
use crate::venue::event::{Event, Trade};
use crate::venue::{KeepAlive, Session, Subscription, refusal};

/// The only timeframe of the candles that the feed carries.
pub(super) const CANDLES_TIMEFRAME: Timeframe = Timeframe::M5;

/// One connection.
#[derive(Debug)]
pub(super) struct Feed {
    /// Products whose trades are wanted.
    trades: Vec<Symbol>,
    /// Products whose candles are wanted.
    candles: Vec<Symbol>,
    /// The number of the last message.
    number: Option<i64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    channel: Option<&'a str>,
    #[serde(borrow)]
    sequence_num: Option<Number<'a>>,
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow, default, rename = "message")]
    text: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
}

/// One of a message's `events`.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    candles: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    trades: Option<Vec<&'a RawValue>>,
}

/// What a candle and a trade have in common.
#[derive(Deserialize)]
struct Product<'a> {
    product_id: &'a str,
}

#[derive(Deserialize)]
struct MarketTrade<'a> {
    #[serde(borrow)]
    trade_id: Number<'a>,
    #[serde(borrow)]
    price: Number<'a>,
    #[serde(borrow)]
    size: Number<'a>,
    time: &'a str,
}

impl Feed {
    pub(super) fn new(subscriptions: &[Subscription]) -> Self {
        let (mut trades, mut candles) = (Vec::new(), Vec::new());
        for Subscription { symbol, timeframe } in subscriptions {
            let products = if *timeframe == CANDLES_TIMEFRAME { &mut candles } else { &mut trades };
            if !products.contains(symbol) {
                products.push(symbol.clone());
            }
        }
        Self { trades, candles, number: None }
    }

    /// Whether a message follows the one before it; the first of a connection does.
    fn follows(&mut self, number: i64) -> bool {
        let last = self.number.replace(number);
        last.is_none_or(|last| last.checked_add(1) == Some(number))
    }

    fn refuse(&self, read: &Message, events: &mut Vec<Event>) {
        let reason = format!("{} {}", read.text, read.reason);
        let known = |word: &str| self.trades.iter().chain(&self.candles).find(|symbol| symbol.as_str() == word);
        refusal::push(&refusal::named(&reason, known), reason.trim_end(), events);
    }
}

impl Session for Feed {
    fn address(&self, base: &Url) -> Url {
        base.clone()
    }

    fn greetings(&self) -> Vec<String> {
        // Without heartbeats a channel that has nothing to tell is closed.
        let mut greetings = vec![r#"{"type":"subscribe","channel":"heartbeats"}"#.to_owned()];
        for (channel, products) in [("market_trades", &self.trades), ("candles", &self.candles)] {
            if !products.is_empty() {
                let products = products.iter().map(Symbol::as_str).collect::<Vec<_>>().join(r#"",""#);
                greetings.push(format!(r#"{{"type":"subscribe","channel":"{channel}","product_ids":["{products}"]}}"#));
            }
        }
        greetings
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        None
    }

    fn read(&mut self, message: &str, events: &mut Vec<Event>) {
        let Ok(read) = serde_json::from_str::<Message>(message) else {
            events.push(Event::unknown(message));
            return;
        };
        if read.sequence_num.and_then(Number::whole).is_some_and(|number| !self.follows(number)) {
            events.push(Event::Lost);
        }
        match (read.channel, read.kind) {
            (Some("candles"), _) => candles(&items(read.events, |part| part.candles, events), events),
            (Some("market_trades"), _) => trades(&items(read.events, |part| part.trades, events), events),
            (Some("heartbeats"), _) => events.push(Event::Alive),
            (Some("subscriptions"), _) => events.push(Event::Accepted),
            (_, Some("error")) => self.refuse(&read, events),
            (channel, kind) => events.push(Event::unknown(channel.or(kind).unwrap_or(message))),
        }
    }
}

/// The candles or trades of a message, of all its parts.
fn items<'a>(
    parts: Option<&'a RawValue>,
    list: impl Fn(Part<'a>) -> Option<Vec<&'a RawValue>>,
    events: &mut Vec<Event>,
) -> Vec<&'a RawValue> {
    let parts = match serde_json::from_str::<Vec<&RawValue>>(parts.map_or("", RawValue::get)) {
        Ok(parts) => parts,
        Err(error) => {
            events.push(Event::unusable(None, error));
            return Vec::new();
        }
    };
    let mut items = Vec::new();
    for part in parts {
        match serde_json::from_str::<Part>(part.get()).map(&list) {
            Ok(Some(more)) => items.extend(more),
            Ok(None) => events.push(Event::unusable(None, "an event without its list")),
            Err(error) => events.push(Event::unusable(None, error)),
        }
    }
    items
}

/// Tells candles, the oldest first. No candle says that it is closed; one that a later one of its product follows is.
fn candles(items: &[&RawValue], events: &mut Vec<Event>) {
    let (mut candles, mut newest) = (Vec::new(), BTreeMap::new());
    for item in items {
        match candle(item.get()) {
            Ok((product, open_time, candle)) => {
                let last = newest.entry(product).or_insert(open_time);
                *last = open_time.max(*last);
                candles.push((open_time, product, candle));
            }
            Err(unusable) => events.push(unusable),
        }
    }
    candles.sort_by_key(|(open_time, ..)| *open_time);
    events.extend(candles.into_iter().map(|(open_time, product, candle)| match candle.numbers().read() {
        Ok(bar) => Event::Bar {
            symbol: product.into(),
            timeframe: CANDLES_TIMEFRAME,
            open_time,
            bar,
            closed: newest.get(product).is_some_and(|newest| open_time < *newest),
        },
        Err(error) => Event::unusable(Some(product), error),
    }));
}

fn candle(text: &str) -> Result<(&str, UnixMillis, Candle<'_>), Event> {
    let product = product(text)?;
    let candle: Candle = serde_json::from_str(text).map_err(|error| Event::unusable(Some(product), error))?;
    let open_time = candle.open_time().ok_or_else(|| Event::unusable(Some(product), "start is no time"))?;
    Ok((product, open_time, candle))
}

/// Tells trades, the oldest first: the venue puts the newest first.
fn trades(items: &[&RawValue], events: &mut Vec<Event>) {
    let mut trades = Vec::new();
    for item in items {
        match trade(item.get()) {
            Ok(trade) => trades.push(trade),
            Err(unusable) => events.push(unusable),
        }
    }
    trades.sort_by_key(|(id, _)| *id);
    events.extend(trades.into_iter().map(|(_, trade)| trade));
}

fn trade(text: &str) -> Result<(u64, Event), Event> {
    let product = product(text)?;
    let unusable = |error: &dyn std::fmt::Display| Event::unusable(Some(product), error);
    let read: MarketTrade = serde_json::from_str(text).map_err(|error| unusable(&error))?;
    let id = read.trade_id.text().parse().map_err(|error| unusable(&format_args!("trade_id: {error}")))?;
    let time = DateTime::parse_from_rfc3339(read.time).map_err(|error| unusable(&format_args!("time: {error}")))?;
    let price = read.price.price("price").map_err(|error| unusable(&error))?;
    let size = read.size.volume("size").map_err(|error| unusable(&error))?;
    let time = UnixMillis(time.timestamp_millis());
    Ok((id, Event::Price { symbol: product.into(), time, price, trade: Some(Trade { size, id }) }))
}

fn product(text: &str) -> Result<&str, Event> {
    let product: Product = serde_json::from_str(text).map_err(|error| Event::unusable(None, error))?;
    Ok(product.product_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        let wanted = [("BTC-USD", "1m"), ("BTC-USD", "5m"), ("ETH-USD", "5m"), ("SOL-USD", "1h"), ("BTC-USD", "1h")];
        Feed::new(&wanted.map(|(symbol, timeframe)| Subscription {
            symbol: symbol.parse().unwrap(),
            timeframe: timeframe.parse().unwrap(),
        }))
    }

    fn read(message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        feed().read(message, &mut events);
        events
    }

    /// Each event in a few words.
    fn told(events: &[Event]) -> Vec<String> {
        let told = |event: &Event| match event {
            Event::Bar { symbol, timeframe, open_time, bar, closed } => {
                let state = if *closed { "closed" } else { "forming" };
                format!("{symbol} {timeframe} {open_time} {} {} {state}", bar.close, bar.volume)
            }
            Event::Price { symbol, time, price, trade: Some(Trade { size, id }) } => {
                format!("{symbol} {time} {price} {size} {id}")
            }
            Event::Unusable { symbol, .. } => format!("unusable {}", symbol.as_deref().unwrap_or("?")),
            Event::Unknown(kind) => format!("unknown {kind}"),
            Event::Refused { symbol, .. } => format!("refused {}", symbol.as_deref().unwrap_or("?")),
            other => format!("{other:?}"),
        };
        events.iter().map(told).collect()
    }

    #[test]
    fn heartbeats_come_first_then_each_product_where_it_belongs() {
        let greetings = [
            r#"{"type":"subscribe","channel":"heartbeats"}"#,
            r#"{"type":"subscribe","channel":"market_trades","product_ids":["BTC-USD","SOL-USD"]}"#,
            r#"{"type":"subscribe","channel":"candles","product_ids":["BTC-USD","ETH-USD"]}"#,
        ];
        assert_eq!(feed().greetings(), greetings);
        let one = Subscription { symbol: "A-B".parse().unwrap(), timeframe: Timeframe::M1 };
        assert_eq!(Feed::new(&[one]).greetings().len(), 2);
    }

    #[test]
    fn all_but_the_newest_candles_of_a_product_are_closed() {
        let candle = |product: &str, start: &str, close: &str| {
            format!(
                r#"{{"start":"{start}","high":"68950.00","low":"68850.00","open":"68900.00","close":"{close}",
                "volume":"42.15000000","product_id":"{product}"}}"#
            )
        };
        let [newest, older] = ["1775521800", "1775521500"].map(|start| candle("BTC-USD", start, "68920.50"));
        let (other, bad) = (candle("ETH-USD", "1775521500", "1"), candle("ETH-USD", "1775521800", "one"));
        let events = read(&format!(
            r#"{{"channel":"candles","client_id":"","timestamp":"2026-04-07T14:30:05.000000Z","sequence_num":3,"events":[
            {{"type":"snapshot","candles":[{newest},{older},{{"product_id":"BTC-USD"}},{{}}]}},
            {{"type":"update","candles":[{other},{bad}]}},{{"type":"update"}},7]}}"#
        ));
        let expected = [
            "unusable ?",
            "unusable ?",
            "unusable BTC-USD",
            "unusable ?",
            "BTC-USD 5m 1775521500000 68920.50 42.15000000 closed",
            "ETH-USD 5m 1775521500000 1 42.15000000 closed",
            "BTC-USD 5m 1775521800000 68920.50 42.15000000 forming",
            "unusable ETH-USD",
        ];
        assert_eq!(told(&events), expected);
    }

    #[test]
    fn trades_come_oldest_first() {
        let trade = |id: &str, price: &str, time: &str| {
            format!(
                r#"{{"product_id":"SOL-USD","trade_id":{id},"price":"{price}","size":"1.29080517","time":"{time}",
                "side":"SELL"}}"#
            )
        };
        let time = "2026-09-26T04:15:00.114692Z";
        let newer = trade(r#""355495416""#, "120.72", "2026-09-26T04:15:01Z");
        let older = trade(r#""355495415""#, "120.71", time);
        let bad = [trade(r#""a1""#, "1", time), trade("-1", "1", time), trade("1", "", time), trade("1", "1", "now")];
        let events = read(&format!(
            r#"{{"channel":"market_trades","timestamp":"2026-09-26T04:15:00.2Z","sequence_num":2,
            "events":[{{"type":"update","trades":[{newer},{older},{}]}}]}}"#,
            bad.join(",")
        ));
        let mut expected = vec!["unusable SOL-USD"; bad.len()];
        expected.push("SOL-USD 1790396100114 120.71 1.29080517 355495415");
        expected.push("SOL-USD 1790396101000 120.72 1.29080517 355495416");
        assert_eq!(told(&events), expected);
    }

    #[test]
    fn a_number_that_is_not_the_next_means_loss() {
        let mut feed = feed();
        for (number, expected) in [
            ("7", &["Alive"][..]),
            ("8", &["Alive"]),
            ("10", &["Lost", "Alive"]),
            (r#""11""#, &["Alive"]),
            ("null", &["Alive"]),
            ("11", &["Lost", "Alive"]),
            ("9223372036854775807", &["Lost", "Alive"]),
            ("-9223372036854775808", &["Lost", "Alive"]),
        ] {
            let mut events = Vec::new();
            feed.read(&format!(r#"{{"channel":"heartbeats","sequence_num":{number},"events":[]}}"#), &mut events);
            assert_eq!(told(&events), expected, "{number}");
        }
    }

    #[test]
    fn what_is_neither_candle_nor_trade_is_told_apart() {
        for (message, expected) in [
            (r#"{"channel":"heartbeats","events":[{"current_time":"x","heartbeat_counter":"42"}]}"#, "Alive"),
            (r#"{"channel":"heartbeats","events":[{"current_time":"x","heartbeat_counter":42}]}"#, "Alive"),
            (r#"{"channel":"subscriptions","events":[{"subscriptions":{"candles":["BTC-USD"]}}]}"#, "Accepted"),
            (r#"{"type":"error","message":"Failed","reason":"SOL-USD is not a valid product"}"#, "refused SOL-USD"),
            (r#"{"type":"error","message":"\"rate\" limit exceeded"}"#, "refused ?"),
            (r#"{"channel":"ticker","events":[]}"#, "unknown ticker"),
            (r#"{"type":"snapshot"}"#, "unknown snapshot"),
            (r#"{"channel":"candles"}"#, "unusable ?"),
            (r#"{"channel":"candles","events":[{"candl"#, r#"unknown {"channel":"candles","events":[{"candl"#),
            ("no JSON", "unknown no JSON"),
            ("{}", "unknown {}"),
            ("", "unknown "),
        ] {
            assert_eq!(told(&read(message)), [expected], "{message}");
        }
    }
}
