//! One session: a connection to the node of the streams, one to the node of the queues, and what goes from the
//! one to the other. Any fault of either ends it, and nothing of it is kept: the next one asks anew which nodes
//! those are.

use std::time::Duration;

use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisFault};
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::Intake;
use super::batch::{Batch, Incoming};
use super::group::Group;
use crate::audience;

/// How long a read waits for signals; a stop waits as long at most.
pub(super) const BLOCK: Duration = Duration::from_secs(1);
/// How often entries of dead processes are looked for.
const CLAIM_EVERY: Duration = Duration::from_secs(5);
/// How many signals are queued in one round trip.
const AT_ONCE: usize = 64;
/// How long an acknowledgement waits for a replica to have the queued alerts, too.
const COPIED_MS: u64 = 100;

/// What is open while signals are read.
pub(super) struct Session<'a> {
    intake: &'a Intake,
    group: &'a Group,
    /// Blocks, where the streams are.
    streams: MultiplexedConnection,
    /// Where the queues are; the same connection where there is but one server.
    queues: MultiplexedConnection,
    /// Whether entries may be left that were read and not acknowledged.
    holds_entries: bool,
    claimed: Option<Instant>,
}

impl<'a> Session<'a> {
    /// Connects, and makes streams and groups that are missing. May be dropped at any point.
    pub(super) async fn open(intake: &'a Intake, group: &'a Group) -> Result<Self, RedisError> {
        let mut streams = intake.target.connect(group.key(), BLOCK + RESPONSE_TIMEOUT).await?;
        let queues = if intake.target.is_cluster() {
            intake.target.connect(&intake.unreadable_key, RESPONSE_TIMEOUT).await?
        } else {
            streams.clone()
        };
        group.create(&mut streams).await?;
        // What an earlier session read and could not finish is still held.
        Ok(Self { intake, group, streams, queues, holds_entries: true, claimed: None })
    }

    /// Reads once, and queues what came.
    pub(super) async fn turn(&mut self) -> Result<(), RedisError> {
        if self.claimed.is_none_or(|at| at.elapsed() >= CLAIM_EVERY) {
            self.holds_entries |= self.group.claim(&mut self.streams).await?;
            self.claimed = Some(Instant::now());
        }
        let block = if self.holds_entries { None } else { Some(BLOCK) };
        let entries = self.group.read(&mut self.streams, block).await?;
        if entries.is_empty() {
            self.holds_entries = false;
        }
        for entries in entries.chunks(AT_ONCE) {
            self.queue(entries).await?;
        }
        Ok(())
    }

    /// Leaves the groups where this process holds nothing.
    pub(super) async fn leave(mut self) -> Result<(), RedisError> {
        self.group.leave(&mut self.streams).await
    }

    /// Queues the alerts of some entries, then acknowledges the entries.
    async fn queue(&mut self, entries: &[Incoming]) -> Result<(), RedisError> {
        let intake = self.intake;
        let audience = audience::now(&intake.audience);
        let batch = Batch::of(entries, &audience, &intake.unreadable_key);
        intake.enqueue.time(batch.commands.exec_async(&mut self.queues)).await?;
        for woken in &batch.woken {
            audience.listeners[*woken].wake.notify_one();
        }
        intake.consumed.increment(entries.len() as u64);
        intake.unreadable.increment(batch.unreadable);
        if intake.target.is_cluster() {
            self.wait_copied().await?;
        }
        self.group.acknowledge(&mut self.streams, entries).await
    }

    /// Gives a replica the time to copy what was queued. Streams and queues are not on the same node: were the
    /// one to keep the acknowledgement and the other to lose the alert in a failover, nobody would queue it again.
    async fn wait_copied(&mut self) -> Result<(), RedisError> {
        let waited = redis::cmd("WAIT").arg(1).arg(COPIED_MS).exec_async(&mut self.queues).await;
        match waited {
            Err(error) if RedisFault::of(&error) == RedisFault::Connection => Err(error),
            // No replica, one that is slow, or a server that has no such command: as good as it gets.
            _ => Ok(()),
        }
    }
}
