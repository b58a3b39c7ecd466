//! Trimming of a partition's streams, by its owner: what is old enough, or too much, and finished by every
//! consumer group.
//!
//! What a group has not finished is never trimmed: not what it was not given yet, nor what it was given and
//! did not acknowledge. A stream whose expected group is missing is left alone: the group may come back at an
//! old position. A group that nobody serves therefore holds up the trimming, which is said and measured, and
//! the publisher waits before the stream grows without bounds.

use std::time::Duration;

use candlewire_common::config::StreamsConfig;
use candlewire_common::connection::{RedisFault, describe};
use candlewire_common::group::Group;
use candlewire_common::keys::{NOTIFIER_GROUP, WORKER_GROUP};
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::Partition;
use candlewire_common::stream::{EntryId, range_reply};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult, Value};
use tokio::time::Instant;

use super::partition::Settings;
use crate::metrics::{Overdue, Trimmed};

/// How often a partition is trimmed; the contract promises a minute.
const EVERY: Duration = Duration::from_secs(30);
/// How often one is trimmed that holds too many candles.
const EVERY_WHILE_FULL: Duration = Duration::from_secs(1);
/// How many entries one command removes: bounds how long others wait for it.
const AT_ONCE: usize = 10_000;
/// How many commands one trimming takes at most; what is left has its turn with the next.
const CUTS_MAX: usize = 100;
/// By how much an entry may outlive its retention before somebody should know, and for how long there may be
/// too many: far more than a busy group needs.
const PATIENCE: Duration = Duration::from_mins(2);

/// Trims the streams of one partition during one tenure.
#[derive(Debug)]
pub(super) struct Trimmer {
    streams: [Stream; 3],
    partition: Partition,
    overdue: Overdue,
    redis: RedisMetrics,
    trimmed: Option<Instant>,
    /// With more candles than this it is trimmed before its time.
    candles_max: u64,
}

/// A stream and what is kept of it.
#[derive(Debug)]
struct Stream {
    kind: Trimmed,
    key: String,
    retention: Duration,
    /// More entries than this are trimmed whatever their age.
    length_max: Option<u64>,
    /// The group without which nothing is trimmed.
    expected: Option<&'static str>,
    /// Since when it has had too many entries.
    full_since: Option<Instant>,
    /// Who held up the trimming when it was last said.
    said: Option<String>,
}

/// How much of a stream is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finished {
    /// Entries before this one are finished by every group; `None`: all are.
    before: Option<EntryId>,
    /// The group that is furthest behind.
    last: Option<String>,
}

impl Trimmer {
    /// Trims for the first time as soon as it is asked to.
    pub(super) fn new(settings: &Settings, partition: Partition) -> Self {
        let (keys, StreamsConfig { candles, candles_max, signals, dead }) = (&settings.redis.keys, settings.streams);
        let stream = |kind, key, retention, length_max, expected| Stream {
            kind,
            key,
            retention,
            length_max,
            expected,
            full_since: None,
            said: None,
        };
        Self {
            streams: [
                stream(Trimmed::Candles, keys.candles(partition), candles, Some(candles_max), Some(WORKER_GROUP)),
                stream(Trimmed::Signals, keys.signals(partition), signals, None, Some(NOTIFIER_GROUP)),
                stream(Trimmed::Dead, keys.dead(partition), dead, None, None),
            ],
            partition,
            overdue: settings.metrics.overdue.clone(),
            redis: settings.metrics.redis.clone(),
            trimmed: None,
            candles_max,
        }
    }

    /// Whether it is time to trim, given how many `candles` there are.
    pub(super) fn is_due(&self, candles: u64) -> bool {
        let wait = if candles > self.candles_max { EVERY_WHILE_FULL } else { EVERY };
        self.trimmed.is_none_or(|at| at.elapsed() >= wait)
    }

    /// Removes every candle that is finished, whatever its age: Redis has no memory left to commit with.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when Redis does not answer.
    pub(super) async fn make_room(&mut self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let [candles, ..] = &self.streams;
        let Some(Finished { before: Some(before), .. }) = candles.finished(connection).await? else { return Ok(()) };
        candles.cut(before, connection).await.map(|_| ())
    }

    /// Trims.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when the connection can't be used any more. What the server refuses is logged.
    pub(super) async fn trim(&mut self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.trimmed = Some(Instant::now());
        for stream in &mut self.streams {
            match stream.trim(connection).await {
                Ok(overdue_ms) => self.overdue.set(stream.kind, self.partition, overdue_ms),
                Err(error) => match self.redis.count(&error) {
                    RedisFault::Connection | RedisFault::Moved => return Err(error),
                    _ => tracing::warn!(stream = %stream.key, "{} is not trimmed: {}", stream.key, describe(&error)),
                },
            }
        }
        Ok(())
    }
}

