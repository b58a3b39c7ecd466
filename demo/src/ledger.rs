//! The streams, as a foreign program reads them.
//!
//! Owns the demo's own connection to Redis. It only reads, and knows of Candlewire what the contract
//! tells everyone.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use candlewire_common::keys::{Keys, WORKER_GROUP};
use candlewire_common::series::Partition;
use candlewire_common::time::UnixMicros;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Pipeline, Value};

use crate::settings::{PARTITIONS, PREFIX};

/// Reads the streams.
#[derive(Debug)]
pub struct Ledger {
    connection: MultiplexedConnection,
    keys: Keys,
}

/// How far things are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Candles in the streams.
    pub candles: u64,
    /// Partitions with candles that the workers have not committed.
    pub behind: u64,
    /// Signals in the streams.
    pub signals: u64,
    /// Candles that could not be used.
    pub dead: u64,
}

/// What the demo reads of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRecord {
    /// The crossing's id.
    pub id: String,
    /// `venue:SYMBOL:timeframe`.
    pub series: String,
    /// When its candle was sent.
    pub sent: UnixMicros,
    /// When it was found.
    pub emitted: UnixMicros,
}

type Entry = (String, HashMap<String, String>);

impl Ledger {
    /// Reads over this connection.
    pub fn new(connection: MultiplexedConnection) -> Self {
        Self { connection, keys: Keys::new(PREFIX) }
    }

    /// Looks how far things are. Positions are read before signals, and the workers commit both at
    /// once: if nothing is behind, no signal is missing from the count.
    ///
    /// # Errors
    ///
    /// If Redis fails, or a stream lacks the workers' group.
    pub async fn progress(&mut self) -> Result<Progress> {
        let candles = self.lengths(Keys::candles).await?;
        let filled: Vec<String> =
            partitions().zip(&candles).filter(|(_, length)| **length > 0).map(|(p, _)| self.keys.candles(p)).collect();
        let mut behind = 0;
        for key in filled {
            behind += u64::from(self.is_behind(&key).await?);
        }
        let signals = self.lengths(Keys::signals).await?;
        let dead = self.lengths(Keys::dead).await?;
        Ok(Progress { candles: candles.iter().sum(), behind, signals: signals.iter().sum(), dead: dead.iter().sum() })
    }

    /// Reads all signals.
    ///
    /// # Errors
    ///
    /// If Redis fails, or an entry is not what the contract says.
    pub async fn signals(&mut self) -> Result<Vec<SignalRecord>> {
        let mut pipe = redis::pipe();
        for partition in partitions() {
            pipe.cmd("XRANGE").arg(self.keys.signals(partition)).arg("-").arg("+");
        }
        let streams: Vec<Vec<Entry>> = self.ask(&pipe).await?;
        streams
            .into_iter()
            .flatten()
            .map(|(entry, fields)| record(&fields).with_context(|| format!("read signal entry {entry}")))
            .collect()
    }

    async fn lengths(&mut self, key: impl Fn(&Keys, Partition) -> String) -> Result<Vec<u64>> {
        let mut pipe = redis::pipe();
        for partition in partitions() {
            pipe.cmd("XLEN").arg(key(&self.keys, partition));
        }
        self.ask(&pipe).await
    }

    /// Compares the workers' committed position with the stream's last entry.
    async fn is_behind(&mut self, key: &str) -> Result<bool> {
        let mut pipe = redis::pipe();
        pipe.cmd("XINFO").arg("STREAM").arg(key).cmd("XINFO").arg("GROUPS").arg(key);
        let (stream, groups): (HashMap<String, Value>, Vec<HashMap<String, Value>>) = self.ask(&pipe).await?;
        let text = |map: &HashMap<String, Value>, name: &str| {
            map.get(name).cloned().and_then(|value| String::from_redis_value(value).ok())
        };
        let group = groups.iter().find(|group| text(group, "name").is_some_and(|name| name == WORKER_GROUP));
        let committed = group.and_then(|group| text(group, "last-delivered-id"));
        ensure!(committed.is_some(), "{key} has no consumer group {WORKER_GROUP}");
        Ok(committed != text(&stream, "last-generated-id"))
    }

    async fn ask<T: FromRedisValue>(&mut self, pipe: &Pipeline) -> Result<T> {
        pipe.query_async(&mut self.connection).await.context("read the streams of the private redis")
    }
}

fn partitions() -> impl Iterator<Item = Partition> {
    (0..PARTITIONS).map(Partition)
}

fn record(fields: &HashMap<String, String>) -> Result<SignalRecord> {
    let text = |name: &str| fields.get(name).with_context(|| format!("field {name} is missing"));
    let micros = |name: &str| -> Result<UnixMicros> {
        Ok(UnixMicros(text(name)?.parse().with_context(|| format!("field {name} is no number"))?))
    };
    Ok(SignalRecord {
        id: text("id")?.clone(),
        series: text("series")?.clone(),
        sent: micros("candle_us")?,
        emitted: micros("emitted_us")?,
    })
}
