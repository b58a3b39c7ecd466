//! One partition's task: tenure after tenure, whenever the partition is in the worker's share.
//!
//! A tenure begins with taking the lease and reading the position, and ends with a stop, a hand-over, a
//! loss or a fault. What is in memory never outlives it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::backoff;
use candlewire_common::config::{CacheConfig, RedisConfig, StreamsConfig};
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget, describe};
use candlewire_common::meta::{self, MetaError};
use candlewire_common::series::Partition;
use candlewire_common::stream::{StreamEntry, read_reply};
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::applier::Applier;
use super::commit::Committed;
use super::coordinator::{Share, is_share};
use super::lease::{Acquired, Leases, Token};
use super::position::{self, Position};
use super::trim::Trimmer;
use crate::core::Plans;
use crate::metrics::WorkerMetrics;

/// How long one read waits for candles. Bounds how late a lost lease is noticed.
const BLOCK: Duration = Duration::from_millis(BLOCK_MS);
const BLOCK_MS: u64 = 1_000;
/// Bounds of how long to wait before a partition that another worker still holds is asked for again: one
/// that is handed over moves on at once.
const HELD_LEAST: Duration = Duration::from_millis(20);
const HELD_MOST: Duration = Duration::from_millis(100);
/// How many attempts in a row may fail for the connection's sake before that is logged for the partition.
const ATTEMPTS_UNSAID: u32 = 6;
/// How long handing over may take.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What all partitions' tasks share.
#[derive(Debug)]
pub struct Settings {
    /// Where Redis is.
    pub target: RedisTarget,
    /// How its keys are laid out.
    pub redis: RedisConfig,
    /// The cache's settings.
    pub cache: CacheConfig,
    /// How long streams are kept.
    pub streams: StreamsConfig,
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
    pub(super) applier: Applier,
    /// What the worker ought to have.
    shares: watch::Receiver<Share>,
    /// Whether the lease may be ours: it is from when it is asked for, until it is another's or handed over.
    may_hold: bool,
    /// The fault that is being waited out.
    trouble: Option<Trouble>,
}

/// A fault that is being waited out.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    fault: RedisFault,
    /// How many attempts have met it.
    attempts: u32,
    /// Whether it was logged.
    is_said: bool,
}

/// What one read found.
pub(super) struct Read {
    /// How many candles the stream held.
    candles: u64,
    /// The next of them.
    pub(super) entries: Vec<StreamEntry>,
}

/// How a tenure ended, faults aside.
enum Ended {
    /// The partition is to be another's, or nobody's as the process stops.
    Leaving,
    /// The partitions are divided otherwise by now: the process is about to end.
    Outdated,
    /// Another worker has the partition; its lease has this long to run.
    Held(Duration),
    /// The fence is not ours: another worker took over, or a reset wants the states loaded anew.
    Lost,
}

impl PartitionTask {
    /// Prepares the task of `partition`, which works while that is in the worker's share.
    pub fn new(settings: Arc<Settings>, partition: Partition, plans: Plans, shares: watch::Receiver<Share>) -> Self {
        let applier = Applier::new(settings.clone(), partition, plans);
        Self { settings, partition, applier, shares, may_hold: false, trouble: None }
    }

