//! Topics `kline.{interval}.{symbol}`, subscribed after connecting.
//!
//! One topic that Bybit does not know makes it refuse the whole request, so that each symbol has a request of its
//! own: a refusal then hits nobody else, and the request's number tells whom.

use std::borrow::Cow;
use std::time::Duration;

use candlewire_common::series::Symbol;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::name;
use crate::venue::bar_text::{BarText, Number};
use crate::venue::event::Event;
use crate::venue::{KeepAlive, Session, Subscription, refusal};

/// The most topics of one request.
const TOPICS_MAX: usize = 10;

/// One connection.
#[derive(Debug)]
pub(super) struct Feed {
    /// Their places are their numbers.
    requests: Vec<Request>,
}

/// Topics of one symbol that are subscribed together.
#[derive(Debug)]
struct Request {
    symbol: Symbol,
    topics: Vec<String>,
}

#[derive(Deserialize)]
struct Message<'a> {
    topic: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    op: Option<&'a str>,
    success: Option<bool>,
    #[serde(borrow)]
    ret_msg: Option<Cow<'a, str>>,
    req_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Kline<'a> {
    #[serde(borrow)]
    start: Number<'a>,
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
    confirm: bool,
}

impl Feed {
    pub(super) fn new(subscriptions: &[Subscription]) -> Self {
        let mut requests: Vec<Request> = Vec::new();
        for Subscription { symbol, timeframe } in subscriptions {
            let Some(interval) = name(*timeframe) else { continue };
            let topic = format!("kline.{interval}.{symbol}");
            let open = |request: &&mut Request| request.symbol == *symbol && request.topics.len() < TOPICS_MAX;
            match requests.iter_mut().find(open) {
                Some(request) => request.topics.push(topic),
                None => requests.push(Request { symbol: symbol.clone(), topics: vec![topic] }),
            }
        }
        Self { requests }
    }

    /// Whom a refusal means: the topic that it names, or else the request.
    fn refused(&self, reason: &str, request_id: Option<&str>) -> Vec<&Symbol> {
        let of_topic = |word: &str| {
            let request = self.requests.iter().find(|request| request.topics.iter().any(|topic| topic == word));
            request.map(|request| &request.symbol)
        };
        let named = refusal::named(reason, of_topic);
        if !named.is_empty() {
            return named;
        }
        let index = request_id.and_then(|id| id.parse::<usize>().ok());
        index.and_then(|index| self.requests.get(index)).map(|request| &request.symbol).into_iter().collect()
    }
}

impl Session for Feed {
    fn address(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path("/v5/public/spot");
        url
    }

