//! Channels `candle{bar}`, subscribed after connecting. The symbol of a candle is in the message's `arg` only.

use std::borrow::Cow;
use std::time::Duration;

use candlewire_common::series::Symbol;
use candlewire_common::timeframe::Timeframe;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::{columns, name};
use crate::venue::answer::RowState;
use crate::venue::bar_text::Number;
use crate::venue::event::Event;
use crate::venue::{KeepAlive, Session, Subscription, refusal};

/// How many channels one request subscribes; all of a connection may have 64 KiB, each has at most 75 bytes.
const CHANNELS_MAX: usize = 100;
/// The code of the notice that the connection will be closed.
const CLOSING_SOON: &str = "64008";

/// One connection.
#[derive(Debug)]
pub(super) struct Feed {
    subscriptions: Vec<Subscription>,
}

#[derive(Deserialize)]
struct Message<'a> {
    event: Option<&'a str>,
    #[serde(borrow)]
    code: Option<Number<'a>>,
    #[serde(borrow)]
    msg: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arg: Option<Argument<'a>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Argument<'a> {
    channel: Option<&'a str>,
    #[serde(rename = "instId")]
    symbol: Option<&'a str>,
}

impl Feed {
    pub(super) fn new(subscriptions: &[Subscription]) -> Self {
        Self { subscriptions: subscriptions.to_vec() }
    }

    fn refuse(&self, read: &Message, events: &mut Vec<Event>) {
        let reason =
            format!("{} ({})", read.msg.as_deref().unwrap_or_default(), read.code.map_or("no code", Number::text));
        let known = |word: &str| {
            let subscription = self.subscriptions.iter().find(|subscription| subscription.symbol.as_str() == word);
            subscription.map(|subscription| &subscription.symbol)
        };
        let symbol = read.arg.as_ref().and_then(|arg| arg.symbol).and_then(known);
        let symbols = symbol.map_or_else(|| refusal::named(&reason, known), |symbol| vec![symbol]);
        refusal::push(&symbols, &reason, events);
    }
}

impl Session for Feed {
    fn address(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path("/ws/v5/business");
        url
    }

