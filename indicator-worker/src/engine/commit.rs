//! The commit: everything a batch changes, in one transaction on the connection that watches the fence.
//!
//! Either all of it happens or, where the partition changed hands since the fence was read, nothing.

use candlewire_common::config::CacheConfig;
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partition, Series};
use candlewire_common::stream::StreamEntry;
use candlewire_common::time::UnixMillis;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};

use super::memory::{KeyFacts, Memory};
use super::position::Position;
use crate::core::BatchEffects;
use crate::metrics::WorkerMetrics;

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Committed {
    /// All of it happened.
    Applied,
    /// The fence had changed: nothing happened.
    Fenced,
}

/// One batch, ready to be committed.
pub(super) struct Commit<'a> {
    pub(super) keys: &'a Keys,
    pub(super) partition: Partition,
    pub(super) cache: &'a CacheConfig,
    pub(super) entries: &'a [StreamEntry],
    pub(super) effects: &'a BatchEffects<'a>,
    pub(super) position: Position,
    pub(super) now: UnixMillis,
    pub(super) metrics: &'a WorkerMetrics,
}

impl Commit<'_> {
    /// Sends the transaction. `memory` is told what it wrote.
    pub(super) async fn send(
        &self,
        memory: &mut Memory,
        connection: &mut MultiplexedConnection,
    ) -> Result<Committed, RedisError> {
        let mut pipe = redis::pipe();
        pipe.atomic();
        for (series, close) in &self.effects.touched {
            self.write_state(&mut pipe, series, close, memory);
        }
        self.write_histories(&mut pipe);
        self.write_signals(&mut pipe);
        self.write_dead(&mut pipe);
        self.position.write(&mut pipe, &self.keys.candles(self.partition), &self.keys.position(self.partition));
        let added: Option<Vec<i64>> = self.metrics.watches.commit.time(pipe.query_async(connection)).await?;
        let Some(added) = added else { return Ok(Committed::Fenced) };
        self.expire_new(&added, memory, connection).await?;
        Ok(Committed::Applied)
    }

    /// Gives a time to live to hashes that turned out to be new though they were thought to have one:
    /// somebody deleted or Redis evicted them. `added` holds how many fields each hash did not have.
    async fn expire_new(
        &self,
        added: &[i64],
        memory: &mut Memory,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        for ((series, _), added) in self.effects.touched.iter().zip(added) {
            let Some(facts) = memory.facts.get_mut(*series) else { continue };
            if *added > 0 && !std::mem::take(&mut facts.just_extended) {
                self.extend(&mut pipe, series, facts);
            }
        }
        if pipe.is_empty() { Ok(()) } else { pipe.exec_async(connection).await }
    }

    fn extend(&self, pipe: &mut Pipeline, series: &Series, facts: &mut KeyFacts) {
        let ttl = self.cache.state_ttl(series.timeframe(), series.venue());
        let ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        pipe.cmd("PEXPIRE").arg(self.keys.state(self.partition, series)).arg(ms).ignore();
        facts.expires = Some(self.now.after(ttl));
    }

    fn write_state(&self, pipe: &mut Pipeline, series: &Series, close: &str, memory: &mut Memory) {
        let facts = memory.facts.entry(series.clone()).or_default();
        let Some(fields) = memory.states.get(series).and_then(|state| state.fields(close)) else { return };
        let key = self.keys.state(self.partition, series);
        if facts.replace_hash {
            pipe.cmd("DEL").arg(&key).ignore();
            (facts.replace_hash, facts.expires) = (false, None);
        }
        let set = pipe.cmd("HSET").arg(&key);
        for (name, value) in &fields.set {
            set.arg(name).arg(value);
        }
        if !fields.unset.is_empty() {
            pipe.cmd("HDEL").arg(&key).arg(&fields.unset).ignore();
        }
        let ttl = self.cache.state_ttl(series.timeframe(), series.venue());
        facts.just_extended = facts.extends(self.now, ttl);
        if facts.just_extended {
            self.extend(pipe, series, facts);
        }
        if std::mem::take(&mut facts.replace_history) {
            pipe.cmd("DEL").arg(self.keys.history(self.partition, series)).ignore();
        }
    }

    fn write_histories(&self, pipe: &mut Pipeline) {
        for applied in &self.effects.applied {
            let key = self.keys.history(self.partition, applied.series);
            let text = &applied.text;
            pipe.cmd("XADD").arg(key).arg("MAXLEN").arg("~").arg(self.cache.history);
            pipe.arg(format!("{}-0", applied.open_time)).arg("open").arg(text.open).arg("high").arg(text.high);
            pipe.arg("low").arg(text.low).arg("close").arg(text.close).arg("volume").arg(text.volume).ignore();
        }
    }

    fn write_signals(&self, pipe: &mut Pipeline) {
        for signal in &self.effects.signals {
            pipe.cmd("XADD").arg(self.keys.signals(self.partition)).arg("*");
            for (name, value) in signal.encode() {
                pipe.arg(name).arg(value);
            }
            pipe.ignore();
        }
    }

    fn write_dead(&self, pipe: &mut Pipeline) {
        for (at, reason) in &self.effects.dead {
            let entry = &self.entries[*at];
            pipe.cmd("XADD").arg(self.keys.dead(self.partition)).arg("*");
            for (name, value) in &entry.fields.0 {
                pipe.arg(name).arg(value);
            }
            pipe.arg("reason").arg(reason.to_string()).arg("entry_id").arg(entry.id.to_string()).ignore();
        }
    }
}
