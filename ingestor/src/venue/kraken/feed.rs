//! Channel `ohlc`. One request subscribes many symbols, but each is accepted or refused by itself. A message may
//! hold many candles; that the next one has begun is all that says a candle is closed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use candlewire_common::series::Symbol;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::Kraken;
use crate::venue::bar_text::{BarText, Number};
use crate::venue::event::Event;
use crate::venue::{KeepAlive, Session, Subscription, Venue, instant, refusal};

/// How many symbols one request subscribes.
const SYMBOLS_MAX: usize = 50;

/// One connection.
#[derive(Debug)]
pub(super) struct Feed {
    /// In the order of their numbers, which begin at 1.
    requests: Vec<Request>,
}

/// One message that subscribes.
#[derive(Debug)]
struct Request {
    interval: &'static str,
    symbols: Vec<Symbol>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    success: Option<bool>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    req_id: Option<Number<'a>>,
    #[serde(borrow)]
    symbol: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Candle<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    interval: Number<'a>,
    #[serde(borrow)]
    interval_begin: Cow<'a, str>,
    #[serde(borrow)]
    open: Number<'a>,
    #[serde(borrow)]
    high: Number<'a>,
    #[serde(borrow)]
    low: Number<'a>,
    #[serde(borrow)]
    close: Number<'a>,
    #[serde(borrow)]
    volume: Number<'a>,
}

/// A candle whose place in time is known.
struct Placed<'a> {
    candle: Candle<'a>,
    timeframe: Timeframe,
    open_time: UnixMillis,
}

impl Feed {
    pub(super) fn new(subscriptions: &[Subscription]) -> Self {
        let mut requests: Vec<Request> = Vec::new();
        for Subscription { symbol, timeframe } in subscriptions {
            let Some(interval) = Kraken.timeframe_name(*timeframe) else { continue };
            let has_room = |request: &&mut Request| request.interval == interval && request.symbols.len() < SYMBOLS_MAX;
            match requests.iter_mut().find(has_room) {
                Some(request) => request.symbols.push(symbol.clone()),
                None => requests.push(Request { interval, symbols: vec![symbol.clone()] }),
            }
        }
        Self { requests }
    }

    /// Blames the symbol that the message names, or else those of its reason, or else all of the request: none of
    /// them was subscribed.
    fn refuse(&self, read: &Message, events: &mut Vec<Event>) {
        let reason = read.error.as_deref().unwrap_or("no reason given");
        if let Some(symbol) = &read.symbol {
            events.push(Event::Refused { symbol: Some((&**symbol).into()), reason: reason.to_owned() });
            return;
        }
        let all = || self.requests.iter().flat_map(|request| &request.symbols);
        let mut symbols = refusal::named(reason, |word| all().find(|known| known.as_str() == word));
        if symbols.is_empty() {
            let number = read.req_id.and_then(Number::whole).and_then(|number| usize::try_from(number).ok());
            let request = number.and_then(|number| self.requests.get(number.checked_sub(1)?));
            symbols.extend(request.into_iter().flat_map(|request| &request.symbols));
        }
        refusal::push(&symbols, reason, events);
    }
}

impl Session for Feed {
    fn address(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path("/v2");
        url
    }

