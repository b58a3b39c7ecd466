//! Workers on a Redis Cluster: its masters die and change places, its slots move, and each signal is in its
//! stream exactly once, in order, all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::bench::{Entry, SOON, Tick, command, waves};
use crate::feed::{Candles, Feed};
use crate::oracle::{assert_same, config, sequential};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partition, Partitions, Series};
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::redis_cluster::SlotMigration;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{ClusterOptions, Program, RedisCluster, RedisOptions, RedisServer, eventually};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisError, Value};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const PARTITIONS: u16 = 16;
/// How long flow may take to come back on a busy machine. It takes about a second on an idle one.
const BACK: Duration = Duration::from_secs(20);

/// A cluster, and a directory for the configuration.
struct Bench {
    cluster: RedisCluster,
    target: RedisTarget,
    directory: TempDir,
}

impl Bench {
    async fn start() -> Self {
        let cluster = RedisCluster::start(ClusterOptions::default()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let text = text(&format!("url = {:?}\ncluster = true", cluster.urls()));
        let target = RedisTarget::new(&Config::from_text(&text, None, &[]).unwrap().redis).unwrap();
        std::fs::write(directory.path().join("candlewire.toml"), text).unwrap();
        Self { cluster, target, directory }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("candlewire.toml")
    }

    /// Changes the way to Redis for the programs started from now on.
    fn set_redis(&self, redis: &str) {
        std::fs::write(self.file(), text(redis)).unwrap();
    }

    fn worker(&self) -> Program {
        command(&self.file()).arg("run").spawn().unwrap()
    }

    /// Runs the program to its end: its exit code, and what it printed.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, Finished) {
        let finished = command(&self.file()).args(arguments).run_to_end(PATIENCE).await.unwrap();
        (finished.status.code(), finished)
    }

    async fn connection(&self, key: &str) -> Result<MultiplexedConnection, RedisError> {
        self.target.connect(key, SOON).await
    }

    /// Asks the node that has `key`.
    async fn ask<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> T {
        command.query_async(&mut self.connection(key).await.unwrap()).await.unwrap()
    }

    async fn stream(&self, key: &str) -> Vec<Entry> {
        self.ask(key, redis::cmd("XRANGE").arg(key).arg("-").arg("+")).await
    }

    /// Who owns how many partitions.
    async fn owners(&self) -> Result<BTreeMap<String, usize>, RedisError> {
        let mut owners = BTreeMap::new();
        for stream in streams() {
            let mut info = redis::cmd("XINFO");
            info.arg("CONSUMERS").arg(&stream).arg("indicator-workers");
            let consumers: Vec<BTreeMap<String, Value>> =
                info.query_async(&mut self.connection(&stream).await?).await?;
            for consumer in consumers {
                *owners.entry(redis::from_redis_value_ref(&consumer["name"])?).or_default() += 1;
            }
        }
        Ok(owners)
    }

    /// Waits until two workers own the same number of partitions each.
    async fn wait_even(&self) {
        let even = eventually(PATIENCE, async || match self.owners().await {
            Ok(owners) if owners.values().eq([&8, &8]) => Ok(()),
            seen => Err(format!("{seen:?}")),
        });
        even.await.unwrap();
    }

    /// The committed position of a partition, in ms, and what lies behind it.
    async fn position(&self, stream: &str) -> Result<(u128, Option<u64>), String> {
        let words = |error: RedisError| error.to_string();
        let mut connection = self.connection(stream).await.map_err(words)?;
        let mut info = redis::cmd("XINFO");
        info.arg("GROUPS").arg(stream);
        let groups: Vec<BTreeMap<String, Value>> = info.query_async(&mut connection).await.map_err(words)?;
        let group = groups.first().ok_or("no group")?;
        let last: String =
            redis::from_redis_value_ref(&group["last-delivered-id"]).map_err(|error| error.to_string())?;
        let lag = redis::from_redis_value_ref(&group["lag"]).map_err(|error| error.to_string())?;
        Ok((last.split('-').next().unwrap().parse().unwrap(), lag))
    }

