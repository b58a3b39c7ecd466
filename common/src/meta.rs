//! `{prefix}:meta`: the schema and partition count that all processes must share.

use std::fmt;

use redis::aio::ConnectionLike;
use redis::{ErrorKind, InfoDict, RedisError};
use tokio::time::sleep;

use crate::backoff;
use crate::config::RedisConfig;
use crate::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget, describe, is_cluster, is_moved};
use crate::exit::Fault;
use crate::metrics::RedisMetrics;
use crate::nodes::Nodes;
use crate::refusal::Refusal;

/// The version of the layout of keys and entries.
pub const SCHEMA: u32 = 1;
/// The field that holds the number of partitions.
pub const PARTITIONS: &str = "partitions";

/// Why the layout in Redis could not be agreed on.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// Redis did not answer.
    #[error("read the key layout: {0}")]
    Redis(#[from] RedisError),
    /// Redis may throw away whole streams with their groups.
    #[error("redis has maxmemory-policy {0}, which evicts whole streams: set noeviction (or volatile-lru)")]
    Evicts(String),
    /// Redis lacks what the programs are built on.
    #[error("this Redis is older than 7.0: streams without entries-read can't show a true lag")]
    TooOld,
    /// Redis is a node of a cluster.
    #[error("this Redis is a cluster: set redis.cluster = true")]
    IsCluster,
    /// The data is on its way to another number of partitions.
    #[error(
        "{key} says that partitions go from {from} to {to}: finish that with redis.partitions = {to} and `indicator-worker repartition`"
    )]
    Moving {
        /// The key.
        key: String,
        /// How many partitions there were.
        from: u16,
        /// How many there will be.
        to: u16,
    },
    /// Redis holds another layout.
    #[error("{key} says {field} {found}, but this process has {field} {ours}: {way_out}, or use another redis.prefix")]
    Differs {
        /// The key.
        key: String,
        /// `schema` or `partitions`.
        field: &'static str,
        /// What Redis holds.
        found: String,
        /// What this process was built or configured with.
        ours: String,
        /// What can be done.
        way_out: String,
    },
}

impl From<MetaError> for Fault {
    fn from(error: MetaError) -> Self {
        match &error {
            MetaError::Redis(cause) if cause.kind() != ErrorKind::InvalidClientConfig => {
                Self::Unreachable(error.to_string())
            }
            _ => Self::Usage(error.to_string()),
        }
    }
}

/// A change of the number of partitions that has begun: what the field `partitions` holds meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// How many partitions there were.
    pub from: u16,
    /// How many there will be.
    pub to: u16,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.from, self.to)
    }
}

impl Move {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn read(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('>')?;
        Some(Self { from: from.parse().ok()?, to: to.parse().ok()? })
    }
}

/// Checks every server and the layout, and writes the layout where there is none.
///
/// Writes only then, so that a full Redis stops nobody whose layout is agreed on already.
///
/// # Errors
///
/// [`MetaError`] when Redis holds another layout, is not fit to hold Candlewire's data, or does not answer.
pub async fn agree(target: &RedisTarget, config: &RedisConfig) -> Result<(), MetaError> {
    let mut nodes = Nodes::new(target.clone(), RESPONSE_TIMEOUT);
    for node in nodes.all().await? {
        inspect(&mut nodes.to(&node).await?, config.cluster).await?;
    }
    let key = config.keys.meta();
    let node = nodes.of(&key).await?;
    let mut connection = nodes.to(&node).await?;
    if verify(&mut connection, config).await? {
        return Ok(());
    }
    let mut pipe = redis::pipe();
    pipe.atomic();
    for (field, value) in ours(config) {
        pipe.cmd("HSETNX").arg(&key).arg(field).arg(value).ignore();
    }
    pipe.exec_async(&mut connection).await?;
    verify(&mut connection, config).await.map(|_| ())
}

/// Refuses a server that can't hold the data: it evicts keys without a time to live, is older than what
/// the programs are built on, or is a cluster's node that was taken for a lone one. What it does not tell
/// is believed.
async fn inspect(connection: &mut impl ConnectionLike, cluster: bool) -> Result<(), MetaError> {
    let info = told(redis::cmd("INFO").arg("memory").query_async::<InfoDict>(connection).await)?;
    let policy = info.and_then(|info| info.get::<String>("maxmemory_policy"));
    if let Some(policy) = policy.filter(|policy| policy.starts_with("allkeys-")) {
        return Err(MetaError::Evicts(policy));
    }
    // Scripts can ask for the version since 7.0, as they can in Valkey.
    let probe =
        redis::cmd("EVAL").arg("return redis.REDIS_VERSION_NUM and 1 or 0").arg(0).query_async(connection).await;
    if told(probe)? == Some(0) {
        return Err(MetaError::TooOld);
    }
    if !cluster && is_cluster(connection).await == Some(true) {
        return Err(MetaError::IsCluster);
    }
    Ok(())
}

/// An answer, or none where the server refuses to tell.
fn told<T>(answer: Result<T, RedisError>) -> Result<Option<T>, RedisError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if RedisFault::of(&error) == RedisFault::Connection => Err(error),
        Err(_) => Ok(None),
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
    let found = redis::cmd("HMGET").arg(&key).arg(&fields).query_async::<Vec<Option<String>>>(connection).await;
    let found = found.map_err(|error| match error {
        moved if !config.cluster && is_moved(&moved) => MetaError::IsCluster,
        error => error.into(),
    })?;
    let mut is_whole = true;
    for ((field, ours), found) in ours.into_iter().zip(found) {
        let Some(found) = found else {
            is_whole = false;
            continue;
        };
        if found == ours {
            continue;
        }
        if let Some(Move { from, to }) = Move::read(&found) {
            return Err(MetaError::Moving { key, from, to });
        }
        let way_out = match field {
            PARTITIONS => {
                format!("set redis.partitions = {found}, or move the data with `indicator-worker repartition`")
            }
            _ => "run a matching version of Candlewire".to_owned(),
        };
        return Err(MetaError::Differs { key, field, found, ours, way_out });
    }
    Ok(is_whole)
}

/// Agrees on the layout for a long-running process: waits for Redis, saying why unless there is
/// no connection, which the watchdog says. Cancel-safe.
///
/// # Errors
///
/// [`Fault::Usage`] when Redis holds another layout or is not fit to hold the data.
pub async fn wait(target: &RedisTarget, config: &RedisConfig, metrics: &RedisMetrics) -> Result<(), Fault> {
    let mut delays = backoff::redis();
    let mut said = RedisFault::Connection;
    loop {
        let error = match agree(target, config).await {
            Ok(()) => return Ok(()),
            Err(MetaError::Redis(error)) if error.kind() != ErrorKind::InvalidClientConfig => error,
            Err(refused) => return Err(refused.into()),
        };
        let fault = metrics.count(&error);
        let is_the_watchdogs =
            fault == RedisFault::Connection || Refusal::of(&error).is_some_and(Refusal::is_at_the_door);
        if !is_the_watchdogs && std::mem::replace(&mut said, fault) != fault {
            tracing::warn!("waiting for redis: {}", describe(&error));
        }
        sleep(delays.next().unwrap_or(RESPONSE_TIMEOUT)).await;
    }
}

fn ours(config: &RedisConfig) -> [(&'static str, String); 2] {
    [("schema", SCHEMA.to_string()), (PARTITIONS, config.partitions.count().to_string())]
}
