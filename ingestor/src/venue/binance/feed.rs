//! Kline messages. The streams are named in the address, so there is nothing to subscribe and nothing to refuse: a
//! symbol that Binance does not know stays silent, and its REST says so.

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use serde::Deserialize;
use url::Url;

use crate::venue::bar_text::{BarText, Number};
use crate::venue::event::Event;
use crate::venue::{KeepAlive, Session, Subscription};

/// One connection.
#[derive(Debug)]
pub(super) struct Feed {
    streams: String,
}

/// What wraps the messages of several streams.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "e")]
    kind: Option<&'a str>,
    #[serde(borrow, rename = "k")]
    kline: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Kline<'a> {
    #[serde(rename = "t")]
    open_time: i64,
    #[serde(rename = "s")]
    symbol: &'a str,
    #[serde(rename = "i")]
    interval: &'a str,
    #[serde(borrow, rename = "o")]
    open: Number<'a>,
    #[serde(borrow, rename = "h")]
    high: Number<'a>,
    #[serde(borrow, rename = "l")]
    low: Number<'a>,
    #[serde(borrow, rename = "c")]
    close: Number<'a>,
    #[serde(borrow, rename = "v")]
    volume: Number<'a>,
    #[serde(rename = "x")]
    closed: bool,
}

impl Feed {
    pub(super) fn new(subscriptions: &[Subscription]) -> Self {
        let stream = |Subscription { symbol, timeframe }: &Subscription| {
            format!("{}@kline_{timeframe}", symbol.as_str().to_ascii_lowercase())
        };
        Self { streams: subscriptions.iter().map(stream).collect::<Vec<_>>().join("/") }
    }
}

impl Session for Feed {
    fn address(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path("/stream");
        // `@` and `/` may stand in a query as they are.
        url.set_query(Some(&format!("streams={}", self.streams)));
        url
    }

    fn greetings(&self) -> Vec<String> {
        Vec::new()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        None
    }

    fn read(&mut self, message: &str, events: &mut Vec<Event>) {
        let inner = match serde_json::from_str(message) {
            Ok(Wrapped { data: Some(data) }) => data.get(),
            _ => message,
        };
        let Ok(read) = serde_json::from_str::<Message>(inner) else {
            events.push(Event::unknown(inner));
            return;
        };
        events.push(match (read.kind, read.kline) {
            (Some("kline"), Some(kline)) => bar(kline.get()),
            (Some("serverShutdown"), _) => Event::Ending("the venue announced a shutdown"),
            (Some(kind), _) => Event::unknown(kind),
            // The answer to a request, or what is not known.
            (None, _) => Event::unknown(inner),
        });
    }
}

fn bar(text: &str) -> Event {
    let kline: Kline = match serde_json::from_str(text) {
        Ok(kline) => kline,
        Err(error) => return Event::unusable(None, error),
    };
    let Ok(timeframe) = kline.interval.parse::<Timeframe>() else {
        return Event::unusable(Some(kline.symbol), format_args!("interval {}", kline.interval));
    };
    let Kline { open, high, low, close, volume, .. } = kline;
    match (BarText { open, high, low, close, volume }).read() {
        Ok(bar) => Event::Bar {
            symbol: kline.symbol.into(),
            timeframe,
            open_time: UnixMillis(kline.open_time),
            bar,
            closed: kline.closed,
        },
        Err(error) => Event::unusable(Some(kline.symbol), error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Vec<Event> {
        let subscriptions = [("OMGBUSD", Timeframe::M1), ("BTCUSDT", Timeframe::H1)];
        let subscriptions =
            subscriptions.map(|(symbol, timeframe)| Subscription { symbol: symbol.parse().unwrap(), timeframe });
        let mut events = Vec::new();
        Feed::new(&subscriptions).read(message, &mut events);
        events
    }

    #[test]
    fn the_address_names_the_streams() {
        let subscriptions = [("BTCUSDT", Timeframe::M1), ("ETHUSDT", Timeframe::H4)];
        let subscriptions =
            subscriptions.map(|(symbol, timeframe)| Subscription { symbol: symbol.parse().unwrap(), timeframe });
        let url = Feed::new(&subscriptions).address(&"wss://stream.binance.com:9443".parse().unwrap());
        assert_eq!(url.as_str(), "wss://stream.binance.com:9443/stream?streams=btcusdt@kline_1m/ethusdt@kline_4h");
    }

    #[test]
    fn a_kline_is_read_wrapped_or_not() {
        let data = r#"{"e":"kline","E":1633998294628,"s":"OMGBUSD","k":{"t":1633998240000,"T":1633998299999,
            "s":"OMGBUSD","i":"1m","f":439572,"L":439585,"o":"13.72120000","c":"13.76640000","h":"13.80760000",
            "l":"13.72120000","v":"536.51000000","n":14,"x":true,"q":"7387.12073500","V":"231.60000000",
            "Q":"3187.75743000","B":"0"}}"#;
        for message in [data.to_owned(), format!(r#"{{"stream":"omgbusd@kline_1m","data":{data}}}"#)] {
            let events = read(&message);
            let [Event::Bar { symbol, timeframe: Timeframe::M1, open_time, bar, closed: true }] = &events[..] else {
                panic!("{events:?}");
            };
            assert_eq!((&**symbol, open_time.0), ("OMGBUSD", 1_633_998_240_000));
            let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
            assert_eq!(numbers, ["13.72120000", "13.80760000", "13.72120000", "13.76640000", "536.51000000"]);
        }
    }

    #[test]
    fn what_is_no_kline_is_told_apart() {
        assert!(matches!(read(r#"{"e":"serverShutdown","E":1}"#)[..], [Event::Ending(_)]));
        for (message, kind) in [(r#"{"e":"trade","E":1}"#, "trade"), ("no JSON", "no JSON"), ("", ""), ("[]", "[]")] {
            assert!(matches!(&read(message)[..], [Event::Unknown(found)] if &**found == kind), "{message}");
        }
        let impossible =
            r#"{"e":"kline","k":{"t":1,"s":"A","i":"1m","o":"x","h":"1","l":"1","c":"1","v":"1","x":false}}"#;
        assert!(matches!(&read(impossible)[..], [Event::Unusable { symbol: Some(symbol), .. }] if &**symbol == "A"));
    }
}
