//! The census: how long the streams are, how far behind their readers, how full Redis is.
//!
//! Owns the gauges about them, which every process keeps, so that they are there whichever of them lives. It looks
//! every few seconds, with a round trip to each node, and changes nothing. A figure that can't be had is NaN.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::Gauge;
use redis::{InfoDict, RedisError, RedisResult, Value};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cluster::Node;
use crate::config::RedisConfig;
use crate::connection::{RedisFault, RedisTarget};
use crate::group::Group;
use crate::keys::{NOTIFIER_GROUP, WORKER_GROUP};
use crate::metrics::{Command, RedisMetrics, Stopwatch, table};
use crate::nodes::Nodes;
use crate::series::Partition;

/// How often it looks, where there are not very many partitions.
const EVERY: Duration = Duration::from_secs(5);
/// What a partition adds to that time where there are very many, so that a look stays a trifle.
const EVERY_PARTITION: Duration = Duration::from_millis(5);
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Partitions that are asked about in one round trip.
const AT_ONCE: usize = 256;

/// What was seen; `None` where Redis does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Entries of the candle, signal and dead streams.
    pub lengths: [Option<u64>; 3],
    /// Candles that the workers have not committed, and signals that the notifier was not given.
    pub lags: [Option<u64>; 2],
    /// Of the fullest node.
    pub memory: Memory,
}

impl Seen {
    /// Candles that the workers have not committed.
    pub fn candle_lag(&self) -> Option<u64> {
        self.lags[0]
    }
}

/// The memory of a server, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// What it uses.
    pub used: Option<u64>,
    /// What it may use; `None`: all there is.
    pub max: Option<u64>,
}

impl Memory {
    fn read(reply: RedisResult<Value>) -> Self {
        let info: Option<InfoDict> = reply.ok().and_then(|reply| redis::from_redis_value(reply).ok());
        let bytes = |name| info.as_ref().and_then(|info| info.get::<u64>(name));
        Self { used: bytes("used_memory"), max: bytes("maxmemory").filter(|max| *max > 0) }
    }

    /// How full it is. A server without a limit is emptier than any that has one.
    fn fullness(self) -> (f64, u64) {
        let used = self.used.unwrap_or(0);
        (self.max.map_or(0.0, |max| used as f64 / max as f64), used)
    }
}

/// Looks at Redis every few seconds.
#[derive(Debug)]
pub struct Census {
    config: RedisConfig,
    nodes: Nodes,
    redis: RedisMetrics,
    info: Stopwatch,
    gauges: Gauges,
    seen: watch::Sender<Seen>,
}

impl Census {
    /// Makes the gauges; nothing is seen yet.
    pub fn new(target: RedisTarget, config: &RedisConfig, redis: RedisMetrics) -> Self {
        let census = Self {
            config: config.clone(),
            nodes: Nodes::new(target, PATIENCE),
            redis,
            info: Stopwatch::new(Command::Info),
            gauges: Gauges::new(),
            seen: watch::Sender::default(),
        };
        census.gauges.set(&Seen::default());
        census
    }

