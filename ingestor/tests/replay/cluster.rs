//! A replay into a Redis Cluster whose master dies: no candle is lost, and none overtakes an earlier one.

use std::time::Duration;

use candlewire_common::candle_entry::{CandleEntry, Place};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::stream::range_reply;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{ClusterOptions, RedisCluster};

use crate::bench::{applied, data, data_times, ingestor};

const FILE: &str = "BTCUSD-1m-2019-03-29.csv";
const SERIES: &str = "csv:BTCUSD:1m";

#[tokio::test]
async fn master_that_dies_under_a_replay_misses_nothing() -> anyhow::Result<()> {
    let mut cluster = RedisCluster::start(ClusterOptions::default()).await?;
    let partitions = Partitions::new(16).ok_or_else(|| anyhow::anyhow!("16 is in range"))?;
    let partition = SERIES.parse::<Series>()?.partition(partitions);
    let stream = Keys::new("cw").candles(partition);
    let slot = cluster.slot_of(&stream).await?;
    let old = cluster.master_of(slot).await?;
    // Of the cluster's nodes it is told one, and not the right one.
    let seed = cluster.urls()[(old + 1) % 3].clone();
    let redis = Config::from_text(&format!("[redis]\nurl = [{seed:?}]\ncluster = true"), None, &[])?.redis;
    let target = RedisTarget::new(&redis)?;

    let directory = tempfile::tempdir()?;
    let arguments = ["replay", &data(FILE), "--series", SERIES, "--speed", "30000x"];
    let command = ingestor(&seed, directory.path(), &arguments).env("CANDLEWIRE__REDIS__CLUSTER", "true");
    let mut program = command.spawn()?;
    let mut connection = cluster.connection(old).await?;
    let under_way = eventually(PATIENCE, async || {
        match redis::cmd("XLEN").arg(&stream).query_async::<u64>(&mut connection).await {
            Ok(length) if length >= 100 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    under_way.await?;
    cluster.kill(old)?;
    cluster.promoted(slot, old).await?;
    assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());

    let mut connection = target.connect(&stream, Duration::from_secs(5)).await?;
    let reply = redis::cmd("XRANGE").arg(&stream).arg("-").arg("+").query_async(&mut connection).await?;
    let mut times = Vec::new();
    for entry in range_reply(reply)? {
        let place = Place { partition, partitions };
        times.push(CandleEntry::decode(entry.id, &entry.fields, place, UnixMillis::now())?.candle.open_time().0);
    }
    assert_eq!(applied(&times), data_times(FILE)?);
    Ok(())
}
