//! The venues, as the configuration opens them, and what is wanted of each.

use std::sync::{Arc, LazyLock};

use candlewire_common::config::Config;
use candlewire_common::timeframe::Timeframe;
use ingestor::venue::{self, Subscription, Venue};

/// Each venue, what its source needs, two of its symbols, and its answer without candles. Their places are the digits
/// that choose them.
const VENUES: [(&str, &str, [&str; 2], &str); 6] = [
    ("binance", "", ["BTCUSDT", "OMGBUSD"], "[]"),
    ("bybit", "", ["BTCUSDT", "ETHUSDT"], r#"{"retCode":0,"result":{"list":[]}}"#),
    ("coinbase", "", ["BTC-USD", "ETH-USD"], r#"{"candles":[]}"#),
    ("okx", "", ["BTC-USDT", "BTC-USDT-SWAP"], r#"{"code":"0","data":[]}"#),
    ("kraken", "", ["BTC/USD", "ETH/USD"], r#"{"error":[],"result":{"X":[],"last":0}}"#),
    ("oanda", "token = \"t\"\naccount = \"101-1\"", ["EUR_USD", "USD_JPY"], r#"{"candles":[]}"#),
];
const TIMEFRAMES: [Timeframe; 3] = [Timeframe::M1, Timeframe::M5, Timeframe::H1];

static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| VENUES.iter().map(Subject::open).collect());

/// A venue that is tried.
pub(super) struct Subject {
    pub(super) venue: Arc<dyn Venue>,
    pub(super) subscriptions: Vec<Subscription>,
    /// A REST answer without candles.
    pub(super) nothing: &'static [u8],
}

impl Subject {
    fn open((name, keys, symbols, nothing): &(&str, &str, [&str; 2], &'static str)) -> Self {
        let text = format!("[[sources]]\nvenue = \"{name}\"\nsymbols = {symbols:?}\ntimeframes = [\"1m\"]\n{keys}");
        let config = Config::from_text(&text, None, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
        let source = &config.sources[0];
        let venue = venue::open(source).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let subscription = |symbol: &&str, timeframe| match symbol.parse() {
            Ok(symbol) => Subscription { symbol, timeframe },
            Err(error) => panic!("{error}"),
        };
        let subscriptions =
            symbols.iter().flat_map(|symbol| TIMEFRAMES.map(|timeframe| subscription(symbol, timeframe)));
        Self { venue, subscriptions: subscriptions.collect(), nothing: nothing.as_bytes() }
    }
}

/// The venue that an input is for, and the rest of the input.
pub(super) fn chosen(input: &[u8]) -> Option<(&'static Subject, &[u8])> {
    let (first, rest) = input.split_first()?;
    Some((&SUBJECTS[usize::from(*first) % VENUES.len()], rest))
}
