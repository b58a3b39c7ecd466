//! One partition's task: tenure after tenure until the process stops.
//!
//! A tenure begins with taking the lease and reading the position, and ends with a stop, a loss or a
//! fault. What is in memory never outlives it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use candlewire_common::backoff;
use candlewire_common::candle_entry::{CandleEntry, Place, Unusable};
use candlewire_common::config::CacheConfig;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget, describe};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partition, Partitions, Series};
use candlewire_common::stream::{StreamEntry, read_reply};
use candlewire_common::time::UnixMicros;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::commit::{Commit, Committed};
use super::lease::{Acquired, Leases, Token};
use super::load::Loader;
use super::memory::Memory;
use super::position::{self, Position};
use crate::core::{self, BatchEffects, Moment, Plans};
use crate::metrics::WorkerMetrics;

/// How long one read waits for candles. Bounds how late a lost lease is noticed.
const BLOCK: Duration = Duration::from_millis(BLOCK_MS);
const BLOCK_MS: u64 = 1_000;
/// Bounds of how long a standby waits before it asks for a held partition again: one that is handed over
/// moves on well within a second.
const STANDBY_LEAST: Duration = Duration::from_millis(20);
const STANDBY_MOST: Duration = Duration::from_millis(500);
/// How long handing over may take at a stop.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What all partitions' tasks share.
#[derive(Debug)]
pub struct Settings {
    /// Where Redis is.
    pub target: RedisTarget,
    /// Names of its keys.
    pub keys: Keys,
    /// How many partitions there are.
    pub partitions: Partitions,
    /// The cache's settings.
    pub cache: CacheConfig,
    /// Candles read and committed at once, at most.
    pub batch: usize,
    /// The process' leases.
    pub leases: Leases,
    /// The process' metrics.
    pub metrics: WorkerMetrics,
}

/// The task of one partition.
#[derive(Debug)]
pub struct PartitionTask {
    settings: Arc<Settings>,
    partition: Partition,
    plans: Plans,
    memory: Memory,
    /// The fault that is being waited out, once it was logged.
    trouble: Option<RedisFault>,
}

/// How a tenure ended, faults aside.
enum Ended {
    /// The process stops.
    Stopped,
    /// Another worker has the partition; its lease has this long to run.
    Held(Duration),
    /// Another worker took over.
    Lost,
}

impl PartitionTask {
    /// Prepares the task of `partition`.
    pub fn new(settings: Arc<Settings>, partition: Partition, plans: Plans) -> Self {
        Self { settings, partition, plans, memory: Memory::default(), trouble: None }
    }

    /// Works until `stop`. Faults of Redis are waited out.
    ///
    /// # Errors
    ///
    /// None; the signature is that of a supervised task.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let mut delays = backoff::redis();
        let mut connection = None;
        while !stop.is_cancelled() {
            let pause = match self.tenure(&mut connection, &stop).await {
                Ok(Ended::Stopped) => break,
                Ok(Ended::Lost) => Duration::ZERO,
                Ok(Ended::Held(left)) => left.clamp(STANDBY_LEAST, STANDBY_MOST),
                Err(error) => {
                    connection = None;
                    if self.trouble.is_none() {
                        delays = backoff::redis();
                    }
                    self.note(&error);
                    delays.next().unwrap_or(BLOCK)
                }
            };
            self.forget();
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        Ok(())
    }

