//! The harness' own look at Redis, past all proxies.
//!
//! Owns a connection that is made anew when it breaks, and the questions that are asked over it: who owns which
//! partition, how far the workers are, whether a probe was applied. It reads what the contract shows to everyone.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_testkit::eventually;
use candlewire_testkit::wait::PATIENCE;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, Pipeline, RedisError, RedisResult, Value};

use crate::candle::Candle;
use crate::producer::entry;
use crate::series::{self, GROUP, PARTITIONS, Series, key, keys};

/// How long Redis may take to accept a connection or to answer. A frozen one comes back sooner.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The price of every probe. It never changes, so that no averages cross.
const PROBE_PRICE: i64 = 1_000;
/// The first probe's open time.
const PROBE_GENESIS_MS: i64 = 1_577_836_800_000;

type Info = HashMap<String, Value>;

/// Asks Redis.
#[derive(Debug)]
pub struct Control {
    client: redis::Client,
    connection: Option<MultiplexedConnection>,
    probes: Vec<Series>,
    rounds: i64,
}

/// Connects with deadlines that suit a busy machine.
///
/// # Errors
///
/// If Redis does not answer.
pub async fn connect(client: &redis::Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(RESPONSE_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT));
    client.get_multiplexed_async_connection_with_config(&config).await
}

impl Control {
    /// Prepares to ask the Redis behind `client`.
    pub fn new(client: redis::Client) -> Self {
        Self { client, connection: None, probes: series::probes(), rounds: 0 }
    }

