//! The intake: signals from the streams into the recipients' queues.
//!
//! Owns who reads what. On a lone Redis one reader has all partitions; in a cluster each partition has a reader
//! of its own, so that a node that fails keeps back the signals of its own partitions alone. An entry is
//! acknowledged only after its alerts stand in the queues, and queueing is idempotent, so an entry that is read
//! twice does no harm. After any fault the entries that this process holds are read again; those of a process
//! that died are claimed. An entry that is no signal is set aside and blocks nothing.
//!
//! The intake delivers nothing: it wakes the recipients' tasks.

mod batch;
mod group;
mod reader;
mod session;

use std::sync::Arc;

use candlewire_common::config::RedisConfig;
use candlewire_common::connection::RedisTarget;
use candlewire_common::metrics::{Command, RedisMetrics, Stopwatch, table};
use metrics::Counter;
use uuid::Uuid;

use crate::audience::Follow;
use crate::trouble::Trouble;
use group::Group;
pub(crate) use reader::Reader;

/// What all readers of a process share.
pub(crate) struct Intake {
    target: RedisTarget,
    metrics: RedisMetrics,
    audience: Follow,
    /// Where entries that are no signals are kept: in the slot of the queues, as these are.
    unreadable_key: String,
    trouble: Trouble,
    consumed: Counter,
    unreadable: Counter,
    enqueue: Stopwatch,
}

impl Intake {
    /// Prepares the intake. Makes the counters, at zero.
    pub(crate) fn new(config: &RedisConfig, target: RedisTarget, metrics: RedisMetrics, audience: Follow) -> Self {
        Self {
            target,
            metrics,
            audience,
            unreadable_key: config.keys.delivery("unreadable"),
            trouble: Trouble::new("read signals"),
            consumed: table::SIGNALS_CONSUMED.counter(&[]),
            unreadable: table::SIGNALS_UNREADABLE.counter(&[]),
            enqueue: Stopwatch::new(Command::Evalsha),
        }
    }

    /// The readers that have all partitions between them: one, or in a cluster one for each.
    pub(crate) fn readers(self, config: &RedisConfig) -> Vec<Reader> {
        // In every group under the one name, which no other process has.
        let consumer = Uuid::new_v4().to_string();
        let streams: Vec<String> = config.partitions.iter().map(|partition| config.keys.signals(partition)).collect();
        let shares = if self.target.is_cluster() {
            streams.into_iter().map(|stream| vec![stream]).collect()
        } else {
            vec![streams]
        };
        let intake = Arc::new(self);
        let reader = |streams| Reader::new(Arc::clone(&intake), Group::new(streams, consumer.clone()));
        shares.into_iter().map(reader).collect()
    }
}
