//! `indicator-worker show`: the state of one series, for people or programs.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::meta;
use candlewire_common::series::Series;
use candlewire_common::stream::Fields;
use candlewire_common::time::UnixMillis;
use serde_json::{Map, Value, json};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Prints the state of `series` on standard output.
///
/// # Errors
///
/// [`Fault::Unreachable`] when Redis does not answer, [`Fault::Usage`] when the series has no state.
pub async fn show(config: &Config, series: &Series, as_json: bool) -> Result<Outcome> {
    let target = RedisTarget::new(&config.redis)?;
    let mut connection = target.connect_once(&config.redis.keys.meta()).await?;
    meta::verify(&mut connection, &config.redis).await.map_err(Fault::from)?;
    let partition = series.partition(config.redis.partitions);
    let (hash, history) = (config.redis.keys.state(partition, series), config.redis.keys.history(partition, series));
    let mut connection = target.connect_once(&hash).await?;
    let mut pipe = redis::pipe();
    pipe.cmd("HGETALL").arg(&hash).cmd("PTTL").arg(&hash).cmd("XLEN").arg(&history);
    let read = pipe.query_async(&mut connection).await;
    let (fields, ttl_ms, history): (Vec<_>, i64, u64) = read.map_err(|error| target.unreachable(&error))?;
    if fields.is_empty() {
        let line = match history {
            0 => format!("{series} has no state: no candle of it was applied yet, or all of it is gone"),
            _ => format!(
                "{series} has no state: it was reset or has expired, and is rebuilt from {history} candles of history when its next candle comes"
            ),
        };
        return Err(Fault::Usage(line).into());
    }
    let shown = Shown { series, partition: partition.0, fields: Fields(fields), ttl_ms, history };
    let text = if as_json { format!("{:#}\n", shown.json()) } else { shown.table() };
    std::io::stdout().write_all(text.as_bytes()).context("write to standard output")?;
    Ok(Outcome::Done)
}

/// What there is to show.
struct Shown<'a> {
    series: &'a Series,
    partition: u16,
    fields: Fields,
    ttl_ms: i64,
    history: u64,
}

impl Shown<'_> {
    fn json(&self) -> Value {
        let number = |name: &str| self.fields.text(name).and_then(|text| text.parse::<i64>().ok());
        let indicators: Map<String, Value> = self
            .indicators()
            .into_iter()
            .map(|(name, value)| (name, value.parse::<f64>().map_or(Value::Null, Value::from)))
            .collect();
        json!({
            "series": self.series.as_str(),
            "partition": self.partition,
            "open_time": number("open_time"),
            "close": self.fields.text("close"),
            "candles": number("candles"),
            "genesis": number("genesis"),
            "indicators": indicators,
            "history": self.history,
            "expires_in_seconds": u64::try_from(self.ttl_ms).ok().map(|ms| ms / 1_000),
        })
    }

    fn table(&self) -> String {
        let time = |name: &str| {
            let millis = self.fields.text(name).and_then(|text| text.parse().ok());
            millis.map_or_else(|| "?".to_owned(), |millis| UnixMillis(millis).rfc3339())
        };
        let text = |name: &str| self.fields.text(name).unwrap_or("?").to_owned();
        let expires = u64::try_from(self.ttl_ms).map_or("never".to_owned(), |ms| {
            let seconds = ms / 1_000;
            // Of days, nobody wants to read the seconds.
            let coarse = if seconds < DAY { seconds } else { seconds - seconds % HOUR };
            format!("in {}", humantime::format_duration(Duration::from_secs(coarse)))
        });
        let mut rows = vec![
            ("series".to_owned(), format!("{} (partition {})", self.series, self.partition)),
            ("last candle".to_owned(), format!("{}, close {}", time("open_time"), text("close"))),
            ("applied".to_owned(), format!("{} candles since {}", text("candles"), time("genesis"))),
            ("history".to_owned(), format!("{} candles", self.history)),
            ("expires".to_owned(), expires),
        ];
        rows.extend(self.indicators());
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect::<Vec<_>>().concat()
    }

    /// Names and values of the indicators that have one, by name.
    fn indicators(&self) -> BTreeMap<String, String> {
        let is_indicator = |name: &[u8]| name.contains(&b'(');
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = self.fields.0.iter().filter(|(name, _)| is_indicator(name));
        shown.map(|(name, value)| (text(name), text(value))).collect()
    }
}