impl Stream {
    /// Answers for how many milliseconds the oldest entry has outlived its retention.
    async fn trim(&mut self, connection: &mut MultiplexedConnection) -> Result<u64, RedisError> {
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("XLEN").arg(&self.key);
        let ((seconds, micros), length): ((u64, u64), u64) = pipe.query_async(connection).await?;
        if length == 0 {
            return Ok(0);
        }
        let retention = u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX);
        let oldest = EntryId { ms: (seconds * 1_000 + micros / 1_000).saturating_sub(retention), seq: 0 };
        let Some(finished) = self.finished(connection).await? else {
            tracing::debug!(stream = %self.key, "{} lacks an expected group: it is not trimmed", self.key);
            return self.overdue(oldest, length, None, connection).await;
        };
        let too_many = self.length_max.is_some_and(|most| length > most);
        let end = EntryId { ms: u64::MAX, seq: u64::MAX };
        let wanted = if too_many { end } else { oldest };
        let removed = self.cut(finished.before.unwrap_or(end).min(wanted), connection).await?;
        if finished.before.is_none_or(|before| before >= oldest) && !too_many {
            self.is_trimmed();
            return Ok(0);
        }
        self.overdue(oldest, length.saturating_sub(removed), finished.last, connection).await
    }

    /// How much every group has finished; `None` where the expected group is missing.
    async fn finished(&self, connection: &mut MultiplexedConnection) -> Result<Option<Finished>, RedisError> {
        let groups: Value = redis::cmd("XINFO").arg("GROUPS").arg(&self.key).query_async(connection).await?;
        let groups = Group::read_all(groups);
        if self.expected.is_some_and(|expected| Group::find(&groups, expected).is_none()) {
            return Ok(None);
        }
        let mut pipe = redis::pipe();
        for group in &groups {
            pipe.cmd("XPENDING").arg(&self.key).arg(&group.name);
        }
        let pending: Vec<Value> = if pipe.is_empty() { Vec::new() } else { pipe.query_async(connection).await? };
        let unfinished = groups
            .into_iter()
            .zip(pending)
            .map(|(group, pending)| (smallest_pending(&pending).unwrap_or_else(|| after(group.last)), group.name));
        let behind = unfinished.min();
        let (before, last) = behind.map_or((None, None), |(before, name)| (Some(before), Some(name)));
        Ok(Some(Finished { before, last }))
    }

    /// Removes what lies before an entry, a bounded number at once; answers how many that were.
    async fn cut(&self, before: EntryId, connection: &mut MultiplexedConnection) -> Result<u64, RedisError> {
        let before = before.to_string();
        let mut removed = 0;
        for _ in 0..CUTS_MAX {
            let mut trim = redis::cmd("XTRIM");
            trim.arg(&self.key).arg("MINID").arg("~").arg(&before).arg("LIMIT").arg(AT_ONCE);
            match trim.query_async::<u64>(connection).await? {
                // What is left is a part of one node of the stream.
                0 => {
                    let mut trim = redis::cmd("XTRIM");
                    trim.arg(&self.key).arg("MINID").arg(&before);
                    return Ok(removed + trim.query_async::<u64>(connection).await?);
                }
                some => removed += some,
            }
        }
        Ok(removed)
    }

    /// Measures by how much the oldest entry has outlived its retention, and says who holds that up.
    async fn overdue(
        &mut self,
        oldest: EntryId,
        length: u64,
        group: Option<String>,
        connection: &mut MultiplexedConnection,
    ) -> Result<u64, RedisError> {
        let first: RedisResult<Value> =
            redis::cmd("XRANGE").arg(&self.key).arg("-").arg("+").arg("COUNT").arg(1).query_async(connection).await;
        let first = range_reply(first?).ok().and_then(|entries| entries.first().map(|entry| entry.id));
        let overdue_ms = first.map_or(0, |first| oldest.ms.saturating_sub(first.ms));
        // That the workers themselves are behind is seen in their lag.
        let is_foreign = group.as_deref().is_some_and(|group| group != WORKER_GROUP);
        let too_many = is_foreign && self.length_max.is_some_and(|most| length > most);
        let now = Instant::now();
        self.full_since = too_many.then(|| self.full_since.unwrap_or(now));
        let is_full_for_long = self.full_since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
        if Duration::from_millis(overdue_ms) < PATIENCE && !is_full_for_long {
            if !too_many {
                self.is_trimmed();
            }
            return Ok(overdue_ms);
        }
        let holder = group.unwrap_or_default();
        if self.said.replace(holder.clone()).as_ref() != Some(&holder) {
            self.say(&holder, overdue_ms, length);
        }
        Ok(overdue_ms)
    }

    /// Says that nothing holds up the trimming any more, where that was said.
    fn is_trimmed(&mut self) {
        self.full_since = None;
        if self.said.take().is_some() {
            tracing::info!(stream = %self.key, "{} is trimmed again", self.key);
        }
    }

    fn say(&self, holder: &str, overdue_ms: u64, length: u64) {
        let key = &self.key;
        let late = humantime::format_duration(Duration::from_secs(overdue_ms / 1_000));
        match self.expected {
            Some(expected) if holder.is_empty() => tracing::warn!(
                stream = %key,
                "{key} is not trimmed, its {length} entries are up to {late} too old: its consumer group {expected} does not exist yet"
            ),
            Some(expected) if holder == expected => tracing::error!(
                stream = %key, group = holder,
                "the consumer group {holder} holds up the trimming of {key}, {length} entries, up to {late} too old: it is far behind or not running"
            ),
            _ => tracing::error!(
                stream = %key, group = holder,
                "the consumer group {holder} holds up the trimming of {key}, {length} entries, up to {late} too old: start its consumer, or remove it with XGROUP DESTROY"
            ),
        }
    }
}

/// The smallest id of `XPENDING`'s summary: `[count, smallest, largest, consumers]`.
fn smallest_pending(summary: &Value) -> Option<EntryId> {
    let Value::Array(parts) = summary else { return None };
    redis::from_redis_value_ref::<String>(parts.get(1)?).ok()?.parse().ok()
}

/// The id right after another one.
fn after(id: EntryId) -> EntryId {
    match id.seq.checked_add(1) {
        Some(seq) => EntryId { ms: id.ms, seq },
        None => EntryId { ms: id.ms.saturating_add(1), seq: 0 },
    }
}