    fn greetings(&self) -> Vec<String> {
        let channel = |Subscription { symbol, timeframe }: &Subscription| {
            Some(format!(r#"{{"channel":"candle{}","instId":"{symbol}"}}"#, name(*timeframe)?))
        };
        let channels: Vec<_> = self.subscriptions.iter().filter_map(channel).collect();
        let requests = channels.chunks(CHANNELS_MAX);
        requests.map(|request| format!(r#"{{"op":"subscribe","args":[{}]}}"#, request.join(","))).collect()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        // It closes what was silent for 30 s.
        Some(KeepAlive { every: Duration::from_secs(25), message: "ping".to_owned() })
    }

    fn read(&mut self, message: &str, events: &mut Vec<Event>) {
        if message == "pong" {
            events.push(Event::Alive);
            return;
        }
        let Ok(read) = serde_json::from_str::<Message>(message) else {
            events.push(Event::unknown(message));
            return;
        };
        match (read.event, &read.arg) {
            (Some("subscribe"), _) => events.push(Event::Accepted),
            (Some("error"), _) => self.refuse(&read, events),
            (Some("notice"), _) if read.code.is_some_and(|code| code.text() == CLOSING_SOON) => {
                events.push(Event::Ending("the venue announced that it will close the connection"));
            }
            (Some(event), _) => events.push(Event::unknown(event)),
            (None, Some(arg)) => candles(arg, read.data, events),
            (None, None) => events.push(Event::unknown(message)),
        }
    }
}

fn candles(arg: &Argument, data: Option<&RawValue>, events: &mut Vec<Event>) {
    let channel = arg.channel.unwrap_or_default();
    let (Some(timeframe), Some(symbol)) = (timeframe(channel), arg.symbol) else {
        events.push(Event::unknown(channel));
        return;
    };
    // Every candle of the message is told with it: one of any length would be told as often.
    if symbol.parse::<Symbol>().is_err() {
        events.push(Event::unusable(None, "instId is no symbol"));
        return;
    }
    match serde_json::from_str::<Vec<&RawValue>>(data.map_or("", RawValue::get)) {
        Ok(data) => events.extend(data.iter().map(|candle| bar(symbol, timeframe, candle.get()))),
        Err(error) => events.push(Event::unusable(Some(symbol), error)),
    }
}

fn timeframe(channel: &str) -> Option<Timeframe> {
    let bar = channel.strip_prefix("candle")?;
    Timeframe::ALL.into_iter().find(|timeframe| name(*timeframe) == Some(bar))
}

fn bar(symbol: &str, timeframe: Timeframe, text: &str) -> Event {
    let row = match serde_json::from_str::<Vec<Number>>(text) {
        Ok(columns) => columns::read(symbol, &columns),
        Err(error) => Err(error.to_string()),
    };
    match row {
        Ok(row) => Event::Bar {
            symbol: symbol.into(),
            timeframe,
            open_time: row.open_time,
            bar: row.bar,
            closed: row.state == RowState::Closed,
        },
        Err(reason) => Event::unusable(Some(symbol), reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Feed {
        let subscriptions = [("BTC-USDT", Timeframe::M1), ("BTC-USDT-SWAP", Timeframe::H12)];
        Feed::new(&subscriptions.map(|(symbol, timeframe)| Subscription { symbol: symbol.parse().unwrap(), timeframe }))
    }

    fn read(message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        feed().read(message, &mut events);
        events
    }

    #[test]
    fn channels_are_subscribed_a_hundred_at_a_time() {
        let greeting = concat!(
            r#"{"op":"subscribe","args":[{"channel":"candle1m","instId":"BTC-USDT"},"#,
            r#"{"channel":"candle12Hutc","instId":"BTC-USDT-SWAP"}]}"#
        );
        assert_eq!(feed().greetings(), [greeting]);
        let many = vec![Subscription { symbol: "A-B".parse().unwrap(), timeframe: Timeframe::M1 }; 101];
        assert_eq!(Feed::new(&many).greetings().len(), 2);
        let address = feed().address(&"wss://ws.okx.com:8443".parse().unwrap());
        assert_eq!(address.as_str(), "wss://ws.okx.com:8443/ws/v5/business");
    }

    #[test]
    fn candles_are_read_each_by_itself() {
        let events = read(
            r#"{"arg":{"channel":"candle1m","instId":"USDC-USDT"},"data":[
            ["1685221620000","0.9981","0.9982","0.9980","0.9981","7","0","0","1"],["x"],7,
            ["1685221680000","0.9981","0.9981","0.9981","0.9981","0","0","0","0"]]}"#,
        );
        let [first, Event::Unusable { .. }, Event::Unusable { .. }, Event::Bar { closed: false, .. }] = &events[..]
        else {
            panic!("{events:?}");
        };
        let Event::Bar { symbol, timeframe: Timeframe::M1, open_time, bar, closed: true } = first else {
            panic!("{first:?}");
        };
        assert_eq!((&**symbol, open_time.0), ("USDC-USDT", 1_685_221_620_000));
        let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
        assert_eq!(numbers, ["0.9981", "0.9982", "0.9980", "0.9981", "7"]);
    }

    #[test]
    fn a_symbol_that_can_be_none_is_not_told_with_each_candle() {
        let events = read(&format!(r#"{{"arg":{{"channel":"candle1m","instId":"{}"}},"data":[7,7]}}"#, "A".repeat(33)));
        assert!(matches!(events[..], [Event::Unusable { symbol: None, .. }]), "{events:?}");
    }

    #[test]
    fn a_refusal_names_its_symbol() {
        for (message, expected) in [
            (
                r#"{"event":"error","code":"60018","msg":"channel:candle1m,instId:BTC-USDT doesn't exist","connId":"c"}"#,
                &["BTC-USDT"][..],
            ),
            (
                r#"{"event":"error","code":"64001","msg":"migrated","arg":{"instId":"BTC-USDT-SWAP"}}"#,
                &["BTC-USDT-SWAP"],
            ),
            (
                concat!(
                    r#"{"event":"error","code":"60012","msg":"Invalid request: {\"args\":["#,
                    r#"{\"instId\" : \"BTC-USDT-SWAP\"},{\"instId\":\"BTC-USDT\"}]}"}"#
                ),
                &["BTC-USDT-SWAP", "BTC-USDT"],
            ),
            (r#"{"event":"error","code":"60014","msg":"Requests too frequent"}"#, &[""]),
            (r#"{"event":"error"}"#, &[""]),
        ] {
            let refused = read(message).into_iter().filter_map(|event| match event {
                Event::Refused { symbol, .. } => Some(symbol.unwrap_or_default().into_string()),
                _ => None,
            });
            assert_eq!(refused.collect::<Vec<_>>(), expected, "{message}");
        }
    }

    #[test]
    fn what_is_no_candle_is_told_apart() {
        assert!(matches!(read("pong")[..], [Event::Alive]));
        let accepted = r#"{"event":"subscribe","arg":{"channel":"candle1m","instId":"BTC-USDT"},"connId":"c"}"#;
        assert!(matches!(read(accepted)[..], [Event::Accepted]));
        let closing = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed.","connId":"c"}"#;
        assert!(matches!(read(closing)[..], [Event::Ending(_)]));
        for (message, kind) in [
            (r#"{"arg":{"channel":"tickers","instId":"BTC-USDT"},"data":[{"last":"1"}]}"#, "tickers"),
            (r#"{"arg":{"channel":"candle1D","instId":"BTC-USDT"},"data":[]}"#, "candle1D"),
            (r#"{"event":"unsubscribe","arg":{}}"#, "unsubscribe"),
            (r#"{"event":"notice","code":"1"}"#, "notice"),
            (r#"{"arg":{"channel":"candle1m","inst"#, r#"{"arg":{"channel":"candle1m","inst"#),
            ("no JSON", "no JSON"),
            ("{}", "{}"),
            ("", ""),
        ] {
            assert!(matches!(&read(message)[..], [Event::Unknown(found)] if &**found == kind), "{message}");
        }
        assert!(matches!(read(r#"{"arg":{"channel":"candle1m","instId":"A-B"}}"#)[..], [Event::Unusable { .. }]));
    }
}