    async fn tenure(
        &mut self,
        kept: &mut Option<MultiplexedConnection>,
        stop: &CancellationToken,
    ) -> Result<Ended, RedisError> {
        let taking = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => {
                    self.settings
                        .target
                        .connect(&self.settings.keys.fence(self.partition), BLOCK + RESPONSE_TIMEOUT)
                        .await?
                }
            };
            let acquired = self.settings.leases.acquire(self.partition, &mut connection).await?;
            Ok::<_, RedisError>((connection, acquired))
        };
        let (mut connection, acquired) = tokio::select! {
            taken = taking => taken?,
            () = stop.cancelled() => return Ok(Ended::Stopped),
        };
        let (token, cause) = match acquired {
            Acquired::Taken { token, cause } => (token, cause),
            Acquired::Held { holder, left } => {
                *kept = Some(connection);
                if self.settings.leases.is_news(&holder) {
                    tracing::info!("worker {holder} holds partitions: standing by for them");
                }
                return Ok(Ended::Held(left));
            }
        };
        self.settings.metrics.partitions_owned.increment(1.0);
        let ended = match self.begin(&cause, &mut connection).await {
            Ok(position) => self.serve(&token, position, &mut connection, stop).await,
            Err(error) => Err(error),
        };
        self.settings.metrics.partitions_owned.decrement(1.0);
        match &ended {
            Ok(Ended::Stopped) => self.release(&token).await,
            // The connection is not kept: it watches a fence that has changed, and would refuse the next transaction.
            Ok(Ended::Lost) => {
                tracing::warn!(
                    partition = self.partition.0,
                    "partition {} was taken over by another worker",
                    self.partition
                );
            }
            _ => {}
        }
        self.settings.leases.forget(self.partition);
        ended
    }

    async fn begin(&mut self, cause: &str, connection: &mut MultiplexedConnection) -> Result<Position, RedisError> {
        let stream = self.settings.keys.candles(self.partition);
        position::ensure_group(&stream, &self.settings.keys.position(self.partition), connection).await?;
        position::show_owner(&stream, self.settings.leases.owner(), connection).await?;
        let position = position::read(&stream, connection).await?;
        self.settings.metrics.took_over(cause);
        tracing::debug!(
            partition = self.partition.0,
            cause,
            "owns partition {} from entry {}",
            self.partition,
            position.last
        );
        Ok(position)
    }

    async fn serve(
        &mut self,
        token: &Token,
        mut position: Position,
        connection: &mut MultiplexedConnection,
        stop: &CancellationToken,
    ) -> Result<Ended, RedisError> {
        loop {
            let entries = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Stopped),
                read = self.read(token, position, connection) => read?,
            };
            let Some(entries) = entries else { return Ok(Ended::Lost) };
            if self.trouble.take().is_some() {
                tracing::info!(partition = self.partition.0, "partition {} is in flow again", self.partition);
            }
            let Some(last) = entries.last().map(|entry| entry.id) else {
                if position.entries_read.is_none() {
                    position = position::read(&self.settings.keys.candles(self.partition), connection).await?;
                }
                continue;
            };
            position = position.after(last, entries.len());
            match self.process(&entries, position, connection).await? {
                Committed::Applied => {}
                Committed::Fenced => {
                    self.settings.metrics.commits_fenced.increment(1);
                    return Ok(Ended::Lost);
                }
            }
        }
    }

    /// Watches the fence and reads on, in one round trip. `None`: the fence is not ours any more.
    ///
    /// Has no effect on the server but the watch, so it may be dropped at any point.
    pub(super) async fn read(
        &self,
        token: &Token,
        position: Position,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Vec<StreamEntry>>, RedisError> {
        let fence = self.settings.keys.fence(self.partition);
        let mut pipe = redis::pipe();
        pipe.cmd("WATCH").arg(&fence).ignore().cmd("GET").arg(&fence);
        pipe.cmd("XREAD").arg("COUNT").arg(self.settings.batch).arg("BLOCK").arg(BLOCK_MS);
        pipe.arg("STREAMS").arg(self.settings.keys.candles(self.partition)).arg(position.last.to_string());
        let (found, reply): (Option<String>, Value) = pipe.query_async(connection).await?;
        if found.as_deref() != Some(token.0.as_str()) {
            return Ok(None);
        }
        let unreadable = |error: candlewire_common::stream::ReplyError| {
            RedisError::from((redis::ErrorKind::UnexpectedReturnType, "candles", error.to_string()))
        };
        read_reply(reply).map(Some).map_err(unreadable)
    }

    /// Applies a batch and commits it up to `position`.
    pub(super) async fn process(
        &mut self,
        entries: &[StreamEntry],
        position: Position,
        connection: &mut MultiplexedConnection,
    ) -> Result<Committed, RedisError> {
        let settings = self.settings.clone();
        let (metrics, read) = (&settings.metrics, UnixMicros::now());
        let place = Place { partition: self.partition, partitions: settings.partitions };
        let decoded: Vec<Result<CandleEntry<'_>, Unusable>> =
            entries.iter().map(|entry| CandleEntry::decode(entry.id, &entry.fields, place, read.millis())).collect();
        metrics.read(&decoded, read);

        let started = Instant::now();
        self.load(&decoded, connection).await?;
        metrics.load_state.record(started.elapsed().as_secs_f64());

        let started = Instant::now();
        let effects = core::apply(&mut self.memory.states, &decoded, Moment(UnixMicros::now()));
        metrics.compute.record(started.elapsed().as_secs_f64());

        let started = Instant::now();
        let commit = Commit {
            keys: &settings.keys,
            partition: self.partition,
            cache: &settings.cache,
            entries,
            effects: &effects,
            position,
            now: read.millis(),
        };
        let committed =
            commit.send(&mut self.memory, connection).await.inspect_err(|_| metrics.commits_retried.increment(1))?;
        metrics.commit.record(started.elapsed().as_secs_f64());
        if committed == Committed::Applied {
            metrics.committed(&effects, UnixMicros::now());
            self.tell_of(&effects, entries);
            for (series, _) in &effects.touched {
                self.count_series(series);
            }
        }
        Ok(committed)
    }

    /// Makes sure that every series of the batch is in memory.
    async fn load(
        &mut self,
        decoded: &[Result<CandleEntry<'_>, Unusable>],
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let settings = self.settings.clone();
        if !settings.cache.enabled {
            self.forget();
        }
        let mut missing: Vec<&Series> = Vec::new();
        let mut seen: HashSet<&Series> = HashSet::new();
        let mut requests = 0;
        for entry in decoded.iter().flatten() {
            requests += 1;
            if !self.memory.states.contains_key(entry.series.as_str()) && seen.insert(&entry.series) {
                missing.push(&entry.series);
            }
        }
        // Each candle looks its state up; once loaded, the others of its series find it in memory.
        settings.metrics.cache.memory_hits.increment(requests - missing.len() as u64);
        settings.metrics.cache.memory_misses.increment(missing.len() as u64);
        if missing.is_empty() {
            return Ok(());
        }
        let loader = Loader {
            keys: &settings.keys,
            partition: self.partition,
            cache: &settings.cache,
            metrics: &settings.metrics,
        };
        loader.load(&missing, &mut self.plans, &mut self.memory, connection).await?;
        for series in missing {
            self.count_series(series);
        }
        Ok(())
    }

    fn tell_of(&self, effects: &BatchEffects<'_>, entries: &[StreamEntry]) {
        if let Some((at, reason)) = effects.dead.first() {
            let (count, id, dead) = (effects.dead.len(), entries[*at].id, self.settings.keys.dead(self.partition));
            tracing::warn!(partition = self.partition.0, entry_id = %id, "{count} unusable in this batch, moved to {dead}; {id}: {reason}");
        }
        for signal in &effects.signals {
            let (direction, series, strategy) = (signal.direction, &signal.series, &signal.strategy);
            tracing::debug!(signal.id = %signal.id, series = %series, "{direction} {series} by {strategy}");
        }
    }

    /// Counts a series as warming or ready, once for as long as it is in memory.
    fn count_series(&mut self, series: &Series) {
        let is_ready = self.memory.states.get(series).is_some_and(core::SeriesState::is_ready);
        let Some(facts) = self.memory.facts.get_mut(series) else { return };
        let counted = facts.counted.replace(is_ready);
        if counted == Some(is_ready) {
            return;
        }
        self.settings.metrics.series(is_ready).increment(1.0);
        if let Some(was_ready) = counted {
            self.settings.metrics.series(was_ready).decrement(1.0);
        }
    }

    /// Throws away what is in memory.
    fn forget(&mut self) {
        for was_ready in self.memory.facts.values().filter_map(|facts| facts.counted) {
            self.settings.metrics.series(was_ready).decrement(1.0);
        }
        self.memory = Memory::default();
    }

    /// Hands the partition over. The serving connection may be blocked in a read, so another one does it.
    async fn release(&self, token: &Token) {
        let released = timeout(RELEASE_TIMEOUT, async {
            let mut connection =
                self.settings.target.connect(&self.settings.keys.fence(self.partition), RELEASE_TIMEOUT).await?;
            self.settings.leases.release(self.partition, token, &mut connection).await
        });
        if !matches!(released.await, Ok(Ok(()))) {
            tracing::debug!(partition = self.partition.0, "partition {} is left to expire", self.partition);
        }
    }

    /// Counts a fault, and logs it unless it is the one being waited out. That a connection is gone
    /// is said once for the whole process, by the watchdog.
    fn note(&mut self, error: &RedisError) {
        let fault = self.settings.metrics.redis.count(error);
        if fault != RedisFault::Connection && self.trouble != Some(fault) {
            tracing::warn!(partition = self.partition.0, "partition {} waits: {}", self.partition, describe(error));
        }
        self.trouble = Some(fault);
    }
}