    fn greetings(&self) -> Vec<String> {
        let greeting = |(Request { interval, symbols }, number): (&Request, usize)| {
            // Nothing in a symbol needs escaping.
            let symbols: Vec<_> = symbols.iter().map(|symbol| format!(r#""{symbol}""#)).collect();
            let symbols = symbols.join(",");
            let params = format!(r#"{{"channel":"ohlc","symbol":[{symbols}],"interval":{interval},"snapshot":true}}"#);
            format!(r#"{{"method":"subscribe","params":{params},"req_id":{number}}}"#)
        };
        self.requests.iter().zip(1..).map(greeting).collect()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        // It closes what was idle for about a minute.
        Some(KeepAlive { every: Duration::from_secs(30), message: r#"{"method":"ping"}"#.to_owned() })
    }

    fn read(&mut self, message: &str, events: &mut Vec<Event>) {
        let Ok(read) = serde_json::from_str::<Message>(message) else {
            events.push(Event::unknown(message));
            return;
        };
        match (read.channel.as_deref(), read.method.as_deref()) {
            (Some("ohlc"), _) => candles(read.data, events),
            (Some("heartbeat" | "status"), _) | (None, Some("pong")) => events.push(Event::Alive),
            (Some(channel), _) => events.push(Event::unknown(channel)),
            (None, _) if read.error.is_some() || read.success == Some(false) => self.refuse(&read, events),
            (None, Some("subscribe")) => events.push(Event::Accepted),
            (None, method) => events.push(Event::unknown(method.unwrap_or(message))),
        }
    }
}

fn candles(data: Option<&RawValue>, events: &mut Vec<Event>) {
    let parts: Vec<&RawValue> = match serde_json::from_str(data.map_or("", RawValue::get)) {
        Ok(parts) => parts,
        Err(error) => return events.push(Event::unusable(None, error)),
    };
    let placed: Vec<_> = parts.iter().map(|part| place(part.get())).collect();
    let mut newest: HashMap<(&str, Timeframe), UnixMillis> = HashMap::new();
    for Placed { candle, timeframe, open_time } in placed.iter().flatten() {
        let newest = newest.entry((&candle.symbol, *timeframe)).or_insert(*open_time);
        *newest = (*newest).max(*open_time);
    }
    let bar = |Placed { candle, timeframe, open_time }: &Placed| {
        let newest = newest.get(&(&*candle.symbol, *timeframe));
        bar(candle, *timeframe, *open_time, newest.is_some_and(|newest| open_time < newest))
    };
    events.extend(placed.iter().map(|placed| placed.as_ref().map_or_else(Clone::clone, bar)));
}

/// Reads a candle's identity, or tells why there is none.
fn place(text: &str) -> Result<Placed<'_>, Event> {
    let candle: Candle = serde_json::from_str(text).map_err(|error| Event::unusable(None, error))?;
    let unusable = |what: &str, text: &str| Event::unusable(Some(&candle.symbol), format_args!("{what} {text}"));
    let interval = candle.interval.text();
    let timeframe = Timeframe::ALL.into_iter().find(|timeframe| Kraken.timeframe_name(*timeframe) == Some(interval));
    let timeframe = timeframe.ok_or_else(|| unusable("interval", interval))?;
    let begin = &candle.interval_begin;
    let open_time = instant::rfc3339(begin).ok_or_else(|| unusable("interval_begin", begin))?;
    Ok(Placed { candle, timeframe, open_time })
}

fn bar(candle: &Candle, timeframe: Timeframe, open_time: UnixMillis, closed: bool) -> Event {
    let Candle { open, high, low, close, volume, .. } = *candle;
    match (BarText { open, high, low, close, volume }).read() {
        Ok(bar) => Event::Bar { symbol: (&*candle.symbol).into(), timeframe, open_time, bar, closed },
        Err(error) => Event::unusable(Some(&candle.symbol), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        let subscriptions = [("ETH/USD", Timeframe::M1), ("ETH/USD", Timeframe::H1), ("BTC/USD", Timeframe::M1)];
        Feed::new(&subscriptions.map(|(symbol, timeframe)| Subscription { symbol: symbol.parse().unwrap(), timeframe }))
    }

    fn read(message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        feed().read(message, &mut events);
        events
    }

    #[test]
    fn one_message_subscribes_the_symbols_of_an_interval() {
        let subscribe = |symbols: &str, interval, number| {
            let params = format!(r#"{{"channel":"ohlc","symbol":[{symbols}],"interval":{interval},"snapshot":true}}"#);
            format!(r#"{{"method":"subscribe","params":{params},"req_id":{number}}}"#)
        };
        let expected = [subscribe(r#""ETH/USD","BTC/USD""#, 1, 1), subscribe(r#""ETH/USD""#, 60, 2)];
        assert_eq!(feed().greetings(), expected);
        assert_eq!(feed().address(&"wss://ws.kraken.com".parse().unwrap()).as_str(), "wss://ws.kraken.com/v2");
        let symbol = |number| format!("A{number}/USD").parse().unwrap();
        let many: Vec<_> = (0..120).map(|n| Subscription { symbol: symbol(n), timeframe: Timeframe::M1 }).collect();
        assert_eq!(Feed::new(&many).greetings().len(), 3);
    }

    fn candle(symbol: &str, begin: &str, close: &str) -> String {
        format!(
            r#"{{"symbol":"{symbol}","open":3027.80,"high":3027.80,"low":3026.13,"close":{close},"trades":9,
            "volume":13.31603062,"vwap":3027.01,"interval_begin":"2024-05-17T{begin}:00.000000000Z","interval":1,
            "timestamp":"2024-05-17T11:13:00.000000Z"}}"#
        )
    }

    fn message(candles: &[String]) -> String {
        let data = candles.join(",");
        format!(r#"{{"channel":"ohlc","type":"snapshot","timestamp":"2024-05-17T11:21:16.3Z","data":[{data}]}}"#)
    }

    #[test]
    fn all_but_the_newest_candle_of_each_symbol_are_closed() {
        let candles = [
            candle("ETH/USD", "11:12", "3026.13"),
            candle("BTC/USD", "11:13", "3026.13"),
            candle("ETH/USD", "11:14", "3026.13"),
            candle("ETH/USD", "11:13", "3026.13"),
        ];
        let told: Vec<_> = read(&message(&candles))
            .into_iter()
            .map(|event| match event {
                Event::Bar { symbol, timeframe: Timeframe::M1, open_time, closed, .. } => {
                    (symbol.into_string(), (open_time.0 - 1_715_944_320_000) / 60_000, closed)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("ETH/USD", 0, true), ("BTC/USD", 1, false), ("ETH/USD", 2, false), ("ETH/USD", 1, true)];
        assert_eq!(told, expected.map(|(symbol, minute, closed)| (symbol.to_owned(), minute, closed)));
    }

    #[test]
    fn numbers_keep_their_spelling() {
        let events = read(&message(&[candle("ETH\\/USD", "11:12", "3026.130")]));
        let [Event::Bar { symbol, bar, closed: false, .. }] = &events[..] else { panic!("{events:?}") };
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(
            (&**symbol, numbers),
            ("ETH/USD", ["3027.80", "3027.80", "3026.13", "3026.130", "13.31603062"].map(str::to_owned))
        );
    }

    #[test]
    fn a_broken_candle_spoils_no_other() {
        let good = candle("ETH/USD", "11:12", "3026.13");
        let interval = good.replace(r#""interval":1,"#, r#""interval":2,"#);
        let broken = [candle("ETH/USD", "11:13", "null"), candle("ETH/USD", "x", "1"), interval, "{}".to_owned(), good];
        let events = read(&message(&broken));
        assert!(
            matches!(
                &events[..],
                [
                    Event::Unusable { symbol: Some(_), .. },
                    Event::Unusable { symbol: Some(_), .. },
                    Event::Unusable { symbol: Some(_), .. },
                    Event::Unusable { symbol: None, .. },
                    Event::Bar { closed: true, .. },
                ]
            ),
            "{events:?}"
        );
        for message in [r#"{"channel":"ohlc"}"#, r#"{"channel":"ohlc","data":{}}"#] {
            assert!(matches!(read(message)[..], [Event::Unusable { .. }]), "{message}");
        }
        assert!(read(r#"{"channel":"ohlc","data":[]}"#).is_empty());
    }

    #[test]
    fn a_refusal_names_its_symbols() {
        for (message, symbols) in [
            (
                r#"{"error":"Not supported","method":"subscribe","req_id":1,"success":false,"symbol":"BTC/USD"}"#,
                &["BTC/USD"][..],
            ),
            (
                r#"{"error":"Currency pair not supported ETH/USD","method":"subscribe","req_id":1,"success":false}"#,
                &["ETH/USD"],
            ),
            (
                r#"{"error":"Exceeded msg rate","method":"subscribe","req_id":1,"success":false}"#,
                &["ETH/USD", "BTC/USD"],
            ),
            (
                r#"{"error":"Subscription depth not supported","method":"subscribe","req_id":2,"success":false}"#,
                &["ETH/USD"],
            ),
        ] {
            let refused: Vec<_> = read(message)
                .into_iter()
                .map(|event| match event {
                    Event::Refused { symbol: Some(symbol), .. } => symbol.into_string(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(refused, symbols, "{message}");
        }
        let unsupported =
            r#"{"error":"Unsupported event","method":"subscribe","req_id":0,"success":false,"time_in":"…"}"#;
        for message in [unsupported, r#"{"error":"Malformed request","success":false}"#, r#"{"success":false}"#] {
            assert!(matches!(&read(message)[..], [Event::Refused { symbol: None, .. }]), "{message}");
        }
    }

    #[test]
    fn other_messages_are_told_apart() {
        let accepted = r#"{"method":"subscribe","req_id":1,"result":{"channel":"ohlc","interval":1,"snapshot":true,
            "symbol":"ETH/USD","warnings":["timestamp is deprecated, use interval_begin"]},"success":true}"#;
        assert!(matches!(read(accepted)[..], [Event::Accepted]));
        for alive in [
            r#"{"channel":"heartbeat"}"#,
            r#"{"channel":"status","type":"update","data":[{"connection_id":12393906104898154338,"system":"online"}]}"#,
            r#"{"method":"pong","req_id":1,"time_in":"…"}"#,
        ] {
            assert!(matches!(read(alive)[..], [Event::Alive]), "{alive}");
        }
        for (message, kind) in [
            (r#"{"channel":"trade","data":[]}"#, "trade"),
            (r#"{"method":"unsubscribe","success":true}"#, "unsubscribe"),
            ("{}", "{}"),
            ("", ""),
            (r#"{"channel":"ohlc","data":[{"#, r#"{"channel":"ohlc","data":[{"#),
        ] {
            assert!(matches!(&read(message)[..], [Event::Unknown(found)] if &**found == kind), "{message}");
        }
    }
}
