//! The notifier on a Redis Cluster, whose nodes die, hang, and come back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_testkit::redis_cluster::SlotMigration;
use candlewire_testkit::wait::{NotYet, PATIENCE};
use candlewire_testkit::{ClusterOptions, RedisCluster, WebhookReceiver, eventually};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::bench::{Draft, Notifier, QUICK, SECRET, command, config, webhook};

/// Series of four partitions, the first of which is on another node than the queues.
const SERIES: [&str; 4] = ["binance:C:1h", "binance:B:1h", "binance:A:1h", "binance:D:1h"];

/// How long flow may take to come back on a busy machine. It takes about a second on an idle one.
const BACK: Duration = Duration::from_secs(20);

/// A cluster, and a directory for the configuration.
struct Bench {
    cluster: RedisCluster,
    target: RedisTarget,
    directory: TempDir,
}

impl Bench {
    async fn start(options: ClusterOptions, receiver: &WebhookReceiver) -> Result<Self> {
        let cluster = RedisCluster::start(options).await?;
        let directory = tempfile::tempdir()?;
        let redis = format!("url = {:?}\ncluster = true", cluster.urls());
        let text = config(&redis, QUICK, &[webhook("desk", receiver)])?;
        std::fs::write(directory.path().join("candlewire.toml"), &text)?;
        let target = RedisTarget::new(&Config::from_text(&text, None, &[])?.redis)?;
        Ok(Self { cluster, target, directory })
    }

    async fn notifier(&self) -> Result<Notifier> {
        Notifier::start(command(&self.config_file())).await
    }

    fn config_file(&self) -> PathBuf {
        self.directory.path().join("candlewire.toml")
    }

    /// The master of a key's slot.
    async fn master_of(&self, key: &str) -> Result<usize> {
        Ok(self.cluster.master_of(self.cluster.slot_of(key).await?).await?)
    }

    /// Kills the master of a key's slot, and answers when another has its place. Then brings the killed one
    /// back, as a replica of that other one.
    async fn replace_master_of(&mut self, key: &str) -> Result<SystemTime> {
        let slot = self.cluster.slot_of(key).await?;
        let old = self.cluster.master_of(slot).await?;
        self.cluster.kill(old)?;
        self.cluster.promoted(slot, old).await?;
        let promoted = SystemTime::now();
        self.cluster.restart(old).await?;
        self.cluster.settled().await?;
        Ok(promoted)
    }

    /// Moves the slot of a key to another master, some keys at a time, and answers when all is there.
    async fn migrate(&self, key: &str) -> Result<SystemTime> {
        let slot = self.cluster.slot_of(key).await?;
        let from = self.cluster.master_of(slot).await?;
        let to = self.cluster.master_of(if slot < 8_192 { 16_383 } else { 0 }).await?;
        let migration = SlotMigration { slot, from, to };
        self.cluster.begin_migration(migration).await?;
        while self.cluster.migrate_keys(migration, 5).await? > 0 {}
        self.cluster.finish_migration(migration).await?;
        Ok(SystemTime::now())
    }
}

/// A worker's stand-in: publishes signals, each until it is there and as many replicas as asked for have it.
struct Producer<'a> {
    target: &'a RedisTarget,
    copies: u8,
    connections: BTreeMap<String, MultiplexedConnection>,
}

impl<'a> Producer<'a> {
    fn new(target: &'a RedisTarget, copies: u8) -> Self {
        Self { target, copies, connections: BTreeMap::new() }
    }

    async fn publish(&mut self, signal: &Draft) -> Result<(), NotYet> {
        let published = eventually(PATIENCE, async || {
            let outcome = self.try_publish(signal).await;
            outcome.map_err(|error| format!("{error:#}"))
        });
        published.await
    }

    async fn try_publish(&mut self, signal: &Draft) -> Result<()> {
        let stream = signal.stream()?;
        let mut connection = match self.connections.remove(&stream) {
            Some(connection) => connection,
            None => self.target.connect(&stream, Duration::from_secs(2)).await?,
        };
        let mut pipe = redis::pipe();
        // The answer may be less while a master is without its replica: then it is not killed.
        pipe.add_command(signal.command()?).ignore().cmd("WAIT").arg(self.copies).arg(500).ignore();
        pipe.exec_async(&mut connection).await?;
        self.connections.insert(stream, connection);
        Ok(())
    }
}

/// The signal with this number, of one series after the other.
fn signal(number: u32) -> Draft {
    Draft { series: SERIES[number as usize % SERIES.len()], ..Draft::new(number) }
}

/// Publishes until `stop`; answers with the first number that was not published.
async fn load(target: &RedisTarget, first: u32, stop: &CancellationToken) -> Result<u32> {
    let (mut producer, mut number) = (Producer::new(target, 1), first);
    while !stop.is_cancelled() {
        producer.publish(&signal(number)).await?;
        number += 1;
        sleep(Duration::from_millis(5)).await;
    }
    Ok(number)
}

/// When each signal arrived, the first time first. Nothing but signals has arrived.
fn arrivals(receiver: &WebhookReceiver) -> Result<BTreeMap<String, Vec<SystemTime>>> {
    let mut arrivals: BTreeMap<String, Vec<SystemTime>> = BTreeMap::new();
    for request in receiver.requests() {
        let id = request.header("webhook-id").context("no id")?.to_owned();
        ensure!(request.body.windows(id.len()).any(|part| part == id.as_bytes()), "{id} is not in its body");
        arrivals.entry(id).or_default().push(request.arrived);
    }
    Ok(arrivals)
}

