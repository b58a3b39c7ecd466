//! `[redis]`: how to reach it, and how the keys are laid out.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::{Key, Problem};
use super::lenient::{Scalar, Texts};
use crate::keys::Keys;
use crate::series::{PARTITIONS_MAX, Partitions};

pub(super) const DEFAULT_URL: &str = "redis://127.0.0.1:6379/0";

/// How to reach Redis, and how the keys are laid out.
#[derive(Debug)]
pub struct RedisConfig {
    url: SecretString,
    /// What every key begins with.
    pub keys: Keys,
    /// How many partitions the instruments are spread over.
    pub partitions: Partitions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRedis {
    url: Option<Texts>,
    prefix: Option<String>,
    partitions: Option<Scalar<u32>>,
    cluster: Option<Scalar<bool>>,
}

impl RedisConfig {
    /// The URL, with its credentials: for the connection only.
    pub fn url(&self) -> &str {
        self.url.expose_secret()
    }

    /// Host and port, as it may be shown.
    pub fn address(&self) -> String {
        let url = url::Url::parse(self.url()).ok();
        let host = url.as_ref().and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port().unwrap_or(6379))));
        host.unwrap_or_else(|| "redis".to_owned())
    }
}

impl RawRedis {
    pub(super) fn check(self, key: &Key) -> Result<RedisConfig, Problem> {
        let urls = self.url.map_or_else(|| vec![DEFAULT_URL.to_owned()], |texts| texts.0);
        if self.cluster.is_some_and(|cluster| cluster.0) {
            return Err(key.child("cluster").problem("this version speaks to a single Redis, not to a cluster"));
        }
        let url_key = key.child("url");
        let [url] =
            <[String; 1]>::try_from(urls).map_err(|_| url_key.problem("a list of URLs needs cluster = true"))?;
        let parsed = url::Url::parse(&url).map_err(|error| url_key.problem(format_args!("not a URL: {error}")))?;
        if !matches!(parsed.scheme(), "redis" | "rediss") {
            return Err(url_key.problem("not a redis:// or rediss:// URL"));
        }
        if parsed.host_str().is_none_or(str::is_empty) {
            return Err(url_key.problem("the URL names no host"));
        }
        let database = parsed.path().trim_matches('/');
        if !database.is_empty() && database.parse::<u16>().is_err() {
            return Err(url_key.problem("the URL's path is not a database number"));
        }
        let prefix = self.prefix.unwrap_or_else(|| "cw".to_owned());
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
        if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(allowed) {
            return Err(key.child("prefix").problem("not 1 to 64 of A-Z a-z 0-9 _ - . :"));
        }
        let count = self.partitions.map_or(16, |count| count.0);
        let partitions = u16::try_from(count).ok().and_then(Partitions::new).ok_or_else(|| {
            key.child("partitions").problem(format_args!("not a whole number from 1 to {PARTITIONS_MAX}"))
        })?;
        Ok(RedisConfig { url: url.into(), keys: Keys::new(prefix), partitions })
    }
}
