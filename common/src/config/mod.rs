//! Configuration: `candlewire.toml`, the environment over it, secrets from files.
//!
//! Owns reading and checking, once, at start. What comes out is valid; every refusal is one line
//! that names the key and, unless it is a secret, the value. The one file serves all processes, so
//! all tables are always checked, while files that hold another process's secrets are not opened.

mod cache;
mod delivery;
mod duration;
mod error;
mod http;
mod lenient;
mod overlay;
mod recipient;
mod redis;
mod redis_access;
mod secret;
mod source;
mod strategy;
mod streams;
mod worker;

pub use cache::CacheConfig;
pub use delivery::{DeliveryConfig, MaxAge};
pub use error::ConfigError;
pub use http::HttpConfig;
pub use recipient::{QuietHours, QuietManner, Rate, RecipientConfig, RecipientKind, SecretSource};
pub use redis::RedisConfig;
pub use redis_access::{ClientFiles, RedisAccess};
pub use source::SourceConfig;
pub use strategy::IndicatorTable;
pub use streams::StreamsConfig;
pub use worker::WorkerConfig;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::indicator::IndicatorSpec;
use crate::strategy::Strategy;
use error::{Key, Problem};
use overlay::Overlay;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "candlewire.toml";

/// Everything that can be configured, checked.
#[derive(Debug)]
pub struct Config {
    /// How to reach Redis, and how the keys are laid out.
    pub redis: RedisConfig,
    /// The indicator cache.
    pub cache: CacheConfig,
    /// Where each process serves its metrics.
    pub http: HttpConfig,
    /// The indicator-worker.
    pub worker: WorkerConfig,
    /// How long streams are kept.
    pub streams: StreamsConfig,
    /// Where candles come from.
    pub sources: Vec<SourceConfig>,
    /// What to cross.
    pub strategies: Vec<Strategy>,
    /// Indicators to show though no strategy uses them.
    pub indicators: Vec<IndicatorTable>,
    /// How alerts are delivered.
    pub delivery: DeliveryConfig,
    /// Who receives alerts.
    pub recipients: Vec<RecipientConfig>,
}

/// The file's shape, before anything is checked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawConfig {
    redis: redis::RawRedis,
    cache: cache::RawCache,
    http: http::RawHttp,
    worker: worker::RawWorker,
    streams: streams::RawStreams,
    sources: Vec<source::RawSource>,
    strategies: Vec<strategy::RawStrategy>,
    indicators: Vec<strategy::RawIndicators>,
    delivery: delivery::RawDelivery,
    recipients: Vec<recipient::RawRecipient>,
}

impl Config {
    /// Reads the configuration of this process: the named file, else `CANDLEWIRE_CONFIG`, else
    /// [`DEFAULT_FILE`] where it exists, with the environment over it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], the first thing that is wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = file.map(Path::to_owned).or_else(|| {
            let variable = environment.iter().find(|(name, value)| name == "CANDLEWIRE_CONFIG" && !value.is_empty());
            variable.map(|(_, path)| PathBuf::from(path))
        });
        let path = named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()));
        let text = match &path {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| ConfigError::file(path, &error))?,
        };
        Self::from_text(&text, path.as_deref(), &environment)
    }

    /// Reads configuration text and lays `environment` over it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], the first thing that is wrong.
    pub fn from_text(text: &str, path: Option<&Path>, environment: &[(String, String)]) -> Result<Self, ConfigError> {
        let path = path.unwrap_or(Path::new("configuration"));
        let table: toml::Table = toml::from_str(text).map_err(|error| ConfigError::syntax(path, text, &error))?;
        let overlay = Overlay::lay(table, environment)?;
        let raw = overlay.read::<RawConfig>()?;
        raw.check().map_err(|problem| overlay.explain(problem))
    }
}

impl RawConfig {
    fn check(self) -> Result<Config, Problem> {
        let strategies = strategy::check_all(self.strategies)?;
        let indicators = strategy::check_tables(self.indicators)?;
        let computed = indicators.iter().flat_map(|table| table.compute.iter().map(|named| named.spec));
        let needed = strategies.iter().map(Strategy::settling).chain(computed.map(IndicatorSpec::settling));
        let needed = needed.max().unwrap_or(0);
        Ok(Config {
            redis: self.redis.check(&Key::root("redis"))?,
            cache: self.cache.check(&Key::root("cache"), needed)?,
            http: self.http.check(&Key::root("http"))?,
            worker: self.worker.check(&Key::root("worker"))?,
            streams: self.streams.check(&Key::root("streams"))?,
            sources: source::check_all(self.sources)?,
            strategies,
            indicators,
            delivery: self.delivery.check(&Key::root("delivery"))?,
            recipients: recipient::check_all(self.recipients)?,
        })
    }
}

#[cfg(test)]
mod tests;
