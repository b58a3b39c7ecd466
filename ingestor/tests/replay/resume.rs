//! What a publisher sends again after a reconnect: what Redis lost, however much, and nothing before it.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::Duration;

use candlewire_common::candle::Origin;
use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::candle_entry::Place;
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::decimal::Decimal;
use candlewire_common::keys::{Keys, WORKER_GROUP};
use candlewire_common::series::{Partitions, Series};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::RedisOptions;
use candlewire_testkit::redis_server::AppendOnly;
use ingestor::publisher::{Publisher, Sent};
use ingestor::resume::newest_held;
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;

const SERIES: &str = "csv:X:1m";
const DURABLE: RedisOptions = RedisOptions { append_only: AppendOnly::Always, memory: None };

fn minutes(range: std::ops::RangeInclusive<i64>) -> Vec<i64> {
    range.map(|minute| minute * 60_000).collect()
}

fn candles(count: i64) -> anyhow::Result<Vec<ClosedCandle>> {
    let price = Decimal::ZERO;
    let bar = Bar { open: price, high: price, low: price, close: price, volume: price };
    let candle = |time| ClosedCandle::new(UnixMillis(time), bar, UnixMillis::now());
    Ok(minutes(1..=count).into_iter().map(candle).collect::<Result<_, _>>()?)
}

fn config(bench: &Bench) -> anyhow::Result<Config> {
    Ok(Config::from_text("", None, &[("REDIS_URL".to_owned(), bench.redis.url())])?)
}

async fn publish(publisher: &mut Publisher, candles: &[ClosedCandle], until: usize) -> anyhow::Result<()> {
    anyhow::ensure!(publisher.publish(candles, until, &CancellationToken::new()).await? == Sent::All);
    Ok(())
}

/// Lets the publisher's last seconds pass.
async fn time_passes() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
}

/// The file that all writes are appended to.
fn append_only_file(bench: &Bench) -> PathBuf {
    bench.redis.directory().join("appendonlydir").join("appendonly.aof.1.incr.aof")
}

#[tokio::test]
async fn a_tail_of_any_length_that_redis_lost_is_sent_again_and_nothing_else() -> anyhow::Result<()> {
    for lost in [0_u64, 1, 2_000, 150_000] {
        let mut bench = Bench::start(DURABLE).await?;
        let (config, candles) = (config(&bench)?, candles(4_000)?);
        let target = RedisTarget::new(&config.redis)?;
        let mut publisher = Publisher::connect(target, &config, SERIES.parse()?, Origin::Replay).await?;
        publish(&mut publisher, &candles, 2_500).await?;
        time_passes().await;
        publish(&mut publisher, &candles, 3_000).await?;

        bench.redis.kill()?;
        let file = OpenOptions::new().write(true).open(append_only_file(&bench))?;
        file.set_len(file.metadata()?.len().saturating_sub(lost))?;
        bench.redis.restart().await?;
        let held = i64::try_from(bench.length(SERIES).await?)?;
        assert_eq!(held % 500, 0, "a transaction was cut");
        assert_eq!(held < 3_000, lost > 0);
        publish(&mut publisher, &candles, 4_000).await?;

        // The last seconds come again in any case.
        let expected = [minutes(1..=held), minutes(held.min(2_500) + 1..=4_000)].concat();
        assert_eq!(bench.open_times(SERIES).await?, expected, "{lost} bytes lost");
        assert_eq!(publisher.acknowledged(), 4_000);
    }
    Ok(())
}