/// Waits until all signals with numbers below `end` have arrived, and no others.
async fn all_arrived(receiver: &WebhookReceiver, end: u32) -> Result<BTreeMap<String, Vec<SystemTime>>> {
    let wanted: BTreeSet<String> = (0..end).map(|number| signal(number).id()).collect();
    let arrived = eventually(PATIENCE, async || {
        let arrivals = arrivals(receiver).map_err(|error| error.to_string())?;
        let missing = wanted.iter().filter(|id| !arrivals.contains_key(*id)).count();
        if missing == 0 { Ok(arrivals) } else { Err(format!("{missing} of {end} are missing")) }
    });
    let arrivals = arrived.await?;
    ensure!(arrivals.len() == wanted.len(), "{} ids of {}", arrivals.len(), wanted.len());
    Ok(arrivals)
}

/// How long after `since` the first alert of the signals with these numbers came.
fn back_after(
    arrivals: &BTreeMap<String, Vec<SystemTime>>,
    since: SystemTime,
    numbers: impl Iterator<Item = u32>,
) -> Result<Duration> {
    let firsts = numbers.filter_map(|number| arrivals.get(&signal(number).id())?.first().copied());
    let first = firsts.filter(|arrived| *arrived > since).min().context("nothing arrived any more")?;
    Ok(first.duration_since(since)?)
}

#[tokio::test]
async fn nothing_is_lost_when_masters_die_and_a_slot_moves_under_load() -> Result<()> {
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let mut bench = Bench::start(ClusterOptions::default(), &receiver).await?;
    let partitions = SERIES.map(|series| Draft { series, ..Draft::new(0) }.stream()).into_iter();
    let partitions: Vec<String> = partitions.collect::<Result<_>>()?;
    ensure!(partitions.iter().collect::<BTreeSet<_>>().len() == SERIES.len(), "{partitions:?}");
    ensure!(bench.master_of(&partitions[0]).await? != bench.master_of("{delivery}").await?);
    let notifier = bench.notifier().await?;

    let mut producer = Producer::new(&bench.target, 1);
    for number in 0..40 {
        producer.publish(&signal(number)).await?;
    }
    let calm = all_arrived(&receiver, 40).await?;
    ensure!(calm.values().all(|times| times.len() == 1), "some came twice: {calm:?}");

    let (stop, target) = (CancellationToken::new(), bench.target.clone());
    let deaths = async {
        let mut promoted = Vec::new();
        for key in ["{delivery}", partitions[0].as_str()] {
            promoted.push(bench.replace_master_of(key).await?);
            let seen = receiver.received();
            receiver.wait_for(seen + 40, PATIENCE).await?;
        }
        promoted.push(bench.migrate("{delivery}").await?);
        let seen = receiver.received();
        receiver.wait_for(seen + 40, PATIENCE).await?;
        stop.cancel();
        Ok(promoted)
    };
    let (end, promoted) = tokio::try_join!(load(&target, 40, &stop), deaths)?;
    let arrivals = all_arrived(&receiver, end).await?;
    for since in promoted {
        let own = (0..end).filter(|number| number % 4 == 0);
        let (queues, partition) = (back_after(&arrivals, since, 0..end)?, back_after(&arrivals, since, own)?);
        ensure!(queues < BACK && partition < BACK, "back after {queues:?} and {partition:?}");
    }
    notifier.stop().await
}

#[tokio::test]
async fn a_node_that_hangs_keeps_back_its_own_partitions_alone() -> Result<()> {
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    // Long enough that nobody takes over: the cluster still counts on the node.
    let options =
        ClusterOptions { node_timeout: Duration::from_mins(2), replicas_each: 0, ..ClusterOptions::default() };
    let mut bench = Bench::start(options, &receiver).await?;
    let notifier = bench.notifier().await?;
    let mut producer = Producer::new(&bench.target, 0);
    let hanging = bench.master_of(&signal(0).stream()?).await?;
    let mut others = Vec::new();
    for number in 0..40 {
        producer.publish(&signal(number)).await?;
    }
    all_arrived(&receiver, 40).await?;

    bench.cluster.pause(hanging)?;
    for number in 40..80 {
        let stream = signal(number).stream()?;
        if bench.master_of(&stream).await? != hanging {
            producer.publish(&signal(number)).await?;
            others.push(signal(number).id());
        }
    }
    ensure!(others.len() >= 10, "only {} signals", others.len());
    receiver.wait_for(40 + others.len() as u64, PATIENCE).await?;

    bench.cluster.resume(hanging)?;
    for number in 40..80 {
        if !others.contains(&signal(number).id()) {
            producer.publish(&signal(number)).await?;
        }
    }
    all_arrived(&receiver, 80).await?;
    bench.cluster.pause(hanging)?;
    notifier.stop().await
}

#[tokio::test]
async fn a_cluster_is_refused_where_one_server_is_configured() -> Result<()> {
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let bench = Bench::start(ClusterOptions::default(), &receiver).await?;
    let redis = format!("url = {:?}", bench.cluster.urls()[0]);
    std::fs::write(bench.config_file(), config(&redis, QUICK, &[webhook("desk", &receiver)])?)?;
    let finished = command(&bench.config_file()).args(["run", "--http", "127.0.0.1:0"]).run_to_end(PATIENCE).await?;
    ensure!(finished.status.code() == Some(64), "{}", finished.stderr);
    ensure!(finished.stderr.contains("set redis.cluster = true"), "{}", finished.stderr);
    Ok(())
}