    /// Returns another one, to look while this one is at work. It has no probes.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { client: self.client.clone(), connection: None, probes: Vec::new(), rounds: 0 }
    }

    /// Asks once. A connection that failed is not used again.
    ///
    /// # Errors
    ///
    /// If Redis does not answer, or refuses.
    pub async fn ask<T: FromRedisValue>(&mut self, pipe: &Pipeline) -> RedisResult<T> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.client).await?,
        };
        let answer = pipe.query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Asks until there is an answer: the question must be one that can be asked twice.
    ///
    /// # Errors
    ///
    /// If there is none within half a minute.
    pub async fn insist<T: FromRedisValue>(&mut self, pipe: &Pipeline) -> Result<T> {
        eventually(PATIENCE, async || self.ask(pipe).await).await.context("ask the private redis")
    }

    /// Returns `Ok` once Redis has rewritten its append-only file since it started, else what it says of that.
    ///
    /// # Errors
    ///
    /// If it has not, or does not answer.
    pub async fn is_file_rewritten(&mut self) -> Result<(), String> {
        let mut pipe = redis::pipe();
        pipe.cmd("INFO").arg("persistence");
        let (info,): (redis::InfoDict,) = self.ask(&pipe).await.map_err(|error| error.to_string())?;
        let number = |name: &str| info.get::<i64>(name);
        match (number("aof_last_rewrite_time_sec"), number("aof_rewrite_in_progress")) {
            (Some(0..), Some(0)) => Ok(()),
            seen => Err(format!("last rewrite and rewrite under way: {seen:?}")),
        }
    }

    /// Returns the owner of each partition, where exactly one is shown.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn owners(&mut self) -> RedisResult<Vec<Option<String>>> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for stream in keys("candles") {
            pipe.cmd("XINFO").arg("CONSUMERS").arg(stream).arg(GROUP);
        }
        let replies: Vec<RedisResult<Value>> = self.ask(&pipe).await?;
        let owner = |reply: RedisResult<Value>| match &infos(reply)[..] {
            [consumer] => text(consumer, "name"),
            _ => None,
        };
        Ok(replies.into_iter().map(owner).collect())
    }

    /// Returns the partitions that have entries which are not committed, or whose lag is not 0, and how they stand.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn behind(&mut self) -> RedisResult<Vec<String>> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for stream in keys("candles") {
            pipe.cmd("XINFO").arg("STREAM").arg(&stream).cmd("XINFO").arg("GROUPS").arg(&stream);
        }
        let replies: Vec<RedisResult<Value>> = self.ask(&pipe).await?;
        let mut replies = replies.into_iter();
        let mut behind = Vec::new();
        for partition in 0..PARTITIONS {
            let (Some(stream), Some(groups)) = (replies.next(), replies.next()) else { break };
            let Some(stream): Option<Info> = stream.ok().and_then(|info| redis::from_redis_value(info).ok()) else {
                continue;
            };
            let groups = infos(groups);
            let group = groups.iter().find(|group| text(group, "name").as_deref() == Some(GROUP));
            let of = |name: &str| group.and_then(|group| text(group, name));
            let (committed, last) = (of("last-delivered-id"), text(&stream, "last-generated-id"));
            let (lag, read, added) = (of("lag"), of("entries-read"), text(&stream, "entries-added"));
            if committed != last || lag.as_deref() != Some("0") {
                behind.push(format!(
                    "partition {partition}: committed {committed:?} of {last:?}, lag {lag:?}, read {read:?} of {added:?}"
                ));
            }
        }
        Ok(behind)
    }

    /// Publishes a candle to each partition and waits until all are applied. It goes on past lost connections.
    ///
    /// # Errors
    ///
    /// If it is not so by the deadline, with the partitions that stand still.
    pub async fn probe(&mut self, deadline: Duration) -> Result<()> {
        self.rounds += 1;
        let candle = Candle::flat(PROBE_GENESIS_MS + self.rounds * 60_000, PROBE_PRICE);
        let (mut send, mut look) = (redis::pipe(), redis::pipe());
        send.atomic();
        for probe in &self.probes {
            send.add_command(entry(probe, &candle)).ignore();
            look.cmd("HGET").arg(probe.state()).arg("open_time");
        }
        let wanted = candle.open_time.to_string();
        let mut is_sent = false;
        let seen = eventually(deadline, async || {
            if !is_sent {
                self.ask::<()>(&send).await.map_err(|error| error.to_string())?;
                is_sent = true;
            }
            let applied: Vec<Option<String>> = self.ask(&look).await.map_err(|error| {
                // What was published may be lost with the connection.
                is_sent = false;
                error.to_string()
            })?;
            let still: Vec<usize> = (0..applied.len()).filter(|at| applied[*at].as_ref() != Some(&wanted)).collect();
            if still.is_empty() { Ok(()) } else { Err(format!("partitions {still:?} stand still")) }
        });
        seen.await.context("probe the partitions")
    }

    /// Reads a whole stream.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn stream(&mut self, key: &str) -> Result<Vec<(String, HashMap<String, String>)>> {
        let mut pipe = redis::pipe();
        pipe.cmd("XRANGE").arg(key).arg("-").arg("+");
        let (entries,) = self.insist(&pipe).await.with_context(|| key.to_owned())?;
        Ok(entries)
    }

    /// Reads a whole hash, its private bytes as what they resemble.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn hash(&mut self, key: &str) -> Result<HashMap<String, String>> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(key);
        let (fields,): (HashMap<String, Vec<u8>>,) = self.insist(&pipe).await.with_context(|| key.to_owned())?;
        let shown = |(name, bytes): (String, Vec<u8>)| (name, String::from_utf8_lossy(&bytes).into_owned());
        Ok(fields.into_iter().map(shown).collect())
    }

    /// Returns how many entries are in the dead streams.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn dead(&mut self) -> Result<u64> {
        let mut pipe = redis::pipe();
        for key in keys("dead") {
            pipe.cmd("XLEN").arg(key);
        }
        let lengths: Vec<u64> = self.insist(&pipe).await?;
        Ok(lengths.iter().sum())
    }

    /// Returns the signals stream of a partition, entries in order.
    ///
    /// # Errors
    ///
    /// If Redis does not answer.
    pub async fn signals(&mut self, partition: u16) -> Result<Vec<HashMap<String, String>>> {
        let entries = self.stream(&key(partition, "signals")).await?;
        Ok(entries.into_iter().map(|(_, fields)| fields).collect())
    }
}

fn infos(reply: Result<Value, RedisError>) -> Vec<Info> {
    reply.ok().and_then(|reply| redis::from_redis_value(reply).ok()).unwrap_or_default()
}

fn text(info: &Info, name: &str) -> Option<String> {
    info.get(name).and_then(|value| redis::from_redis_value_ref(value).ok())
}