    fn greetings(&self) -> Vec<String> {
        let greeting = |(index, request): (usize, &Request)| {
            let topics = request.topics.join(r#"",""#);
            format!(r#"{{"req_id":"{index}","op":"subscribe","args":["{topics}"]}}"#)
        };
        self.requests.iter().enumerate().map(greeting).collect()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive { every: Duration::from_secs(20), message: r#"{"op":"ping"}"#.to_owned() })
    }

    fn read(&mut self, message: &str, events: &mut Vec<Event>) {
        let Ok(read) = serde_json::from_str::<Message>(message) else {
            events.push(Event::unknown(message));
            return;
        };
        if let Some(topic) = read.topic {
            let Some((timeframe, symbol)) = series(topic) else {
                events.push(Event::unknown(topic));
                return;
            };
            match serde_json::from_str::<Vec<&RawValue>>(read.data.map_or("", RawValue::get)) {
                Ok(data) => events.extend(data.iter().map(|kline| bar(symbol, timeframe, kline.get()))),
                Err(error) => events.push(Event::unusable(Some(symbol), error)),
            }
            return;
        }
        let reason = read.ret_msg.unwrap_or_default();
        match (read.op, read.success) {
            (Some("pong"), _) | (Some("ping"), Some(true)) => events.push(Event::Alive),
            (Some("subscribe"), Some(true)) => events.push(Event::Accepted),
            (_, Some(false)) => refusal::push(&self.refused(&reason, read.req_id), &reason, events),
            (Some(op), _) => events.push(Event::unknown(op)),
            (None, _) => events.push(Event::unknown(message)),
        }
    }
}

fn series(topic: &str) -> Option<(Timeframe, &str)> {
    let (interval, symbol) = topic.strip_prefix("kline.")?.split_once('.')?;
    let timeframe = Timeframe::ALL.into_iter().find(|timeframe| name(*timeframe) == Some(interval))?;
    // Every kline of the message is told with it: one of any length would be told as often.
    symbol.parse::<Symbol>().ok()?;
    Some((timeframe, symbol))
}

fn bar(symbol: &str, timeframe: Timeframe, text: &str) -> Event {
    let kline: Kline = match serde_json::from_str(text) {
        Ok(kline) => kline,
        Err(error) => return Event::unusable(Some(symbol), error),
    };
    let Some(open_time) = kline.start.whole() else {
        return Event::unusable(Some(symbol), format_args!("start {:?}", kline.start));
    };
    let Kline { open, high, low, close, volume, confirm, .. } = kline;
    match (BarText { open, high, low, close, volume }).read() {
        Ok(bar) => {
            Event::Bar { symbol: symbol.into(), timeframe, open_time: UnixMillis(open_time), bar, closed: confirm }
        }
        Err(error) => Event::unusable(Some(symbol), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(wanted: &[(&str, Timeframe)]) -> Feed {
        let subscription = |(symbol, timeframe): &(&str, Timeframe)| Subscription {
            symbol: symbol.parse().unwrap(),
            timeframe: *timeframe,
        };
        Feed::new(&wanted.iter().map(subscription).collect::<Vec<_>>())
    }

    fn read(message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        feed(&[("BTCUSDT", Timeframe::M1), ("ETHUSDT", Timeframe::M1)]).read(message, &mut events);
        events
    }

    #[test]
    fn each_symbol_is_subscribed_by_itself_ten_topics_at_a_time() {
        let two = feed(&[("BTCUSDT", Timeframe::M1), ("ETHUSDT", Timeframe::W1), ("BTCUSDT", Timeframe::H1)]);
        let greetings = [
            r#"{"req_id":"0","op":"subscribe","args":["kline.1.BTCUSDT","kline.60.BTCUSDT"]}"#,
            r#"{"req_id":"1","op":"subscribe","args":["kline.W.ETHUSDT"]}"#,
        ];
        assert_eq!(two.greetings(), greetings);
        let address = two.address(&"wss://stream.bybit.com".parse().unwrap());
        assert_eq!(address.as_str(), "wss://stream.bybit.com/v5/public/spot");
        let all = feed(&Timeframe::ALL.map(|timeframe| ("BTCUSDT", timeframe)));
        assert_eq!(all.requests.iter().map(|request| request.topics.len()).collect::<Vec<_>>(), [10, 2]);
    }

    #[test]
    fn klines_are_read_each_by_itself() {
        let kline = |start: &str, open: &str, confirm: bool| {
            format!(
                r#"{{"start":{start},"end":1672325099999,"interval":"5","open":{open},"close":"16677","high":"16677",
                "low":"16608","volume":"2.081","turnover":"34666.4005","confirm":{confirm},"timestamp":1672324988882}}"#
            )
        };
        let good = [kline("1672324800000", r#""16649.5""#, false), kline("1672324800000", "16649.5", true)];
        let bad = [kline("null", "1", true), kline("1", r#""one""#, true), "{}".to_owned(), "7".to_owned()];
        let data = [&good[..], &bad[..]].concat().join(",");
        let events =
            read(&format!(r#"{{"topic":"kline.5.BTC.USDT","type":"snapshot","ts":1672324988882,"data":[{data}]}}"#));
        for (event, closes) in events.iter().zip([false, true]) {
            let Event::Bar { symbol, timeframe: Timeframe::M5, open_time, bar, closed } = event else {
                panic!("{event:?}");
            };
            assert_eq!((&**symbol, open_time.0, *closed), ("BTC.USDT", 1_672_324_800_000, closes));
            let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
            assert_eq!(numbers, ["16649.5", "16677", "16608", "16677", "2.081"]);
        }
        assert_eq!(events.len(), good.len() + bad.len());
        for event in &events[good.len()..] {
            assert!(matches!(event, Event::Unusable { symbol: Some(symbol), .. } if &**symbol == "BTC.USDT"));
        }
    }

    #[test]
    fn a_symbol_that_can_be_none_is_not_told_with_each_kline() {
        let events = read(&format!(r#"{{"topic":"kline.5.{}","data":[7,7,7]}}"#, "A".repeat(33)));
        assert!(matches!(events[..], [Event::Unknown(_)]), "{events:?}");
    }

    #[test]
    fn a_refusal_names_its_symbol() {
        for (message, expected) in [
            (
                r#"{"success":false,"ret_msg":"error:handler not found,topic:kline.1.ETHUSDT","op":"subscribe"}"#,
                "ETHUSDT",
            ),
            (r#"{"success":false,"ret_msg":"Invalid topic: kline.1.BTCUSDT","req_id":"1"}"#, "BTCUSDT"),
            (r#"{"success":false,"ret_msg":"Params \"Error\"","req_id":"1","op":"subscribe"}"#, "ETHUSDT"),
            (r#"{"success":false,"ret_msg":"Params Error","req_id":"9","op":"subscribe"}"#, ""),
            (r#"{"success":false,"op":"subscribe"}"#, ""),
        ] {
            let events = read(message);
            let [Event::Refused { symbol, .. }] = &events[..] else { panic!("{message}: {events:?}") };
            assert_eq!(symbol.as_deref().unwrap_or_default(), expected, "{message}");
        }
    }

    #[test]
    fn what_is_no_kline_is_told_apart() {
        for pong in [
            r#"{"success":true,"ret_msg":"pong","conn_id":"c","req_id":"","op":"ping"}"#,
            r#"{"req_id":"1","op":"pong","args":["1675418560633"],"conn_id":"c"}"#,
        ] {
            assert!(matches!(read(pong)[..], [Event::Alive]), "{pong}");
        }
        let accepted =
            r#"{"success":true,"ret_msg":"","conn_id":"cejreaspqfm9se7usbrg-2xh","req_id":"1","op":"subscribe"}"#;
        assert!(matches!(read(accepted)[..], [Event::Accepted]));
        let half = r#"{"topic":"kline.5.BTCUSDT","type":"snapshot","data":[{"start":16723"#;
        for (message, kind) in [
            (r#"{"topic":"tickers.BTCUSDT","data":{"symbol":"BTCUSDT"}}"#, "tickers.BTCUSDT"),
            (r#"{"topic":"publicTrade.BTCUSDT","data":[]}"#, "publicTrade.BTCUSDT"),
            (r#"{"topic":"kline.7.BTCUSDT","data":[]}"#, "kline.7.BTCUSDT"),
            (r#"{"op":"auth","success":true}"#, "auth"),
            ("no JSON", "no JSON"),
            ("", ""),
            ("{}", "{}"),
            (half, r#"{"topic":"kline.5.BTCUSDT","type":"snap"#),
        ] {
            assert!(matches!(&read(message)[..], [Event::Unknown(found)] if found.starts_with(kind)), "{message}");
        }
        assert!(matches!(read(r#"{"topic":"kline.5.BTCUSDT"}"#)[..], [Event::Unusable { .. }]));
        assert!(read(r#"{"topic":"kline.5.BTCUSDT","data":[]}"#).is_empty());
    }
}
