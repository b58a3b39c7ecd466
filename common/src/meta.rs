//! `{prefix}:meta`: the schema and partition count that all processes must share.

use redis::RedisError;
use redis::aio::ConnectionLike;
use tokio::time::sleep;

use crate::backoff;
use crate::config::RedisConfig;
use crate::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget, describe};
use crate::exit::Fault;
use crate::metrics::RedisMetrics;

/// The version of the layout of keys and entries.
pub const SCHEMA: u32 = 1;

/// Why the layout in Redis could not be agreed on.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// Redis did not answer.
    #[error("read the key layout: {0}")]
    Redis(#[from] RedisError),
    /// Redis may throw away whole streams with their groups.
    #[error("redis has maxmemory-policy {0}, which evicts whole streams: set noeviction (or volatile-lru)")]
    Evicts(String),
    /// Redis holds another layout.
    #[error(
        "{key} says {field} {found}, but this process has {field} {ours}: set {setting}, or use another redis.prefix"
    )]
    Differs {
        /// The key.
        key: String,
        /// `schema` or `partitions`.
        field: &'static str,
        /// What Redis holds.
        found: String,
        /// What this process was built or configured with.
        ours: String,
        /// The way out.
        setting: String,
    },
}

impl From<MetaError> for Fault {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Redis(_) => Self::Unreachable(error.to_string()),
            MetaError::Evicts(_) | MetaError::Differs { .. } => Self::Usage(error.to_string()),
        }
    }
}

/// Checks the layout and the eviction policy, and writes the layout where there is none.
///
/// Writes only then, so that a full Redis stops nobody whose layout is agreed on already.
///
/// # Errors
///
/// [`MetaError`] when Redis holds another layout, evicts streams, or does not answer.
pub async fn agree(connection: &mut impl ConnectionLike, config: &RedisConfig) -> Result<(), MetaError> {
    refuse_eviction(connection).await?;
    if verify(connection, config).await? {
        return Ok(());
    }
    let key = config.keys.meta();
    let mut pipe = redis::pipe();
    pipe.atomic();
    for (field, value) in ours(config) {
        pipe.cmd("HSETNX").arg(&key).arg(field).arg(value).ignore();
    }
    pipe.exec_async(connection).await?;
    verify(connection, config).await.map(|_| ())
}

/// Refuses a policy that evicts keys without a time to live. A server that doesn't tell is believed.
async fn refuse_eviction(connection: &mut impl ConnectionLike) -> Result<(), MetaError> {
    let info: Result<redis::InfoDict, RedisError> = redis::cmd("INFO").arg("memory").query_async(connection).await;
    let info = match info {
        Err(error) if RedisFault::of(&error) == RedisFault::Connection => return Err(error.into()),
        Err(_) => return Ok(()),
        Ok(info) => info,
    };
    match info.get::<String>("maxmemory_policy") {
        Some(policy) if policy.starts_with("allkeys-") => Err(MetaError::Evicts(policy)),
        _ => Ok(()),
    }
}

/// Checks the layout without writing; answers whether there is one.
///
/// # Errors
///
/// [`MetaError`] when Redis holds another layout or does not answer.
pub async fn verify(connection: &mut impl ConnectionLike, config: &RedisConfig) -> Result<bool, MetaError> {
    let (key, ours) = (config.keys.meta(), ours(config));
    let fields = ours.clone().map(|(field, _)| field);
    let found: Vec<Option<String>> = redis::cmd("HMGET").arg(&key).arg(&fields).query_async(connection).await?;
    let mut is_whole = true;
    for ((field, ours), found) in ours.into_iter().zip(found) {
        let Some(found) = found else {
            is_whole = false;
            continue;
        };
        if found != ours {
            let setting = match field {
                "partitions" => format!("redis.partitions = {found}"),
                _ => "a matching version of Candlewire up".to_owned(),
            };
            return Err(MetaError::Differs { key, field, found, ours, setting });
        }
    }
    Ok(is_whole)
}

/// Agrees on the layout for a long-running process: waits for Redis, saying why unless the connection
/// is just gone, which the watchdog says. Cancel-safe.
///
/// # Errors
///
/// [`Fault::Usage`] when Redis holds another layout or evicts streams.
pub async fn wait(target: &RedisTarget, config: &RedisConfig, metrics: &RedisMetrics) -> Result<(), Fault> {
    let mut delays = backoff::redis();
    let mut said = RedisFault::Connection;
    loop {
        let agreed = async {
            let mut connection = target.connect(RESPONSE_TIMEOUT).await?;
            agree(&mut connection, config).await
        };
        let error = match agreed.await {
            Ok(()) => return Ok(()),
            Err(MetaError::Redis(error)) => error,
            Err(differs) => return Err(differs.into()),
        };
        let fault = metrics.count(&error);
        if fault != RedisFault::Connection && std::mem::replace(&mut said, fault) != fault {
            tracing::warn!("waiting for redis: {}", describe(&error));
        }
        sleep(delays.next().unwrap_or(RESPONSE_TIMEOUT)).await;
    }
}

fn ours(config: &RedisConfig) -> [(&'static str, String); 2] {
    [("schema", SCHEMA.to_string()), ("partitions", config.partitions.count().to_string())]
}
