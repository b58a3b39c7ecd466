//! A Redis whose data changes its number of partitions, seen from outside.
//!
//! Owns what was published and in which layout the data is. [`Layouts::check`] compares all series with a
//! sequential pass, wherever their keys ought to be.

use std::collections::{BTreeMap, BTreeSet};

use crate::bench::{Bench, Entry, SOON, Tick, command, waves};
use crate::oracle::{assert_same, config, sequential};
use candlewire_common::series::{Partitions, Series};
use candlewire_common::stream::EntryId;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, ProgramCommand, RedisOptions, eventually};
use redis::Value;

/// All keys with their content and when they expire.
pub(crate) type Snapshot = BTreeMap<String, (Option<Vec<u8>>, i64)>;

pub(crate) struct Layouts {
    pub(crate) bench: Bench,
    /// How many partitions there are.
    pub(crate) count: u16,
    /// All candles of each series, of which the first `done` are published.
    series: BTreeMap<String, Vec<Tick>>,
    done: usize,
    garbage: usize,
}

impl Layouts {
    /// How many partitions the data is in, or on its way to.
    pub(crate) async fn layout(&self) -> String {
        let mut connection = self.bench.connection().await;
        redis::cmd("HGET").arg("cw:meta").arg("partitions").query_async(&mut connection).await.unwrap()
    }

    /// A Redis with `count` partitions for this many series, and nothing published.
    pub(crate) async fn start(count: u16, series: i64, candles: i64) -> Self {
        let config = format!("{}[cache]\nhistory = 1000\n", config());
        let bench = Bench::start(RedisOptions::default(), &config).await;
        let series = (0..series).map(|at| (format!("csv:S{at}:1m"), waves(candles, at))).collect();
        Self { bench, count, series, done: 0, garbage: 0 }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.series.keys()
    }

    /// The program, configured for `count` partitions.
    pub(crate) fn program(&self, count: u16) -> ProgramCommand {
        command(&self.bench.file()).env("CANDLEWIRE__REDIS__PARTITIONS", count.to_string()).env("RUST_LOG", "debug")
    }

    pub(crate) fn worker(&self) -> Program {
        self.program(self.count).arg("run").spawn().unwrap()
    }

    /// Moves to `count` partitions in one go, and answers what was printed.
    pub(crate) async fn repartition(&mut self, count: u16) -> String {
        let finished = self.program(count).arg("repartition").run_to_end(PATIENCE).await.unwrap();
        assert!(finished.status.success(), "{}", finished.stderr);
        self.count = count;
        finished.stdout
    }

    /// Publishes the next candles of each series.
    pub(crate) async fn publish(&mut self, candles: usize) {
        let next = self.done..self.done + candles;
        for (series, ticks) in &self.series {
            self.add(series, self.count, &ticks[next.clone()]).await;
        }
        self.done += candles;
    }

    /// Publishes the next candles of each series, the last half where they will belong with `early` partitions.
    pub(crate) async fn publish_across(&mut self, candles: usize, early: u16) {
        let (from, until) = (self.done, self.done + candles);
        for (series, ticks) in &self.series {
            self.add(series, self.count, &ticks[from..until - candles / 2]).await;
        }
        for (series, ticks) in &self.series {
            self.add(series, early, &ticks[until - candles / 2..until]).await;
        }
        self.done += candles;
    }

    async fn add(&self, series: &str, count: u16, ticks: &[Tick]) {
        let mut pipe = redis::pipe();
        for (open_time, price) in ticks {
            pipe.cmd("XADD").arg(place(series, count, "candles")).arg("*").arg("series").arg(series);
            pipe.arg("open_time").arg(open_time).arg("open").arg(price).arg("high").arg(price);
            pipe.arg("low").arg(price).arg("close").arg(price).ignore();
        }
        pipe.exec_async(&mut self.bench.connection().await).await.unwrap();
    }

    /// Writes entries that are no candles into every partition.
    pub(crate) async fn publish_garbage(&mut self) {
        let mut pipe = redis::pipe();
        for partition in 0..self.count {
            pipe.cmd("XADD").arg(key(partition, "candles")).arg("*").arg("hello").arg("world").ignore();
        }
        let (series, _) = self.series.first_key_value().unwrap();
        let broken = place(series, self.count, "candles");
        pipe.cmd("XADD").arg(broken).arg("*").arg("series").arg(series).arg("open_time").arg("soon").ignore();
        pipe.exec_async(&mut self.bench.connection().await).await.unwrap();
        self.garbage += usize::from(self.count) + 1;
    }

    /// Lets a worker process everything, and stops it.
    pub(crate) async fn process(&self) {
        let mut worker = self.worker();
        self.wait_settled().await;
        assert!(worker.terminate(SOON).await.unwrap().success());
    }

    /// Waits until every entry of every partition is settled.
    pub(crate) async fn wait_settled(&self) {
        let settled = eventually(PATIENCE, async || {
            for partition in 0..self.count {
                let stream = key(partition, "candles");
                match self.groups(&stream).await.get("indicator-workers") {
                    Some(group) if group["lag"] == Value::Int(0) => {}
                    seen => return Err(format!("{stream}: {seen:?}")),
                }
            }
            Ok(())
        });
        settled.await.unwrap();
    }

