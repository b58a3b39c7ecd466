//! Lines of `/v3/accounts/{account}/pricing/stream`: prices and heartbeats. The instruments are named in the
//! address. What is told of a candle is only that time has moved on: the highest and the lowest price may be missing.

use std::borrow::Cow;

use candlewire_common::series::Symbol;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use crate::venue::bar_text::Number;
use crate::venue::event::Event;
use crate::venue::{KeepAlive, Session, Subscription, instant, refusal};

/// One connection.
#[derive(Debug)]
pub(super) struct Feed {
    account: String,
    /// Each once, however many timeframes of it are wanted.
    instruments: Vec<Symbol>,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "errorMessage")]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Price<'a> {
    #[serde(borrow)]
    instrument: Cow<'a, str>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    bids: Option<&'a RawValue>,
}

/// One step of the book.
#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    price: Number<'a>,
}

impl Feed {
    pub(super) fn new(account: &str, subscriptions: &[Subscription]) -> Self {
        let mut instruments: Vec<Symbol> = Vec::new();
        for Subscription { symbol, .. } in subscriptions {
            if !instruments.contains(symbol) {
                instruments.push(symbol.clone());
            }
        }
        Self { account: account.to_owned(), instruments }
    }
}

impl Session for Feed {
    fn address(&self, base: &Url) -> Url {
        let mut url = base.clone();
        url.set_path("");
        if let Ok(mut path) = url.path_segments_mut() {
            path.clear().extend(["v3", "accounts", &self.account, "pricing", "stream"]);
        }
        let instruments: Vec<_> = self.instruments.iter().map(Symbol::as_str).collect();
        let query = [("instruments", &*instruments.join(",")), ("snapshot", "true")];
        url.query_pairs_mut().clear().extend_pairs(query);
        url
    }

    fn greetings(&self) -> Vec<String> {
        Vec::new()
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        None
    }

    fn read(&mut self, message: &str, events: &mut Vec<Event>) {
        let Ok(Line { kind, error }) = serde_json::from_str(message) else {
            events.push(Event::unknown(message));
            return;
        };
        match (kind.as_deref(), error) {
            (Some("PRICE"), _) => events.push(price(message)),
            (Some("HEARTBEAT"), _) => events.push(Event::Alive),
            (_, Some(error)) => {
                let known = |word: &str| self.instruments.iter().find(|known| known.as_str() == word);
                refusal::push(&refusal::named(&error, known), &error, events);
            }
            (kind, None) => events.push(Event::unknown(kind.unwrap_or(message))),
        }
    }
}

fn price(text: &str) -> Event {
    let Price { instrument, time, status, bids } = match serde_json::from_str(text) {
        Ok(price) => price,
        Err(error) => return Event::unusable(None, error),
    };
    if status.as_deref() == Some("non-tradeable") {
        return Event::Alive;
    }
    let unusable = |what: &dyn std::fmt::Display| Event::unusable(Some(&instrument), what);
    let Some(time) = instant::rfc3339(time.as_deref().unwrap_or_default()) else {
        return unusable(&"time of a price");
    };
    let bids: Vec<Bucket> = match serde_json::from_str(bids.map_or("[]", RawValue::get)) {
        Ok(bids) => bids,
        Err(error) => return unusable(&error),
    };
    let Some(best) = bids.first() else { return unusable(&"no bid") };
    match best.price.price("bid") {
        Ok(price) => Event::Price { symbol: (&*instrument).into(), time, price, trade: None },
        Err(error) => unusable(&error),
    }
}

#[cfg(test)]
mod tests {
    use candlewire_common::timeframe::Timeframe;

    use super::*;

    fn feed(account: &str) -> Feed {
        let subscriptions = [("EUR_USD", Timeframe::M1), ("EUR_USD", Timeframe::H1), ("USD_JPY", Timeframe::M1)];
        let subscriptions =
            subscriptions.map(|(symbol, timeframe)| Subscription { symbol: symbol.parse().unwrap(), timeframe });
        Feed::new(account, &subscriptions)
    }

    fn read(message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        feed("101-1").read(message, &mut events);
        events
    }

    #[test]
    fn the_address_names_each_instrument_once() {
        for (account, path) in [("101-001-1-001", "101-001-1-001"), ("a/b?c", "a%2Fb%3Fc")] {
            let url = feed(account).address(&"https://stream-fxpractice.oanda.com".parse().unwrap());
            let query = "instruments=EUR_USD%2CUSD_JPY&snapshot=true";
            let expected = format!("https://stream-fxpractice.oanda.com/v3/accounts/{path}/pricing/stream?{query}");
            assert_eq!(url.as_str(), expected);
        }
    }

    const PRICE: &str = r#"{"type":"PRICE","instrument":"EUR_USD","time":"2016-10-27T08:38:45.664613867Z",
        "status":"tradeable","bids":[{"price":"1.09177","liquidity":10000000}],
        "asks":[{"price":"1.09188","liquidity":10000000}],"closeoutBid":"1.09173","closeoutAsk":"1.09192"}"#;

    #[test]
    fn the_best_bid_is_the_price() {
        let events = read(PRICE);
        let [Event::Price { symbol, time, price, trade: None }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&**symbol, time.0, price.to_string()), ("EUR_USD", 1_477_557_525_664, "1.09177".to_owned()));
    }

    #[test]
    fn lines_are_told_apart() {
        let heartbeat = r#"{"type":"HEARTBEAT","time":"2016-10-27T08:38:44.327443673Z"}"#;
        let shut = PRICE.replace("tradeable", "non-tradeable");
        for alive in [heartbeat, &shut] {
            assert!(matches!(read(alive)[..], [Event::Alive]), "{alive}");
        }
        for (from, to) in [("1.09177", "x"), ("2016", ""), (r#"[{"price":"1.09177","liquidity":10000000}]"#, "[]")] {
            let broken = PRICE.replace(from, to);
            assert!(matches!(&read(&broken)[..], [Event::Unusable { symbol: Some(_), .. }]), "{broken}");
        }
        assert!(matches!(read(r#"{"type":"PRICE"}"#)[..], [Event::Unusable { symbol: None, .. }]));
        for (message, kind) in
            [(r#"{"type":"NEWS"}"#, "NEWS"), ("{}", "{}"), ("", ""), (r#"{"type":"P"#, r#"{"type":"P"#)]
        {
            assert!(matches!(&read(message)[..], [Event::Unknown(found)] if &**found == kind), "{message}");
        }
    }

    #[test]
    fn a_refusal_names_its_instrument() {
        let named = r#"{"errorMessage":"Invalid instrument USD_JPY."}"#;
        assert!(matches!(&read(named)[..], [Event::Refused { symbol: Some(symbol), .. }] if &**symbol == "USD_JPY"));
        let other = r#"{"errorMessage":"Insufficient authorization to perform request."}"#;
        assert!(matches!(&read(other)[..], [Event::Refused { symbol: None, .. }]));
    }
}
