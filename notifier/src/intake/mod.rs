//! The intake: signals from the streams into the recipients' queues.
//!
//! One blocking connection reads all partitions through the consumer group. An entry is acknowledged
//! only after its alerts stand in the queues, and queueing is idempotent, so an entry that is read
//! twice does no harm. After any fault the entries that this process holds are read again; those of a
//! process that died are claimed. An entry that is no signal is set aside and blocks nothing.
//!
//! The intake delivers nothing: it wakes the recipients' tasks.

mod batch;
mod group;

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::backoff;
use candlewire_common::config::RedisConfig;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget, describe};
use candlewire_common::metrics::{RedisMetrics, table};
use metrics::Counter;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::queue::Enqueue;
use crate::recipient::Recipient;
use batch::Incoming;
use group::Group;

/// How long a read waits for signals; a stop waits as long at most.
const BLOCK: Duration = Duration::from_secs(1);
/// How often entries of dead processes are looked for.
const CLAIM_EVERY: Duration = Duration::from_secs(5);
/// How many signals are queued in one round trip.
const AT_ONCE: usize = 64;

/// A recipient and what wakes its task.
pub(crate) type Listener = (Arc<Recipient>, Arc<Notify>);

/// Moves signals into the queues.
pub(crate) struct Intake {
    target: RedisTarget,
    metrics: RedisMetrics,
    group: Group,
    listeners: Vec<Listener>,
    enqueue: Enqueue,
    unreadable_key: String,
    consumed: Counter,
    unreadable: Counter,
}

impl Intake {
    /// Prepares the intake of all partitions. Makes the counters, at zero.
    pub(crate) fn new(
        config: &RedisConfig,
        target: RedisTarget,
        metrics: RedisMetrics,
        listeners: Vec<Listener>,
        enqueue: Enqueue,
    ) -> Self {
        Self {
            target,
            metrics,
            group: Group::new(config.partitions.iter().map(|partition| config.keys.signals(partition)).collect()),
            listeners,
            enqueue,
            unreadable_key: config.keys.delivery("unreadable"),
            consumed: table::SIGNALS_CONSUMED.counter(&[]),
            unreadable: table::SIGNALS_UNREADABLE.counter(&[]),
        }
    }

    /// Moves signals until `stop`, whatever Redis does.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let mut delays = backoff::redis();
        let mut is_told = false;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let Err(error) = self.session(stop).await else { return };
            self.metrics.count(&error);
            if began.elapsed() > RESPONSE_TIMEOUT + BLOCK {
                (delays, is_told) = (backoff::redis(), false);
            }
            if !is_told {
                tracing::warn!("signals can't be read, trying again: {}", describe(&error));
                is_told = true;
            }
            tokio::select! {
                () = sleep(delays.next().unwrap_or(BLOCK)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Reads over one connection until `stop` or a fault.
    async fn session(&self, stop: &CancellationToken) -> Result<(), RedisError> {
        let mut connection = tokio::select! {
            connection = self.target.connect(&self.unreadable_key, BLOCK + RESPONSE_TIMEOUT) => connection?,
            () = stop.cancelled() => return Ok(()),
        };
        self.group.create(&mut connection).await?;
        // What an earlier session read and could not finish is still held.
        let mut holds_entries = true;
        let mut claimed_at = None::<Instant>;
        while !stop.is_cancelled() {
            if claimed_at.is_none_or(|at| at.elapsed() >= CLAIM_EVERY) {
                holds_entries |= self.group.claim(&mut connection).await?;
                claimed_at = Some(Instant::now());
            }
            let block = if holds_entries { None } else { Some(BLOCK) };
            let entries = self.group.read(&mut connection, block).await?;
            if entries.is_empty() {
                holds_entries = false;
            }
            for entries in entries.chunks(AT_ONCE) {
                self.queue(&mut connection, entries).await?;
            }
        }
        self.group.leave(&mut connection).await
    }

    /// Queues the alerts of some entries, then acknowledges the entries.
    async fn queue(&self, connection: &mut MultiplexedConnection, entries: &[Incoming]) -> Result<(), RedisError> {
        let batch = batch::Batch::of(entries, &self.listeners, &self.enqueue, &self.unreadable_key);
        batch.commands.exec_async(connection).await?;
        for woken in &batch.woken {
            self.listeners[*woken].1.notify_one();
        }
        self.consumed.increment(entries.len() as u64);
        self.unreadable.increment(batch.unreadable);
        self.group.acknowledge(connection, entries).await
    }
}
