//! Loading: a state from the second tier, the hash, or rebuilt from the history.
//!
//! Both are read under the watched fence, so what is loaded is the state at the committed position.

use std::collections::HashMap;
use std::sync::Arc;

use candlewire_common::config::CacheConfig;
use candlewire_common::connection::RedisFault;
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partition, Series};
use candlewire_common::stream::{Fields, StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};

use super::memory::{KeyFacts, Memory};
use crate::core::{History, Plans, SavedState, SeriesPlan, SeriesState, has_stale_fields};
use crate::metrics::{Rebuild, WorkerMetrics};

/// Candles of histories fetched in one round trip: bounds what a reply may hold and how long it may take.
const CANDLES_AT_ONCE: usize = 20_000;

/// Loads the states of one partition's series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loader<'a> {
    pub(super) keys: &'a Keys,
    pub(super) partition: Partition,
    pub(super) cache: &'a CacheConfig,
    pub(super) metrics: &'a WorkerMetrics,
}

/// A series whose hash did not suffice.
struct Rebuilding<'a> {
    series: &'a Series,
    plan: Arc<SeriesPlan>,
    saved: Option<Box<SavedState>>,
    facts: KeyFacts,
    cause: Rebuild,
}

/// What the second tier holds of a series.
struct Cached {
    hash: Option<Fields>,
    tail: Vec<StreamEntry>,
    facts: KeyFacts,
}

impl Loader<'_> {
    /// Loads `wanted` into memory.
    pub(super) async fn load(
        &self,
        wanted: &[&Series],
        plans: &mut Plans,
        memory: &mut Memory,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let planned: Vec<(&Series, Arc<SeriesPlan>)> =
            wanted.iter().map(|series| (*series, plans.plan(series))).collect();
        let mut rebuilding = Vec::new();
        if self.cache.enabled {
            let mut cached = Vec::with_capacity(planned.len());
            let window = planned.iter().map(|(_, plan)| plan.window()).max().unwrap_or(1);
            for chunk in planned.chunks(at_once(window)) {
                cached.extend(self.read_cached(chunk, connection).await?);
            }
            for ((series, plan), cached) in planned.iter().zip(cached) {
                match restore(series, plan.clone(), &cached) {
                    Ok((state, facts)) => {
                        self.metrics.cache.redis_hits.increment(1);
                        memory.states.insert((*series).clone(), state);
                        memory.facts.insert((*series).clone(), facts);
                    }
                    Err((saved, facts, cause)) => {
                        rebuilding.push(Rebuilding { series, plan: plan.clone(), saved, facts, cause });
                    }
                }
            }
        } else {
            let facts = KeyFacts { replace_hash: true, ..KeyFacts::default() };
            rebuilding.extend(planned.into_iter().map(|(series, plan)| Rebuilding {
                series,
                plan,
                saved: None,
                facts,
                cause: Rebuild::Cold,
            }));
        }
        self.metrics.cache.redis_misses.increment(rebuilding.len() as u64);
        for chunk in rebuilding.chunks_mut(at_once(self.cache.history)) {
            self.rebuild(chunk, memory, connection).await?;
        }
        Ok(())
    }

    async fn read_cached(
        &self,
        planned: &[(&Series, Arc<SeriesPlan>)],
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<Cached>, RedisError> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for (series, plan) in planned {
            let hash = self.keys.state(self.partition, series);
            pipe.cmd("HGETALL").arg(&hash).cmd("PTTL").arg(&hash);
            pipe.add_command(self.newest(series, plan.window()));
        }
        let replies: Vec<RedisResult<Value>> = self.metrics.watches.states.time(pipe.query_async(connection)).await?;
        let now = UnixMillis::now();
        let mut cached = Vec::with_capacity(planned.len());
        let mut replies = replies.into_iter();
        while let (Some(hash), Some(ttl), Some(tail)) = (replies.next(), replies.next(), replies.next()) {
            let (hash, no_hash) = unless_wrong_type(hash)?;
            let (tail, no_history) = unless_wrong_type(tail)?;
            let left: i64 = redis::from_redis_value(ttl?)?;
            let expires = u64::try_from(left).ok().map(|left| now.after(std::time::Duration::from_millis(left)));
            let facts = KeyFacts { expires, replace_hash: no_hash, replace_history: no_history, ..KeyFacts::default() };
            let hash = fields(hash.unwrap_or_default()).filter(|fields| !fields.0.is_empty());
            cached.push(Cached { hash, tail: entries(tail)?, facts });
        }
        if cached.len() == planned.len() { Ok(cached) } else { Err(too_few()) }
    }

    async fn rebuild(
        &self,
        chunk: &mut [Rebuilding<'_>],
        memory: &mut Memory,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        for Rebuilding { series, .. } in chunk.iter() {
            pipe.add_command(self.newest(series, self.cache.history));
            pipe.cmd("XINFO").arg("STREAM").arg(self.keys.history(self.partition, series));
        }
        let replies: Vec<RedisResult<Value>> =
            self.metrics.watches.histories.time(pipe.query_async(connection)).await?;
        let mut replies = replies.into_iter();
        for one in chunk {
            let (Some(newest), Some(info)) = (replies.next(), replies.next()) else { return Err(too_few()) };
            let (newest, wrong_type) = unless_wrong_type(newest)?;
            let found = entries(newest)?;
            let history = History::from_newest(found.clone(), is_whole(info, found.len()));
            // Nothing could be appended behind an entry that is no candle.
            one.facts.replace_history |= wrong_type || (history.candles.is_empty() && !found.is_empty());
            let state = self.join(one, &history);
            one.facts.replace_hash |= one.cause != Rebuild::Cold || !self.cache.enabled;
            memory.states.insert(one.series.clone(), state);
            memory.facts.insert(one.series.clone(), one.facts);
        }
        Ok(())
    }

    /// Joins a saved state with the whole history, or replays the history alone.
    fn join(&self, one: &mut Rebuilding<'_>, history: &History) -> SeriesState {
        let Rebuilding { series, plan, saved, .. } = one;
        let restored =
            saved.as_ref().and_then(|saved| SeriesState::restore(series, plan.clone(), saved, history, Some(history)));
        let state = restored.unwrap_or_else(|| SeriesState::rebuild(series, plan.clone(), history));
        if one.cause == Rebuild::Cold && !history.candles.is_empty() && self.cache.enabled {
            one.cause = Rebuild::Expired;
        }
        self.metrics.rebuilt(one.cause);
        if one.cause != Rebuild::Cold {
            let candles = history.candles.len();
            tracing::info!(series = %series, cause = one.cause.as_str(), candles, "rebuilt the state of {series} from {candles} candles");
            if !history.complete && !state.is_ready() {
                tracing::warn!(series = %series, "the history of {series} is too short for all its averages: some warm up again");
            }
        }
        state
    }

    fn newest(&self, series: &Series, count: usize) -> redis::Cmd {
        let mut cmd = redis::cmd("XREVRANGE");
        cmd.arg(self.keys.history(self.partition, series)).arg("+").arg("-").arg("COUNT").arg(count);
        cmd
    }
}