    /// Works until `stop`. Faults of Redis are waited out.
    ///
    /// # Errors
    ///
    /// None; the signature is that of a supervised task.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        let mut delays = backoff::redis();
        let mut connection = None;
        loop {
            if !self.shares.borrow().contains(&self.partition) {
                // What is left over now may be broken long before the partition comes back.
                (connection, self.trouble) = (None, None);
                self.release().await;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    self.release().await;
                    return Ok(());
                }
                () = is_share(&mut self.shares, self.partition, true) => {}
            }
            let pause = match self.tenure(&mut connection, &stop).await {
                Ok(Ended::Leaving | Ended::Lost) => {
                    connection = None;
                    Duration::ZERO
                }
                Ok(Ended::Outdated) => {
                    connection = None;
                    HELD_MOST
                }
                Ok(Ended::Held(left)) => {
                    self.trouble = None;
                    left.clamp(HELD_LEAST, HELD_MOST)
                }
                Err(error) => {
                    connection = None;
                    if self.trouble.is_none() {
                        delays = backoff::redis();
                    }
                    self.note(&error);
                    delays.next().unwrap_or(BLOCK)
                }
            };
            self.applier.forget();
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn tenure(
        &mut self,
        kept: &mut Option<MultiplexedConnection>,
        stop: &CancellationToken,
    ) -> Result<Ended, RedisError> {
        let taking = async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connect(BLOCK + RESPONSE_TIMEOUT).await?,
            };
            self.may_hold = true;
            let acquired = self.settings.leases.acquire(self.partition, &mut connection).await?;
            Ok::<_, RedisError>((connection, acquired))
        };
        let (mut connection, acquired) = tokio::select! {
            taken = taking => taken?,
            () = stop.cancelled() => return Ok(Ended::Leaving),
        };
        let (token, cause) = match acquired {
            Acquired::Taken { token, cause } => (token, cause),
            Acquired::Held { holder, left } => {
                *kept = Some(connection);
                self.may_hold = false;
                tracing::debug!(
                    partition = self.partition.0,
                    "worker {holder} still holds partition {}",
                    self.partition
                );
                return Ok(Ended::Held(left));
            }
        };
        self.settings.metrics.partitions_owned.increment(1.0);
        let ended = match self.begin(&token, &cause, &mut connection).await {
            Ok(Some(position)) => self.serve(&token, position, &mut connection, stop).await,
            Ok(None) => Ok(Ended::Outdated),
            Err(error) => Err(error),
        };
        self.settings.metrics.partitions_owned.decrement(1.0);
        self.settings.metrics.overdue.forget(self.partition);
        match &ended {
            Ok(Ended::Leaving | Ended::Outdated) => self.release().await,
            // The connection is not kept: it watches a fence that has changed, and would refuse the next transaction.
            Ok(Ended::Lost) => {
                self.settings.leases.forget(self.partition, &token);
                self.may_hold = false;
                tracing::warn!(
                    partition = self.partition.0,
                    "partition {} is not ours any more: another worker has taken it over, a reset wants its states loaded anew, or Redis was emptied",
                    self.partition
                );
            }
            // The lease stays ours, and is renewed, while a fault is waited out: others need not share anew.
            Ok(Ended::Held(_)) | Err(_) => {}
        }
        ended
    }

    /// Reads the position; `None` where the layout is no longer this worker's own.
    async fn begin(
        &mut self,
        token: &Token,
        cause: &str,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Position>, RedisError> {
        if !self.is_own_layout(connection).await? {
            return Ok(None);
        }
        self.check_outputs(connection).await?;
        self.show(token, connection).await?;
        let position = position::read(&self.settings.redis.keys.candles(self.partition), connection).await?;
        self.settings.metrics.took_over(cause);
        tracing::debug!(
            partition = self.partition.0,
            cause,
            "owns partition {} from entry {}",
            self.partition,
            position.last
        );
        Ok(Some(position))
    }

    /// Makes the group where it is missing, and shows this worker as its one consumer.
    async fn show(&self, token: &Token, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let keys = &self.settings.redis.keys;
        let stream = keys.candles(self.partition);
        position::ensure_group(&stream, &keys.position(self.partition), connection).await?;
        let fence = keys.fence(self.partition);
        position::show_owner(&stream, self.settings.leases.owner(), (&fence, token), connection).await
    }

    /// Refuses to begin while a key that signals or dead entries go to holds something else: a transaction
    /// would step over what can't be added, and nobody would find it again.
    async fn check_outputs(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let keys = &self.settings.redis.keys;
        for key in [keys.signals(self.partition), keys.dead(self.partition)] {
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(connection).await?;
            if !matches!(kind.as_str(), "none" | "stream") {
                let what = format!("{key} is a {kind}");
                return Err(RedisError::from((redis::ErrorKind::Client, "a key is no stream", what)));
            }
        }
        Ok(())
    }

    /// Whether the partitions are still divided as this worker knows it: asked while it has the lease, since
    /// it may have slept through a change until a moment ago. That it ends then is the coordinator's doing.
    async fn is_own_layout(&self, connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
        let redis = &self.settings.redis;
        let verified = if redis.cluster {
            let mut other = self.settings.target.connect(&redis.keys.meta(), RESPONSE_TIMEOUT).await?;
            meta::verify(&mut other, redis).await
        } else {
            meta::verify(connection, redis).await
        };
        match verified {
            Ok(_) => Ok(true),
            Err(MetaError::Redis(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    async fn serve(
        &mut self,
        token: &Token,
        mut position: Position,
        connection: &mut MultiplexedConnection,
        stop: &CancellationToken,
    ) -> Result<Ended, RedisError> {
        let mut shares = self.shares.clone();
        let mut trimmer = Trimmer::new(&self.settings, self.partition);
        let mut is_settled = false;
        loop {
            let read = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Ended::Leaving),
                () = is_share(&mut shares, self.partition, false) => return Ok(Ended::Leaving),
                read = self.read(token, position, connection) => read?,
            };
            let Some(Read { candles, entries }) = read else { return Ok(Ended::Lost) };
            let is_due = trimmer.is_due(candles);
            if let Some(last) = entries.last() {
                position = position.after(last.id, entries.len());
                match self.applier.apply(&entries, position, connection).await {
                    Ok(Committed::Applied) => {}
                    Ok(Committed::Fenced) => {
                        self.settings.metrics.commits_fenced.increment(1);
                        return Ok(Ended::Lost);
                    }
                    Err(error) => {
                        if RedisFault::of(&error) == RedisFault::Unavailable {
                            trimmer.make_room(connection).await?;
                        }
                        return Err(error);
                    }
                }
            } else if is_due || !is_settled {
                position = self.settle(token, position, connection).await?;
                is_settled = position.entries_read.is_some();
            }
            self.flows();
            if is_due {
                // Somebody may have destroyed the group, or removed the owner from it, while no candle came.
                self.show(token, connection).await?;
                trimmer.trim(connection).await?;
            }
        }
    }

    /// Puts the lag right at the end of the stream.
    async fn settle(
        &self,
        token: &Token,
        position: Position,
        connection: &mut MultiplexedConnection,
    ) -> Result<Position, RedisError> {
        let keys = &self.settings.redis.keys;
        let (stream, kept, fence) =
            (keys.candles(self.partition), keys.position(self.partition), keys.fence(self.partition));
        position::settle(position, (&stream, &kept), (&fence, token), connection).await
    }

    /// Watches the fence and reads on, in one round trip. `None`: the fence is not ours any more.
    ///
    /// Has no effect on the server but the watch, so it may be dropped at any point.
    pub(super) async fn read(
        &self,
        token: &Token,
        position: Position,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<Read>, RedisError> {
        let fence = self.settings.redis.keys.fence(self.partition);
        let mut pipe = redis::pipe();
        let stream = self.settings.redis.keys.candles(self.partition);
        pipe.cmd("WATCH").arg(&fence).ignore().cmd("GET").arg(&fence).cmd("XLEN").arg(&stream);
        pipe.cmd("XREAD").arg("COUNT").arg(self.settings.batch).arg("BLOCK").arg(BLOCK_MS);
        pipe.arg("STREAMS").arg(&stream).arg(position.last.to_string());
        let (found, candles, reply): (Option<String>, u64, Value) = pipe.query_async(connection).await?;
        if found.as_deref() != Some(token.0.as_str()) {
            return Ok(None);
        }
        let unreadable = |error: candlewire_common::stream::ReplyError| {
            RedisError::from((redis::ErrorKind::UnexpectedReturnType, "candles", error.to_string()))
        };
        read_reply(reply).map(|entries| Some(Read { candles, entries })).map_err(unreadable)
    }

    /// Hands the partition over where it may be ours. The serving connection may be blocked in a read, so
    /// another one does it.
    async fn release(&mut self) {
        if !std::mem::take(&mut self.may_hold) {
            return;
        }
        let released = timeout(RELEASE_TIMEOUT, async {
            let mut connection = self.connect(RELEASE_TIMEOUT).await?;
            self.settings.leases.release(self.partition, &mut connection).await
        });
        if !matches!(released.await, Ok(Ok(()))) {
            self.settings.leases.abandon(self.partition);
            tracing::debug!(partition = self.partition.0, "partition {} is left to expire", self.partition);
        }
    }

    /// Connects to the server that holds the partition's keys.
    async fn connect(&self, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
        self.settings.target.connect(&self.settings.redis.keys.fence(self.partition), patience).await
    }

    /// Counts a fault, and logs it once. That a connection is gone is said for the whole process by the
    /// watchdog; where only this partition's keep failing, it is said here.
    fn note(&mut self, error: &RedisError) {
        let fault = self.settings.metrics.redis.count(error);
        let same = self.trouble.filter(|trouble| trouble.fault == fault);
        let mut trouble = same.unwrap_or(Trouble { fault, attempts: 0, is_said: false });
        trouble.attempts += 1;
        if !trouble.is_said && (fault != RedisFault::Connection || trouble.attempts >= ATTEMPTS_UNSAID) {
            tracing::warn!(partition = self.partition.0, "partition {} waits: {}", self.partition, describe(error));
            trouble.is_said = true;
        }
        self.trouble = Some(trouble);
    }

    /// Ends the trouble: what was to be committed is, or there was nothing.
    fn flows(&mut self) {
        if self.trouble.take().is_some_and(|trouble| trouble.is_said) {
            tracing::info!(partition = self.partition.0, "partition {} is in flow again", self.partition);
        }
    }
}
