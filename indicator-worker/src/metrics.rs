//! What the worker records: handles of the metric table, made at zero.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use candlewire_common::candle_entry::{CandleEntry, Unusable};
use candlewire_common::metrics::{Command, Latency, RedisMetrics, Spans, Stopwatch, Tally, table};
use candlewire_common::series::Partition;
use candlewire_common::signal::Direction;
use candlewire_common::strategy::{Filtered, Strategy};
use candlewire_common::time::UnixMicros;
use metrics::{Counter, Gauge, Histogram};

use crate::core::{BatchEffects, Outcome};

/// A longer wait than any stream is kept is a foreign clock's, and would drown the others in the sum.
const WAIT_MAX: Duration = Duration::from_hours(24 * 30);

/// Why a state was not found in either tier of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuild {
    /// There was nothing to find: the series is new, or the cache is switched off.
    Cold,
    /// The hash was gone though the series has a history.
    Expired,
    /// The hash lacks an indicator, is damaged or disagrees with the history.
    Incompatible,
}

impl Rebuild {
    const ALL: [Self; 3] = [Self::Cold, Self::Expired, Self::Incompatible];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Expired => "expired",
            Self::Incompatible => "incompatible",
        }
    }
}

/// Look-ups in the two tiers of the cache.
#[derive(Clone, Debug)]
pub(crate) struct CacheMetrics {
    pub(crate) memory_hits: Tally,
    pub(crate) memory_misses: Tally,
    pub(crate) redis_hits: Tally,
    pub(crate) redis_misses: Counter,
}

/// Times what is asked of Redis.
#[derive(Clone, Debug)]
pub(crate) struct Stopwatches {
    pub(crate) commit: Stopwatch,
    pub(crate) states: Stopwatch,
    pub(crate) histories: Stopwatch,
}

/// The streams that a partition's owner trims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trimmed {
    /// Candles in.
    Candles,
    /// Signals out.
    Signals,
    /// Entries that are no candles.
    Dead,
}

impl Trimmed {
    const ALL: [Self; 3] = [Self::Candles, Self::Signals, Self::Dead];

    fn as_str(self) -> &'static str {
        match self {
            Self::Candles => "candles",
            Self::Signals => "signals",
            Self::Dead => "dead",
        }
    }
}

/// By how much entries have outlived their retention: for each kind of stream the worst of the partitions
/// that this worker owns.
#[derive(Clone, Debug)]
pub(crate) struct Overdue {
    gauges: [Gauge; 3],
    seen: Arc<Mutex<BTreeMap<(Trimmed, Partition), u64>>>,
}

impl Overdue {
    fn new() -> Self {
        let gauges = Trimmed::ALL.map(|stream| table::TRIM_OVERDUE.gauge(&[stream.as_str()]));
        let overdue = Self { gauges, seen: Arc::default() };
        overdue.show(&BTreeMap::new());
        overdue
    }

    pub(crate) fn set(&self, stream: Trimmed, partition: Partition, overdue_ms: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((stream, partition), overdue_ms);
        self.show(&seen);
    }

    pub(crate) fn forget(&self, partition: Partition) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(_, at), _| *at != partition);
        self.show(&seen);
    }

    fn show(&self, seen: &BTreeMap<(Trimmed, Partition), u64>) {
        for (gauge, stream) in self.gauges.iter().zip(Trimmed::ALL) {
            let worst = seen.iter().filter(|((kind, _), _)| *kind == stream).map(|(_, overdue)| *overdue).max();
            gauge.set(Duration::from_millis(worst.unwrap_or(0)).as_secs_f64());
        }
    }
}

/// Every handle of the worker.
#[derive(Clone, Debug)]
pub struct WorkerMetrics {
    pub(crate) redis: RedisMetrics,
    pub(crate) cache: CacheMetrics,
    pub(crate) watches: Stopwatches,
    pub(crate) partitions_owned: Gauge,
    pub(crate) overdue: Overdue,
    series_warming: Gauge,
    series_ready: Gauge,
    pub(crate) load_state: Histogram,
    pub(crate) compute: Histogram,
    pub(crate) commit: Histogram,
    pub(crate) commits_applied: Counter,
    pub(crate) commits_fenced: Counter,
    pub(crate) commits_retried: Counter,
    queue_wait: Latency,
    signal_latency: Latency,
    /// The same since the last summary.
    pub(crate) signal_spans: Spans,
    batch_candles: Histogram,
    pub(crate) processed: [Tally; 4],
    rebuilds: [Counter; 3],
    takeovers: Arc<HashMap<&'static str, Counter>>,
    pub(crate) emitted: Arc<HashMap<(String, Direction), Tally>>,
    filtered: Arc<HashMap<(String, Filtered), Counter>>,
}

