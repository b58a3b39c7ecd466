//! Faults around the workers: who hangs, who holds up trimming, what Redis lacks, what is no candle.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::{RedisOptions, RedisServer};
use redis::InfoDict;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::candles::{self, PARTITIONS};
use crate::rig::Rig;
use crate::service::Service;

/// A group that nobody serves, and a candle that is older than the retention.
const FOREIGN: &str = "research";
const OLD: &str = "old:CANDLE:1m";

/// Makes the faults.
pub(crate) async fn faults() -> Result<BTreeSet<String>> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let connection = redis.connection().await?;
    leave_something_untrimmed(connection.clone()).await?;
    let directory = tempfile::tempdir()?;
    let config = configure(&directory, &redis, "cached", "")?;
    let mut workers =
        [Service::start("indicator-worker", &config).await?, Service::start("indicator-worker", &config).await?];
    let notifier = Service::start("notifier", &config).await?;
    let rig = Rig::start(&[&workers[0], &workers[1], &notifier]).await?;
    let series = (0..10).map(|number| format!("test:S{number}:1m")).collect();
    let mut producers = JoinSet::new();
    producers.spawn(candles::publish(redis.connection().await?, series, 0, 1));
    rig.sees("sum(increase(candlewire_candles_processed_total{outcome=\"applied\"}[5s])) > 50").await?;

    tokio::try_join!(
        foreign_group(&rig, connection.clone()),
        garbage(&rig, connection.clone()),
        little_memory(&rig, connection)
    )?;
    frozen_workers(&rig, &mut workers, &redis).await?;
    let uncached = configure(&directory, &redis, "uncached", "[cache]\nenabled = false")?;
    lost_states(&rig, &mut workers, &config, &uncached).await?;

    // A frozen or restarting worker does not answer Prometheus.
    rig.only_these_fired(&["TargetDown"]).await
}

fn configure(directory: &TempDir, redis: &RedisServer, name: &str, more: &str) -> Result<PathBuf> {
    let path = directory.path().join(format!("{name}.toml"));
    let text = format!(
        "[redis]\nurl = \"{}\"\npartitions = {PARTITIONS}\n[streams]\ncandles_retention = \"1m\"\n{more}\n\
         [[indicators]]\nseries = [\"*\"]\ncompute = [\"sma(3)\"]\n\
         [[recipients]]\nname = \"terminal\"\nkind = \"console\"\n",
        redis.url()
    );
    fs::write(&path, text)?;
    Ok(path)
}

/// A candle of ten minutes ago, and a group that has not read it. Workers look at once when they take a partition.
async fn leave_something_untrimmed(mut connection: MultiplexedConnection) -> Result<()> {
    let ten_minutes_ago = format!("{}-0", UnixMillis::now().0 - 600_000);
    let old = candles::candle(OLD, &ten_minutes_ago, candles::begin(), 0)?;
    old.exec_async(&mut connection).await?;
    let mut group = redis::cmd("XGROUP");
    group.arg("CREATE").arg(candles::stream(OLD)?).arg(FOREIGN).arg("0");
    Ok(group.exec_async(&mut connection).await?)
}

async fn foreign_group(rig: &Rig, mut connection: MultiplexedConnection) -> Result<()> {
    rig.fires("TrimOverdue", &[("stream", "candles")]).await?;
    let mut destroy = redis::cmd("XGROUP");
    destroy.arg("DESTROY").arg(candles::stream(OLD)?).arg(FOREIGN).exec_async(&mut connection).await?;
    rig.resolves("TrimOverdue", &[]).await
}

async fn garbage(rig: &Rig, mut connection: MultiplexedConnection) -> Result<()> {
    let mut garbage = redis::cmd("XADD");
    garbage.arg(candles::stream(OLD)?).arg("*").arg("series").arg("nonsense").exec_async(&mut connection).await?;
    rig.fires("UnreadableInput", &[("stream", "candles")]).await?;
    rig.resolves("UnreadableInput", &[]).await
}

/// A limit that leaves room to work, but not much.
async fn little_memory(rig: &Rig, mut connection: MultiplexedConnection) -> Result<()> {
    let info: InfoDict = redis::cmd("INFO").arg("memory").query_async(&mut connection).await?;
    let used: u64 = info.get("used_memory").context("used_memory")?;
    limit(&mut connection, used * 10 / 8).await?;
    rig.fires("RedisMemoryHigh", &[]).await?;
    limit(&mut connection, 0).await?;
    rig.resolves("RedisMemoryHigh", &[]).await
}

async fn limit(connection: &mut MultiplexedConnection, bytes: u64) -> Result<()> {
    let mut set = redis::cmd("CONFIG");
    Ok(set.arg("SET").arg("maxmemory").arg(bytes).exec_async(connection).await?)
}

/// Both workers are frozen while more and more comes in.
async fn frozen_workers(rig: &Rig, workers: &mut [Service; 2], redis: &RedisServer) -> Result<()> {
    for worker in workers.iter_mut() {
        worker.program.pause()?;
    }
    let mut flood = JoinSet::new();
    flood.spawn(candles::publish(redis.connection().await?, vec!["flood:F:1m".to_owned()], 0, 100));
    tokio::try_join!(
        rig.fires("WorkerStalled", &[("stream", "candles"), ("group", "indicator-workers")]),
        rig.fires("LagGrowing", &[("stream", "candles"), ("group", "indicator-workers")]),
        rig.fires("TargetDown", &[("job", "indicator-worker")]),
    )?;
    flood.shutdown().await;
    for worker in workers.iter_mut() {
        worker.program.resume()?;
    }
    tokio::try_join!(
        rig.resolves("WorkerStalled", &[]),
        rig.resolves("LagGrowing", &[]),
        rig.resolves("TargetDown", &[])
    )?;
    Ok(())
}

/// Workers that keep no states compute each from the history.
async fn lost_states(rig: &Rig, workers: &mut [Service; 2], cached: &Path, uncached: &Path) -> Result<()> {
    for worker in workers.iter_mut() {
        worker.restart_with(uncached).await?;
    }
    rig.fires("CacheHitRatioLow", &[]).await?;
    for worker in workers.iter_mut() {
        worker.restart_with(cached).await?;
    }
    rig.resolves("CacheHitRatioLow", &[]).await
}