type NotRestored = (Option<Box<SavedState>>, KeyFacts, Rebuild);

fn restore(series: &Series, plan: Arc<SeriesPlan>, cached: &Cached) -> Result<(SeriesState, KeyFacts), NotRestored> {
    let Some(hash) = &cached.hash else { return Err((None, cached.facts, Rebuild::Cold)) };
    let outdated = has_stale_fields(hash, &plan);
    let facts = KeyFacts { replace_hash: outdated || cached.facts.replace_hash, ..cached.facts };
    let Some(saved) = SavedState::read(hash) else { return Err((None, facts, Rebuild::Incompatible)) };
    let tail = History::from_newest(cached.tail.clone(), false);
    if tail.newest() < Some(saved.last()) {
        return match SeriesState::salvage(series, plan, &saved) {
            Some(state) => {
                tracing::warn!(series = %series, "the history of {series} has lost its end: its window averages warm up again");
                // What is left of it can't be joined to what comes, and what the hash shows may have no value now.
                Ok((state, KeyFacts { replace_history: true, replace_hash: true, ..facts }))
            }
            None => Err((None, facts, Rebuild::Incompatible)),
        };
    }
    match SeriesState::restore(series, plan, &saved, &tail, None) {
        Some(state) => Ok((state, facts)),
        None => Err((Some(Box::new(saved)), facts, Rebuild::Incompatible)),
    }
}

/// How many series to fetch at once, of so many candles each.
fn at_once(candles: usize) -> usize {
    (CANDLES_AT_ONCE / candles.max(1)).max(1)
}

fn too_few() -> RedisError {
    RedisError::from((redis::ErrorKind::UnexpectedReturnType, "fewer replies than commands"))
}

/// Whether a history stream holds every entry that was ever added to it. One that does not exist does.
fn is_whole(info: RedisResult<Value>, found: usize) -> bool {
    let Ok(info) = info else { return found == 0 };
    let info: HashMap<String, Value> = redis::from_redis_value(info).unwrap_or_default();
    let number = |name: &str| match info.get(name) {
        Some(Value::Int(number)) => usize::try_from(*number).ok(),
        _ => None,
    };
    number("entries-added") == Some(found) && number("length") == Some(found)
}

/// A key of another type was written by somebody else: it is as good as missing, and is replaced.
fn unless_wrong_type(reply: RedisResult<Value>) -> Result<(Option<Value>, bool), RedisError> {
    match reply {
        Ok(value) => Ok((Some(value), false)),
        Err(error) if RedisFault::of(&error) == RedisFault::WrongType => Ok((None, true)),
        Err(error) => Err(error),
    }
}

fn entries(reply: Option<Value>) -> Result<Vec<StreamEntry>, RedisError> {
    let unreadable = |error: candlewire_common::stream::ReplyError| {
        RedisError::from((redis::ErrorKind::UnexpectedReturnType, "history", error.to_string()))
    };
    reply.map_or_else(|| Ok(Vec::new()), |reply| range_reply(reply).map_err(unreadable))
}

fn fields(reply: Value) -> Option<Fields> {
    redis::from_redis_value::<Vec<(Vec<u8>, Vec<u8>)>>(reply).ok().map(Fields)
}
