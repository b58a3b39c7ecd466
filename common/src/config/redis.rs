//! `[redis]`: how to reach it, and how the keys are laid out.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::error::{Key, Problem};
use super::lenient::{Scalar, Texts};
use super::redis_access::{RawAccess, RedisAccess};
use crate::keys::Keys;
use crate::series::{PARTITIONS_MAX, Partitions};

pub(super) const DEFAULT_URL: &str = "redis://127.0.0.1:6379/0";
/// The port of a URL that names none.
pub(crate) const DEFAULT_PORT: u16 = 6_379;

/// How to reach Redis, and how the keys are laid out.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    urls: Vec<SecretString>,
    /// Who the programs are to Redis, and whom they believe.
    pub access: RedisAccess,
    /// Whether the URLs are nodes of a Redis Cluster.
    pub cluster: bool,
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
    username: Option<String>,
    password: Option<SecretString>,
    password_file: Option<String>,
    ca_file: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
}

impl RedisConfig {
    /// The URLs, with their credentials: for connections only. One, or more of a cluster's nodes.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(SecretString::expose_secret)
    }

    /// Hosts and ports, as they may be shown.
    pub fn address(&self) -> String {
        let address = |url: &str| {
            let url = url::Url::parse(url).ok()?;
            Some(format!("{}:{}", url.host_str()?, url.port().unwrap_or(DEFAULT_PORT)))
        };
        let addresses: Vec<String> = self.urls().filter_map(address).collect();
        addresses.join(",")
    }
}

impl RawRedis {
    pub(super) fn check(self, key: &Key) -> Result<RedisConfig, Problem> {
        let cluster = self.cluster.is_some_and(|cluster| cluster.0);
        let urls = self.url.map_or_else(|| vec![DEFAULT_URL.to_owned()], |texts| texts.0);
        let url_key = key.child("url");
        match urls.len() {
            0 => return Err(url_key.problem("names no server")),
            1 => {}
            _ if !cluster => return Err(url_key.problem("a list of URLs needs cluster = true")),
            _ => {}
        }
        for url in &urls {
            check_url(&url_key, url, cluster)?;
        }
        let urls_with_tls = urls.iter().filter(|url| is_tls(url)).count();
        if urls_with_tls != 0 && urls_with_tls != urls.len() {
            return Err(url_key.problem("redis:// and rediss:// in one cluster"));
        }
        let access = RawAccess {
            username: self.username,
            password: self.password,
            password_file: self.password_file,
            ca_file: self.ca_file,
            cert_file: self.cert_file,
            key_file: self.key_file,
        };
        let access = access.check(key, &urls, urls_with_tls != 0)?;
        let prefix = self.prefix.unwrap_or_else(|| "cw".to_owned());
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
        if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(allowed) {
            return Err(key.child("prefix").problem("not 1 to 64 of A-Z a-z 0-9 _ - . :"));
        }
        let count = self.partitions.map_or(16, |count| count.0);
        let partitions = u16::try_from(count).ok().and_then(Partitions::new).ok_or_else(|| {
            key.child("partitions").problem(format_args!("not a whole number from 1 to {PARTITIONS_MAX}"))
        })?;
        let urls = urls.into_iter().map(SecretString::from).collect();
        Ok(RedisConfig { urls, access, cluster, keys: Keys::new(prefix), partitions })
    }
}

fn is_tls(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.scheme() == "rediss")
}

fn check_url(key: &Key, url: &str, cluster: bool) -> Result<(), Problem> {
    let parsed = url::Url::parse(url).map_err(|error| key.problem(format_args!("not a URL: {error}")))?;
    if !matches!(parsed.scheme(), "redis" | "rediss") {
        return Err(key.problem("not a redis:// or rediss:// URL"));
    }
    if parsed.fragment().is_some() {
        return Err(key.problem("a URL with #: certificates are always checked, redis.ca_file names whom to trust"));
    }
    if parsed.host_str().is_none_or(str::is_empty) {
        return Err(key.problem("the URL names no host"));
    }
    match parsed.path().trim_matches('/') {
        "" => Ok(()),
        database if database.parse::<u16>().is_err() => Err(key.problem("the URL's path is not a database number")),
        database if cluster && database != "0" => Err(key.problem("a cluster has database 0 alone")),
        _ => Ok(()),
    }
}
