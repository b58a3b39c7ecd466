//! Names of keys in Redis: the contract's, and Candlewire's own.
//!
//! The braces around the partition make all its keys one slot of Redis Cluster.

use crate::series::{Partition, Series};

/// The consumer group of the indicator-workers on the candle streams.
pub const WORKER_GROUP: &str = "indicator-workers";
/// The consumer group of the notifier on the signal streams.
pub const NOTIFIER_GROUP: &str = "notifier";

/// Builds key names under one prefix.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Names keys under `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Candles in.
    pub fn candles(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:candles", self.prefix)
    }

    /// Signals out.
    pub fn signals(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:signals", self.prefix)
    }

    /// Candles that could not be used.
    pub fn dead(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:dead", self.prefix)
    }

    /// The indicator state of one series.
    pub fn state(&self, partition: Partition, series: &Series) -> String {
        format!("{}:{{{partition}}}:ma:{series}", self.prefix)
    }

    /// The last closed candles of one series.
    pub fn history(&self, partition: Partition, series: &Series) -> String {
        format!("{}:{{{partition}}}:ohlcv:{series}", self.prefix)
    }

    /// Who owns a partition, and until when.
    pub fn lease(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:lease", self.prefix)
    }

    /// The ownership's epoch: changes only when a partition changes hands.
    pub fn fence(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:fence", self.prefix)
    }

    /// The committed position, should the consumer group that shows it be destroyed.
    pub fn position(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:position", self.prefix)
    }

    /// Where a candle stream ended before a change of the number of partitions appended to it.
    pub fn repartition(&self, partition: Partition) -> String {
        format!("{}:{{{partition}}}:repartition", self.prefix)
    }

    /// The glob of all partitions' keys. No character of a prefix means anything else in one.
    pub fn of_partitions(&self) -> String {
        format!("{}:{{*}}:*", self.prefix)
    }

    /// Takes the key of a partition apart: which it is, and what follows its braces.
    pub fn split<'a>(&self, key: &'a str) -> Option<(Partition, &'a str)> {
        let (number, name) = key.strip_prefix(&self.prefix)?.strip_prefix(":{")?.split_once("}:")?;
        let partition = Partition(number.parse().ok()?);
        // `{07}` is not how partition 7 is written.
        (partition.to_string() == number).then_some((partition, name))
    }

    /// The indicator-workers that live, and what each holds.
    pub fn workers(&self) -> String {
        format!("{}:workers", self.prefix)
    }

    /// Schema and partition count.
    pub fn meta(&self) -> String {
        format!("{}:meta", self.prefix)
    }

    /// A key of the delivery queues, which share one slot: `due:desk`.
    pub fn delivery(&self, name: &str) -> String {
        format!("{}:{{delivery}}:{name}", self.prefix)
    }
}