    async fn groups(&self, stream: &str) -> BTreeMap<String, BTreeMap<String, Value>> {
        let mut connection = self.bench.connection().await;
        let groups: Result<Vec<BTreeMap<String, Value>>, _> =
            redis::cmd("XINFO").arg("GROUPS").arg(stream).query_async(&mut connection).await;
        let name = |group: &BTreeMap<String, Value>| redis::from_redis_value_ref(&group["name"]).unwrap();
        groups.unwrap_or_default().into_iter().map(|group| (name(&group), group)).collect()
    }

    /// Reads and acknowledges all signals as the notifier does.
    pub(crate) async fn notify(&self) {
        let mut connection = self.bench.connection().await;
        for partition in 0..self.count {
            let stream = key(partition, "signals");
            let mut create = redis::cmd("XGROUP");
            create.arg("CREATE").arg(&stream).arg("notifier").arg(0).arg("MKSTREAM");
            let _ = create.exec_async(&mut connection).await;
            let mut read = redis::cmd("XREADGROUP");
            read.arg("GROUP").arg("notifier").arg("me").arg("NOACK").arg("STREAMS").arg(&stream).arg(">");
            read.exec_async(&mut connection).await.unwrap();
        }
    }

    /// Everything there is.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        let mut connection = self.bench.connection().await;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut snapshot = Snapshot::new();
        for key in keys {
            let mut pipe = redis::pipe();
            pipe.cmd("DUMP").arg(&key).cmd("PEXPIRETIME").arg(&key);
            snapshot.insert(key, pipe.query_async(&mut connection).await.unwrap());
        }
        snapshot
    }

    /// Checks that all series are what a sequential pass leaves, in the partitions they belong to and in no
    /// others. An interrupted run may have copied garbage `repeated` times more than it was published.
    pub(crate) async fn check(&self, repeated: usize) {
        let (mut expected, mut total) = (BTreeSet::new(), 0);
        for (series, ticks) in &self.series {
            let ticks = &ticks[..self.done];
            let (ids, state) = sequential(series, ticks);
            let found: Vec<String> = self.signals(series).await.into_iter().map(|(_, it)| it["id"].clone()).collect();
            assert_same(series, &found, &ids);
            total += found.len();
            let (hash, history) = (self.place(series, "ma"), self.place(series, "ohlcv"));
            let mut connection = self.bench.connection().await;
            let fields: BTreeMap<String, Vec<u8>> =
                redis::cmd("HGETALL").arg(&hash).query_async(&mut connection).await.unwrap();
            assert_eq!(fields, state.into_iter().collect(), "state of {series}");
            let kept: Vec<(String, String)> =
                self.bench.stream(&history).await.into_iter().map(|(id, it)| (id, it["close"].clone())).collect();
            assert!(ticks.iter().map(|(time, price)| (format!("{time}-0"), price.clone())).eq(kept), "{series}");
            expected.extend([hash, history]);
        }
        assert!(total > 50, "only {total} signals");
        let (mut present, mut dead) = (BTreeSet::new(), 0);
        for (key, (_, expires)) in self.snapshot().await {
            if key.contains(":ma:") || key.contains(":ohlcv:") {
                present.insert(key);
            } else if let Some((partition, name)) = partition(&key) {
                assert_ne!(name, "repartition", "{key}");
                let vanishing = matches!(name, "signals" | "dead") && expires > 0;
                assert_eq!(partition >= self.count, vanishing, "{key} expires at {expires}");
                dead += if name == "dead" { self.bench.stream(&key).await.len() } else { 0 };
            }
        }
        assert_eq!(present, expected);
        assert!((self.garbage..=self.garbage * (1 + repeated)).contains(&dead), "{dead} of {} dead", self.garbage);
    }

    /// The signals of a series in all partitions there ever were, as they were written.
    async fn signals(&self, series: &str) -> Vec<Entry> {
        let mut signals = Vec::new();
        for partition in 0..16 {
            signals.extend(self.bench.stream(&key(partition, "signals")).await);
        }
        signals.retain(|(_, signal)| signal["series"] == series);
        signals.sort_by_key(|(id, _)| id.parse::<EntryId>().unwrap());
        signals
    }

    /// Where the state or history of a series belongs.
    pub(crate) fn place(&self, series: &str, kind: &str) -> String {
        place(series, self.count, &format!("{kind}:{series}"))
    }

    /// When the states and histories of all series expire, by series and kind.
    pub(crate) async fn expiries(&self) -> BTreeMap<(String, &'static str), i64> {
        let mut connection = self.bench.connection().await;
        let mut expiries = BTreeMap::new();
        for series in self.names() {
            for kind in ["ma", "ohlcv"] {
                let at = redis::cmd("PEXPIRETIME").arg(self.place(series, kind)).query_async(&mut connection).await;
                expiries.insert((series.clone(), kind), at.unwrap());
            }
        }
        expiries
    }
}

/// The key of a partition with this ending.
pub(crate) fn key(partition: u16, ending: &str) -> String {
    format!("cw:{{{partition}}}:{ending}")
}

/// The key of a series' partition with this ending, where there are `count` partitions.
fn place(series: &str, count: u16, ending: &str) -> String {
    key(series.parse::<Series>().unwrap().partition(Partitions::new(count).unwrap()).0, ending)
}

/// Takes the key of a partition apart.
fn partition(key: &str) -> Option<(u16, &str)> {
    let (number, name) = key.strip_prefix("cw:{")?.split_once("}:")?;
    Some((number.parse().ok()?, name))
}