#[tokio::test]
async fn what_workers_applied_and_trimmed_is_not_sent_again() -> anyhow::Result<()> {
    let mut bench = Bench::start(DURABLE).await?;
    let (config, candles) = (config(&bench)?, candles(2_000)?);
    let target = RedisTarget::new(&config.redis)?;
    let mut publisher = Publisher::connect(target, &config, SERIES.parse()?, Origin::Replay).await?;
    publish(&mut publisher, &candles, 1_300).await?;
    time_passes().await;
    publish(&mut publisher, &candles, 1_500).await?;

    let series: Series = SERIES.parse()?;
    let partition = series.partition(config.redis.partitions);
    let (stream, history) = (Keys::new("cw").candles(partition), Keys::new("cw").history(partition, &series));
    let mut connection = bench.connection().await?;
    let mut pipe = redis::pipe();
    pipe.cmd("XADD").arg(history).arg("72000000-0").arg("close").arg(0);
    pipe.cmd("XGROUP").arg("CREATE").arg(&stream).arg(WORKER_GROUP).arg("$");
    pipe.cmd("XTRIM").arg(&stream).arg("MAXLEN").arg(0);
    pipe.exec_async(&mut connection).await?;
    bench.redis.restart().await?;
    publish(&mut publisher, &candles, 2_000).await?;
    // 72,000,000 is the open time of candle 1,200: a history that ends there stands for a lost tail.
    assert_eq!(bench.open_times(SERIES).await?, minutes(1_201..=2_000));
    Ok(())
}

async fn add(connection: &mut MultiplexedConnection, series: &str, count: i64) -> anyhow::Result<Vec<String>> {
    let mut pipe = redis::pipe();
    for time in minutes(1..=count) {
        let add = pipe.cmd("XADD").arg("cw:{0}:candles").arg("*").arg("series").arg(series);
        add.arg("open_time").arg(time);
        for field in ["open", "high", "low", "close"] {
            add.arg(field).arg(1);
        }
    }
    Ok(pipe.query_async(connection).await?)
}

#[tokio::test]
async fn all_series_of_a_partition_are_found_in_one_search() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut connection = bench.connection().await?;
    let partitions = Partitions::new(1).ok_or_else(|| anyhow::anyhow!("1 is in range"))?;
    let wanted: Vec<Series> =
        ["csv:X:1m", "csv:X:3m", "csv:X:5m", "csv:Y:1h"].map(str::parse).into_iter().collect::<Result<_, _>>()?;
    let place = Place { partition: wanted[0].partition(partitions), partitions };
    let keys = Keys::new("cw");
    assert!(newest_held(&mut connection, &keys, place, &wanted).await?.is_empty(), "there is nothing");
    assert!(newest_held(&mut connection, &keys, place, &[]).await?.is_empty());

    add(&mut connection, "csv:X:1m", 10).await?;
    let ids = add(&mut connection, "csv:X:3m", 1_500).await?;
    // More than one chunk lies behind.
    add(&mut connection, "csv:X:5m", 2_100).await?;
    let of = |index: usize, minute: i64| (wanted[index].clone(), UnixMillis(minute * 60_000));
    let found = newest_held(&mut connection, &keys, place, &wanted).await?;
    assert_eq!(found, [of(0, 10), of(1, 1_500), of(2, 2_100)].into(), "no worker was here");

    // A worker applied the first series and a part of the second.
    redis::pipe()
        .cmd("XGROUP")
        .arg(&["CREATE", "cw:{0}:candles", WORKER_GROUP, &ids[899]])
        .cmd("XADD")
        .arg(&["cw:{0}:ohlcv:csv:X:1m", "540000-0", "close", "1"])
        .cmd("XADD")
        .arg(&["cw:{0}:ohlcv:csv:X:3m", "54000000-0", "close", "1"])
        .exec_async(&mut connection)
        .await?;
    let found = newest_held(&mut connection, &keys, place, &wanted).await?;
    assert_eq!(found, [of(0, 9), of(1, 1_500), of(2, 2_100)].into(), "behind the position histories count");

    // Somebody repeats what is applied already.
    add(&mut connection, "csv:X:1m", 3).await?;
    let found = newest_held(&mut connection, &keys, place, &wanted).await?;
    assert_eq!(found, [of(0, 9), of(1, 1_500), of(2, 2_100)].into());
    Ok(())
}