impl WorkerMetrics {
    /// Makes the handles for these strategies.
    pub fn new(strategies: &[Strategy]) -> Self {
        let cache = |tier, result| table::STATE_CACHE_REQUESTS.counter(&[tier, result]);
        let stage = |stage| table::PROCESS_DURATION.histogram(&[stage]);
        let commits = |outcome| table::COMMITS.counter(&[outcome]);
        let emitted = strategies.iter().flat_map(|strategy| {
            [Direction::Buy, Direction::Sell].map(|direction| {
                let counter = table::SIGNALS_EMITTED.counter(&[&strategy.name, direction.as_str()]);
                ((strategy.name.clone(), direction), Tally::new(counter))
            })
        });
        let filtered = strategies.iter().flat_map(|strategy| {
            Filtered::ALL.map(|reason| {
                let counter = table::SIGNALS_FILTERED.counter(&[&strategy.name, reason.as_str()]);
                ((strategy.name.clone(), reason), counter)
            })
        });
        let takeovers = ["joined", "expired", "handed_over"];
        Self {
            redis: RedisMetrics::new(),
            cache: CacheMetrics {
                memory_hits: Tally::new(cache("memory", "hit")),
                memory_misses: Tally::new(cache("memory", "miss")),
                redis_hits: Tally::new(cache("redis", "hit")),
                redis_misses: cache("redis", "miss"),
            },
            watches: Stopwatches {
                commit: Stopwatch::new(Command::Exec),
                states: Stopwatch::new(Command::Hgetall),
                histories: Stopwatch::new(Command::Xrevrange),
            },
            partitions_owned: table::PARTITIONS_OWNED.gauge(&[]),
            overdue: Overdue::new(),
            series_warming: table::SERIES.gauge(&["warming"]),
            series_ready: table::SERIES.gauge(&["ready"]),
            load_state: stage("load_state"),
            compute: stage("compute"),
            commit: stage("commit"),
            commits_applied: commits("applied"),
            commits_fenced: commits("fenced"),
            commits_retried: commits("retried"),
            queue_wait: Latency::new(table::QUEUE_WAIT.histogram(&[]), "queue_wait"),
            signal_latency: Latency::new(table::SIGNAL_LATENCY.histogram(&[]), "signal_latency"),
            signal_spans: Spans::new(),
            batch_candles: table::BATCH_CANDLES.histogram(&[]),
            processed: Outcome::ALL.map(|outcome| Tally::new(table::CANDLES_PROCESSED.counter(&[outcome.as_str()]))),
            rebuilds: Rebuild::ALL.map(|cause| table::STATE_REBUILDS.counter(&[cause.as_str()])),
            takeovers: Arc::new(takeovers.map(|cause| (cause, table::PARTITION_TAKEOVERS.counter(&[cause]))).into()),
            emitted: Arc::new(emitted.collect()),
            filtered: Arc::new(filtered.collect()),
        }
    }

    /// The gauge that counts series which are ready, or those which are not.
    pub(crate) fn series(&self, is_ready: bool) -> &Gauge {
        if is_ready { &self.series_ready } else { &self.series_warming }
    }

    pub(crate) fn rebuilt(&self, cause: Rebuild) {
        self.rebuilds[cause as usize].increment(1);
    }

    pub(crate) fn took_over(&self, cause: &str) {
        if let Some(counter) = self.takeovers.get(cause) {
            counter.increment(1);
        }
    }

    pub(crate) fn read(&self, decoded: &[Result<CandleEntry<'_>, Unusable>], now: UnixMicros) {
        self.batch_candles.record(decoded.len() as f64);
        for sent in decoded.iter().flatten().map(|entry| entry.sent).filter(|sent| now.since(*sent) < WAIT_MAX) {
            self.queue_wait.record(sent, now);
        }
    }

    /// Counts what a commit made true. Nothing is counted before.
    pub(crate) fn committed(&self, effects: &BatchEffects<'_>, now: UnixMicros) {
        self.commits_applied.increment(1);
        for (counter, count) in self.processed.iter().zip(effects.outcomes) {
            counter.increment(count);
        }
        for signal in &effects.signals {
            if now.since(signal.candle_us) < WAIT_MAX {
                self.signal_spans.add(self.signal_latency.record(signal.candle_us, now));
            }
            if let Some(counter) = self.emitted.get(&(signal.strategy.clone(), signal.direction)) {
                counter.increment(1);
            }
        }
        for filtered in &effects.filtered {
            if let Some(counter) = self.filtered.get(filtered) {
                counter.increment(1);
            }
        }
    }
}