    /// Waits until every partition that gets candles has committed one which was published after now.
    async fn wait_flow(&self, streams: &BTreeSet<String>) -> Duration {
        let (began, since) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis());
        for stream in streams {
            let flows = eventually(PATIENCE, async || match self.position(stream).await {
                Ok((last, _)) if last > since => Ok(()),
                seen => Err(format!("{stream} is at {seen:?}, {since} is wanted")),
            });
            flows.await.unwrap();
        }
        began.elapsed()
    }

    /// Kills the master of a key's slot, and brings it back once another has its place.
    async fn replace_master_of(&mut self, key: &str, flowing: &BTreeSet<String>) -> Duration {
        let slot = self.cluster.slot_of(key).await.unwrap();
        let old = self.cluster.master_of(slot).await.unwrap();
        self.cluster.kill(old).unwrap();
        self.cluster.promoted(slot, old).await.unwrap();
        let took = self.wait_flow(flowing).await;
        self.cluster.restart(old).await.unwrap();
        self.cluster.settled().await.unwrap();
        took
    }

    async fn hand_over(&self, key: &str, flowing: &BTreeSet<String>) -> Duration {
        let master = self.cluster.master_of(self.cluster.slot_of(key).await.unwrap()).await.unwrap();
        let replica = self.cluster.replicas_of(master).await.unwrap()[0];
        self.cluster.failover(replica).await.unwrap();
        self.wait_flow(flowing).await
    }

    /// Moves the slot of a key to another master, with a halt in the middle until a worker has met it.
    async fn migrate(&self, key: &str, workers: &[Program], flowing: &BTreeSet<String>) -> Duration {
        let slot = self.cluster.slot_of(key).await.unwrap();
        let from = self.cluster.master_of(slot).await.unwrap();
        let to = self.cluster.master_of(if slot < 8_192 { 16_383 } else { 0 }).await.unwrap();
        assert_ne!(from, to);
        let migration = SlotMigration { slot, from, to };
        self.cluster.begin_migration(migration).await.unwrap();
        self.cluster.migrate_keys(migration, 3).await.unwrap();
        let met = eventually(PATIENCE, async || {
            let mut lines = workers.iter().flat_map(Program::lines);
            let is_met = lines.any(|line| line.contains(" waits: ASK") || line.contains(" waits: TRYAGAIN"));
            if is_met { Ok(()) } else { Err("no worker waits") }
        });
        met.await.unwrap();
        while self.cluster.migrate_keys(migration, 100).await.unwrap() > 0 {}
        self.cluster.finish_migration(migration).await.unwrap();
        assert_eq!(self.cluster.master_of(slot).await.unwrap(), to);
        self.wait_flow(flowing).await
    }

    /// Checks a series against its sequential pass. Answers with how many signals it has.
    async fn check(&self, series: &str, ticks: &[Tick]) -> usize {
        let (expected, state) = sequential(series, ticks);
        let signals = self.stream(&key(series, "signals")).await.into_iter();
        let found: Vec<String> =
            signals.filter(|(_, signal)| signal["series"] == *series).map(|(_, signal)| signal["id"].clone()).collect();
        assert_same(series, &found, &expected);
        let hash = key(series, &format!("ma:{series}"));
        let found: BTreeMap<String, Vec<u8>> = self.ask(&hash, redis::cmd("HGETALL").arg(&hash)).await;
        assert_eq!(found, state.into_iter().collect(), "state of {series}");
        let history = self.stream(&key(series, &format!("ohlcv:{series}"))).await;
        let opened: Vec<String> = history.into_iter().map(|(id, _)| id).collect();
        assert!(ticks.iter().map(|(time, _)| format!("{time}-0")).eq(opened), "history of {series}");
        assert_eq!(self.stream(&key(series, "dead")).await, []);
        expected.len()
    }
}

/// A configuration with this way to Redis.
fn text(redis: &str) -> String {
    let other = "[http]\nindicator_worker = \"127.0.0.1:0\"\n[worker]\nlease_ttl = \"2s\"\n[cache]\nhistory = 5000\n";
    format!("[redis]\n{redis}\npartitions = {PARTITIONS}\n{other}{}", config())
}

/// The key of a series' partition with this ending.
fn key(series: &str, ending: &str) -> String {
    let partition = series.parse::<Series>().unwrap().partition(Partitions::new(PARTITIONS).unwrap());
    format!("cw:{{{partition}}}:{ending}")
}

fn streams() -> impl Iterator<Item = String> {
    (0..PARTITIONS).map(|partition| Keys::new("cw").candles(Partition(partition)))
}

/// Starts to publish twenty series, each partition's by a task of its own.
fn load(bench: &Bench, stop: &CancellationToken) -> (JoinSet<Candles>, BTreeSet<String>) {
    let mut by_stream: BTreeMap<String, Candles> = BTreeMap::new();
    for at in 0..20 {
        let series = format!("csv:C{at}:1m");
        by_stream.entry(key(&series, "candles")).or_default().push((series, waves(5_000, at)));
    }
    let (mut feeds, streams) = (JoinSet::new(), by_stream.keys().cloned().collect());
    for (stream, series) in by_stream {
        feeds.spawn(Feed::new(bench.target.clone(), stream, series).run(stop.clone()));
    }
    (feeds, streams)
}