    /// Follows what is seen.
    pub fn follow(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Looks until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let every = EVERY.max(EVERY_PARTITION * u32::from(self.config.partitions.count()));
        loop {
            let looked = tokio::select! {
                looked = self.look() => looked,
                () = stop.cancelled() => return,
            };
            let seen = looked.unwrap_or_default();
            self.gauges.set(&seen);
            self.seen.send_replace(seen);
            tokio::select! {
                () = sleep(every) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Looks once. Where that fails, the next look finds its way anew.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when a node does not answer; what it refuses to tell is not known.
    pub async fn look(&mut self) -> Result<Seen, RedisError> {
        let seen = self.look_at_all().await;
        seen.inspect_err(|error| {
            self.redis.count(error);
            self.nodes.forget();
        })
    }

    async fn look_at_all(&mut self) -> Result<Seen, RedisError> {
        let mut by_node: BTreeMap<Node, Vec<Partition>> = BTreeMap::new();
        for partition in self.config.partitions.iter() {
            by_node.entry(self.nodes.of(&self.config.keys.candles(partition)).await?).or_default().push(partition);
        }
        let mut seen = Seen { lengths: [Some(0); 3], lags: [Some(0); 2], memory: Memory::default() };
        for (node, partitions) in by_node {
            for partitions in partitions.chunks(AT_ONCE) {
                self.ask(&node, partitions, &mut seen).await?;
            }
        }
        Ok(seen)
    }

    async fn ask(&mut self, node: &Node, partitions: &[Partition], seen: &mut Seen) -> Result<(), RedisError> {
        let keys = &self.config.keys;
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        pipe.cmd("INFO").arg("memory");
        for partition in partitions {
            let (candles, signals) = (keys.candles(*partition), keys.signals(*partition));
            pipe.cmd("XLEN").arg(&candles).cmd("XLEN").arg(&signals).cmd("XLEN").arg(keys.dead(*partition));
            pipe.cmd("XINFO").arg("GROUPS").arg(&candles).cmd("XINFO").arg("GROUPS").arg(&signals);
        }
        let mut connection = self.nodes.to(node).await?;
        let replies: Vec<RedisResult<Value>> = self.info.time(pipe.query_async(&mut connection)).await?;
        let moved =
            |reply: &&RedisResult<Value>| reply.as_ref().is_err_and(|error| RedisFault::of(error) == RedisFault::Moved);
        if let Some(Err(error)) = replies.iter().find(moved) {
            return Err(error.clone());
        }
        let mut replies = replies.into_iter();
        let memory = replies.next().map(Memory::read).unwrap_or_default();
        if memory.fullness() > seen.memory.fullness() {
            seen.memory = memory;
        }
        while let (Some(candles), Some(signals), Some(dead), Some(workers), Some(notifiers)) =
            (replies.next(), replies.next(), replies.next(), replies.next(), replies.next())
        {
            let lengths = [candles, signals, dead].map(length);
            let lags = [lag(workers, WORKER_GROUP, lengths[0]), lag(notifiers, NOTIFIER_GROUP, lengths[1])];
            add(&mut seen.lengths, lengths);
            add(&mut seen.lags, lags);
        }
        Ok(())
    }
}

fn length(reply: RedisResult<Value>) -> Option<u64> {
    redis::from_redis_value(reply.ok()?).ok()
}

/// How many entries a group was not given. One that is not there yet will be given all.
fn lag(reply: RedisResult<Value>, name: &str, length: Option<u64>) -> Option<u64> {
    match reply {
        Ok(reply) => Group::find(&Group::read_all(reply), name).map_or(length, |group| group.lag),
        // There is no such stream.
        Err(_) => length.filter(|length| *length == 0),
    }
}

/// What is known of all is known only where it is known of each.
fn add<const N: usize>(sums: &mut [Option<u64>; N], more: [Option<u64>; N]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.zip(more).map(|(sum, more)| sum.saturating_add(more));
    }
}

#[derive(Debug)]
struct Gauges {
    lengths: [Gauge; 3],
    lags: [Gauge; 2],
    used: Gauge,
    max: Gauge,
}

impl Gauges {
    fn new() -> Self {
        let lag = |(stream, group)| table::STREAM_LAG.gauge(&[stream, group]);
        Self {
            lengths: ["candles", "signals", "dead"].map(|stream| table::STREAM_LENGTH.gauge(&[stream])),
            lags: [("candles", WORKER_GROUP), ("signals", NOTIFIER_GROUP)].map(lag),
            used: table::REDIS_MEMORY_USED.gauge(&[]),
            max: table::REDIS_MEMORY_MAX.gauge(&[]),
        }
    }

    fn set(&self, seen: &Seen) {
        let set = |gauge: &Gauge, value: Option<u64>| gauge.set(value.map_or(f64::NAN, |value| value as f64));
        self.lengths.iter().zip(seen.lengths).for_each(|(gauge, length)| set(gauge, length));
        self.lags.iter().zip(seen.lags).for_each(|(gauge, lag)| set(gauge, lag));
        set(&self.used, seen.memory.used);
        set(&self.max, seen.memory.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_node_is_the_one_that_is_closest_to_its_limit() {
        let memory = |used, max| Memory { used: Some(used), max };
        let mut nodes = [memory(90, None), memory(10, Some(20)), memory(30, Some(100)), Memory::default()];
        nodes.sort_by(|one, other| one.fullness().partial_cmp(&other.fullness()).unwrap());
        assert_eq!(nodes, [Memory::default(), memory(90, None), memory(30, Some(100)), memory(10, Some(20))]);
    }

    #[test]
    fn what_one_partition_does_not_tell_is_not_known_of_all() {
        let mut sums = [Some(0), Some(0)];
        add(&mut sums, [Some(3), Some(1)]);
        add(&mut sums, [Some(4), None]);
        add(&mut sums, [Some(5), Some(1)]);
        assert_eq!(sums, [Some(12), None]);
    }
}
