//! `[[sources]]`: venues to connect, and what to subscribe there.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::duration::span_within;
use super::error::{Key, Problem};
use super::lenient::{Scalar, Texts};
use super::recipient::SecretSource;
use crate::series::{Symbol, Venue};
use crate::timeframe::Timeframe;

const VENUES: [&str; 6] = ["binance", "kraken", "coinbase", "bybit", "okx", "oanda"];
const WARMUP_MAX: u32 = 5_000;

/// One venue and what is wanted from it.
#[derive(Debug)]
pub struct SourceConfig {
    /// The venue.
    pub venue: Venue,
    /// Its instruments.
    pub symbols: Vec<Symbol>,
    /// Timeframes to subscribe.
    pub timeframes: Vec<Timeframe>,
    /// Timeframes built from the smallest subscribed one.
    pub derive: Vec<Timeframe>,
    /// Closed candles wanted before the first live one; `None`: what the strategies need.
    pub warmup: Option<u32>,
    /// How long to wait for a closing message before the venue's REST row decides.
    pub grace: Duration,
    /// REST, WebSocket and stream base URLs, where they are not the venue's own.
    pub urls: SourceUrls,
    /// The venue's access token, where it needs one.
    pub token: Option<SecretSource>,
    /// The venue's account, where it needs one.
    pub account: Option<String>,
}

/// Base URLs that replace the venue's own.
#[derive(Clone, Debug, Default)]
pub struct SourceUrls {
    /// REST.
    pub rest: Option<url::Url>,
    /// WebSocket.
    pub ws: Option<url::Url>,
    /// OANDA's price stream.
    pub stream: Option<url::Url>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSource {
    venue: Option<String>,
    symbols: Texts,
    timeframes: Texts,
    derive: Texts,
    warmup: Option<Scalar<u32>>,
    grace: Option<String>,
    rest_url: Option<String>,
    ws_url: Option<String>,
    stream_url: Option<String>,
    token: Option<SecretString>,
    token_file: Option<String>,
    account: Option<String>,
}

pub(super) fn check_all(sources: Vec<RawSource>) -> Result<Vec<SourceConfig>, Problem> {
    let root = Key::root("sources");
    sources.into_iter().enumerate().map(|(index, source)| source.check(&root.item(index))).collect()
}

impl RawSource {
    fn check(self, key: &Key) -> Result<SourceConfig, Problem> {
        let venue = self.venue.ok_or_else(|| key.child("venue").problem("missing"))?;
        if !VENUES.contains(&venue.as_str()) {
            return Err(key.child("venue").problem(format_args!("unknown venue, known: {}", VENUES.join(" "))));
        }
        let symbols: Vec<Symbol> = list(&key.child("symbols"), &self.symbols)?;
        let timeframes: Vec<Timeframe> = list(&key.child("timeframes"), &self.timeframes)?;
        for (name, empty) in [("symbols", symbols.is_empty()), ("timeframes", timeframes.is_empty())] {
            if empty {
                return Err(key.child(name).problem("missing or empty"));
            }
        }
        let derive: Vec<Timeframe> = list(&key.child("derive"), &self.derive)?;
        let smallest = timeframes.iter().min().copied();
        if let Some(at) = derive.iter().position(|timeframe| Some(*timeframe) <= smallest) {
            return Err(key.child("derive").item(at).problem("not longer than the smallest subscribed timeframe"));
        }
        if self.warmup.is_some_and(|warmup| warmup.0 > WARMUP_MAX) {
            return Err(key.child("warmup").problem(format_args!("more than {WARMUP_MAX} candles")));
        }
        let grace = span_within(
            &key.child("grace"),
            self.grace.as_ref(),
            Duration::from_secs(5),
            Duration::from_millis(100),
            Duration::from_mins(10),
        )?;
        Ok(SourceConfig {
            venue: venue.parse().map_err(|error| key.child("venue").problem(error))?,
            symbols,
            timeframes,
            derive,
            warmup: self.warmup.map(|warmup| warmup.0),
            grace,
            urls: SourceUrls {
                rest: venue_url(&key.child("rest_url"), self.rest_url.as_ref(), &["http", "https"])?,
                ws: venue_url(&key.child("ws_url"), self.ws_url.as_ref(), &["ws", "wss"])?,
                stream: venue_url(&key.child("stream_url"), self.stream_url.as_ref(), &["http", "https"])?,
            },
            token: SecretSource::either(&key.child("token"), self.token, self.token_file)?,
            account: self.account,
        })
    }
}

fn list<T: std::str::FromStr<Err: std::fmt::Display>>(key: &Key, texts: &Texts) -> Result<Vec<T>, Problem> {
    texts
        .0
        .iter()
        .enumerate()
        .map(|(at, text)| text.parse().map_err(|error: T::Err| key.item(at).problem(error)))
        .collect()
}

/// Reads a URL whose path would not be used: it is the adapter's own.
fn venue_url(key: &Key, text: Option<&String>, schemes: &[&str]) -> Result<Option<url::Url>, Problem> {
    let url = base_url(key, text, schemes)?;
    if url.as_ref().is_some_and(|url| url.path() != "/" || url.query().is_some()) {
        return Err(key.problem("has a path: only scheme, host and port can be replaced"));
    }
    Ok(url)
}

/// Reads a URL of one of `schemes` that names a host.
pub(super) fn base_url(key: &Key, text: Option<&String>, schemes: &[&str]) -> Result<Option<url::Url>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let url = url::Url::parse(text).map_err(|error| key.problem(format_args!("not a URL: {error}")))?;
    if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
        return Err(key.problem(format_args!("not a {}:// URL with a host", schemes.join(":// or "))));
    }
    Ok(Some(url))
}