#[tokio::test]
async fn masters_that_die_and_slots_that_move_lose_and_double_nothing() {
    let mut bench = Bench::start().await;
    let workers = [bench.worker(), bench.worker()];
    for worker in &workers {
        worker.wait_for_line(|line| line.contains("8 of 16 partitions are to be ours"), PATIENCE).await.unwrap();
    }
    let stop = CancellationToken::new();
    let (mut feeds, flowing) = load(&bench, &stop);
    assert!(flowing.len() >= 8, "{flowing:?}");
    bench.wait_flow(&flowing).await;

    let streams: Vec<&String> = flowing.iter().collect();
    let mut took = Vec::new();
    took.push(("partition's master killed", bench.replace_master_of(streams[0], &flowing).await));
    took.push(("roster's master killed", bench.replace_master_of("cw:workers", &flowing).await));
    took.push(("handed over", bench.hand_over(streams[1], &flowing).await));
    took.push(("slot migrated", bench.migrate(streams[2], &workers, &flowing).await));
    assert!(took.iter().all(|(_, took)| *took < BACK), "{took:?}");

    stop.cancel();
    let mut signals = 0;
    let mut published = Vec::new();
    while let Some(feed) = feeds.join_next().await {
        published.extend(feed.unwrap());
    }
    for stream in &flowing {
        let settled = eventually(PATIENCE, async || match bench.position(stream).await {
            Ok((_, Some(0))) => Ok(()),
            seen => Err(format!("{stream}: {seen:?}")),
        });
        settled.await.unwrap();
    }
    for (series, ticks) in &published {
        signals += bench.check(series, ticks).await;
    }
    assert!(signals > 1_000, "only {signals} signals");
    bench.wait_even().await;

    let (series, ticks) = &published[0];
    let (code, shown) = bench.run(&["show", series, "--json"]).await;
    assert_eq!(code, Some(0), "{}", shown.stderr);
    assert!(shown.stdout.contains(&format!("\"candles\": {},", ticks.len())), "{}", shown.stdout);
    let (code, found) = bench.run(&["doctor"]).await;
    assert_eq!(code, Some(0), "{}", found.stdout);
    for part in ["redis memory at 127.0.0.1:", "ok       redis permissions: ", "2 workers, every partition has one"] {
        assert!(found.stdout.contains(part), "{part}: {}", found.stdout);
    }
    // A reset finds the series on all nodes, and forgets each where it is.
    let (code, told) = bench.run(&["reset", "csv:*:1m"]).await;
    assert_eq!(code, Some(0), "{}", told.stderr);
    assert!(told.stdout.starts_with(&format!("reset {} series; ", published.len())), "{}", told.stdout);
    for (series, _) in &published {
        let (code, shown) = bench.run(&["show", series]).await;
        assert_eq!(code, Some(64), "{}", shown.stdout);
        assert!(shown.stderr.contains(" has no state: it was reset"), "{}", shown.stderr);
    }
    for mut worker in workers {
        assert!(worker.terminate(SOON).await.unwrap().success());
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_in_one_line() {
    let bench = Bench::start().await;
    let refused = async |arguments: &[&str], what: &str| {
        let (code, finished) = bench.run(arguments).await;
        assert!(code == Some(64) && finished.stderr.contains(what), "{code:?}, not {what:?}: {}", finished.stderr);
        let last = finished.stderr.trim_end().lines().next_back().unwrap_or_default();
        assert!(last.starts_with("indicator-worker: "), "{last}");
    };
    let (run, show) = (["run"], ["show", "csv:C1:1m"]);

    // A node that evicts streams is found wherever it is, and before anything is written.
    for node in 0..3 {
        let mut connection = bench.cluster.connection(node).await.unwrap();
        let mut policy = async |name: &str| {
            let set =
                redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg(name).exec_async(&mut connection).await;
            set.unwrap();
        };
        policy("allkeys-lru").await;
        refused(&run, "allkeys-lru, which evicts whole streams").await;
        policy("noeviction").await;
    }
    assert_eq!(bench.ask::<u8>("cw:meta", redis::cmd("EXISTS").arg("cw:meta")).await, 0);

    for url in bench.cluster.urls() {
        bench.set_redis(&format!("url = {url:?}"));
        refused(&run, "set redis.cluster = true").await;
        refused(&show, "set redis.cluster = true").await;
    }
    let lone = RedisServer::start(RedisOptions::default()).await.unwrap();
    bench.set_redis(&format!("url = [{:?}]\ncluster = true", lone.url()));
    refused(&run, "set redis.cluster = false").await;
    refused(&show, "set redis.cluster = false").await;

    bench.set_redis(&format!("url = {:?}\ncluster = true", bench.cluster.urls()));
    let set: i64 =
        bench.ask("cw:meta", redis::cmd("HSET").arg("cw:meta").arg(&["partitions", "8", "schema", "1"])).await;
    assert_eq!(set, 2);
    refused(&run, "set redis.partitions = 8").await;
    refused(&show, "set redis.partitions = 8").await;
}
