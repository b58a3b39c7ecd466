//! Applying: a batch of entries through the core into one commit.
//!
//! Owns what a tenure holds in memory, and the metrics and log lines of batches. Reading entries and
//! deciding who may commit is the partition's task.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use candlewire_common::candle_entry::{CandleEntry, Place, Unusable};
use candlewire_common::log_step;
use candlewire_common::series::{Partition, Series};
use candlewire_common::stream::StreamEntry;
use candlewire_common::time::UnixMicros;
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use super::commit::{Commit, Committed};
use super::load::Loader;
use super::memory::Memory;
use super::partition::Settings;
use super::position::Position;
use crate::core::{self, BatchEffects, Moment, Plans};

/// Applies the batches of one partition.
#[derive(Debug)]
pub(super) struct Applier {
    settings: Arc<Settings>,
    partition: Partition,
    plans: Plans,
    memory: Memory,
}

impl Applier {
    /// Starts with nothing in memory.
    pub(super) fn new(settings: Arc<Settings>, partition: Partition, plans: Plans) -> Self {
        Self { settings, partition, plans, memory: Memory::default() }
    }

    /// Applies a batch and commits it up to `position`.
    pub(super) async fn apply(
        &mut self,
        entries: &[StreamEntry],
        position: Position,
        connection: &mut MultiplexedConnection,
    ) -> Result<Committed, RedisError> {
        let settings = self.settings.clone();
        let (metrics, read) = (&settings.metrics, UnixMicros::now());
        let place = Place { partition: self.partition, partitions: settings.redis.partitions };
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
            keys: &settings.redis.keys,
            partition: self.partition,
            cache: &settings.cache,
            entries,
            effects: &effects,
            position,
            now: read.millis(),
            metrics,
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
        let mut missing: Vec<Series> = Vec::new();
        let mut seen: HashSet<Series> = HashSet::new();
        let mut hits = 0;
        for entry in decoded.iter().flatten() {
            // Each candle looks its state up; once loaded, the others of its series find it in memory.
            if self.memory.states.contains_key(entry.series.as_str()) || seen.contains(&entry.series) {
                hits += 1;
                continue;
            }
            // With a series come those that its conditions look at, and those that theirs look at: what is in
            // memory has all it looks at beside it.
            let mut next = vec![entry.series.clone()];
            while let Some(series) = next.pop() {
                if self.memory.states.contains_key(series.as_str()) || !seen.insert(series.clone()) {
                    continue;
                }
                let plan = self.plans.plan(&series);
                next.extend(plan.elsewhere.iter().map(|timeframe| series.with_timeframe(*timeframe)));
                missing.push(series);
            }
        }
        settings.metrics.cache.memory_hits.increment(hits);
        settings.metrics.cache.memory_misses.increment(missing.len() as u64);
        if missing.is_empty() {
            return Ok(());
        }
        let loader = Loader {
            keys: &settings.redis.keys,
            partition: self.partition,
            cache: &settings.cache,
            metrics: &settings.metrics,
        };
        let wanted: Vec<&Series> = missing.iter().collect();
        loader.load(&wanted, &mut self.plans, &mut self.memory, connection).await?;
        for series in &missing {
            self.count_series(series);
        }
        Ok(())
    }

    fn tell_of(&self, effects: &BatchEffects<'_>, entries: &[StreamEntry]) {
        if let Some((at, reason)) = effects.dead.first() {
            let (count, id, dead) =
                (effects.dead.len(), entries[*at].id, self.settings.redis.keys.dead(self.partition));
            tracing::warn!(partition = self.partition.0, entry_id = %id, "{count} unusable in this batch, moved to {dead}; {id}: {reason}");
        }
        for signal in &effects.signals {
            let (id, direction, series, strategy) = (&signal.id, signal.direction, &signal.series, &signal.strategy);
            let candle = signal.open_time.rfc3339();
            log_step!(
                signal.origin,
                signal.id = %id,
                series = %series,
                strategy,
                open_time = signal.open_time.0,
                "{direction} {series} by {strategy} on the candle of {candle}: {id}"
            );
        }
    }

    /// Counts a series as warming or ready, once for as long as it is in memory.
    fn count_series(&mut self, series: &Series) {
        // One that is only looked at, and has no candles yet, does not count.
        let Some(state) = self.memory.states.get(series).filter(|state| state.last().is_some()) else { return };
        let is_ready = state.is_ready();
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
    pub(super) fn forget(&mut self) {
        for was_ready in self.memory.facts.values().filter_map(|facts| facts.counted) {
            self.settings.metrics.series(was_ready).decrement(1.0);
        }
        self.memory = Memory::default();
    }
}
