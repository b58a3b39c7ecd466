//! Pictures from a real Redis: what is read, and how often is drawn.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_common::candle::ClosedCandle;
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::Series;
use candlewire_common::signal::Direction;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::redis_cluster::SlotMigration;
use candlewire_testkit::{ClusterOptions, RedisCluster, RedisOptions, RedisServer};
use redis::aio::MultiplexedConnection;

use super::scene::{Scene, Walk};
use crate::chart::picture::draw;
use crate::chart::{Charts, KEPT_MAX, NoPicture};

const SERIES: &str = "binance:BTCUSDT:1h";
const WALK: Walk = Walk { seed: 2, start: 4_200_000, step: 9_000, scale: 2, millis: 3_600_000 };

/// The key of a series' history.
fn history(config: &Config, series: &Series) -> String {
    config.redis.keys.history(series.partition(config.redis.partitions), series)
}

/// Writes candles as a worker does.
async fn store(connection: &mut MultiplexedConnection, key: &str, candles: &[ClosedCandle]) -> Result<()> {
    let mut pipe = redis::pipe();
    for candle in candles {
        let add = pipe.cmd("XADD").arg(key).arg(format!("{}-0", candle.open_time()));
        add.arg("open").arg(candle.open().to_string()).arg("high").arg(candle.high().to_string());
        add.arg("low").arg(candle.low().to_string()).arg("close").arg(candle.close().to_string());
        add.arg("volume").arg("0").ignore();
    }
    Ok(pipe.exec_async(connection).await?)
}

struct Bench {
    server: RedisServer,
    charts: Charts,
    scene: Scene,
}

impl Bench {
    /// A Redis that holds the candles of a crossing, and one that came after.
    async fn start() -> Result<Self> {
        let server = RedisServer::start(RedisOptions::default()).await?;
        let config = Config::from_text(&format!("[redis]\nurl = \"{}\"", server.url()), None, &[])?;
        let mut candles = WALK.candles(181, |_| 0);
        let key = history(&config, &SERIES.parse()?);
        store(&mut server.connection().await?, &key, &candles).await?;
        candles.pop();
        let scene = Scene::new("stored", SERIES, Direction::Buy, Some(("sma(20)", "sma(50)")), candles);
        let strategies = scene.strategy.iter().cloned().collect();
        let charts = Charts::new(RedisTarget::new(&config.redis)?, &config.redis, RedisMetrics::new(), strategies);
        Ok(Self { server, charts, scene })
    }
}

#[tokio::test]
async fn a_picture_ends_with_the_candle_that_crossed() -> Result<()> {
    let bench = Bench::start().await?;
    let Scene { signal, candles, .. } = &bench.scene;
    let read = bench.charts.histories.until(&signal.series, signal.open_time, 150).await?;
    ensure!(read.len() == 150 && read[..] == candles[candles.len() - 150..], "{}", read.len());
    let picture = bench.charts.picture(signal).await?;
    ensure!(*picture == *draw(&bench.scene.chart())?, "another picture");
    Ok(())
}

#[tokio::test]
async fn a_signal_is_drawn_once_however_many_ask() -> Result<()> {
    let bench = Bench::start().await?;
    let signal = &bench.scene.signal;
    let (one, other) = tokio::join!(bench.charts.picture(signal), bench.charts.picture(signal));
    let (one, other) = (one?, other?);
    ensure!(Arc::ptr_eq(&one, &other) && Arc::ptr_eq(&one, &bench.charts.picture(signal).await?));
    // Another signal under the same id is another picture.
    let mut impostor = signal.clone();
    impostor.direction = Direction::Sell;
    ensure!(*bench.charts.picture(&impostor).await? != *one);
    Ok(())
}

#[tokio::test]
async fn one_that_is_cut_off_leaves_the_picture_to_the_next() -> Result<()> {
    let bench = Bench::start().await?;
    let signal = &bench.scene.signal;
    let other = async {
        // By then the first has begun, and this one waits for it.
        tokio::task::yield_now().await;
        bench.charts.picture(signal).await
    };
    let (cut_off, waited) = tokio::join!(tokio::time::timeout(Duration::ZERO, bench.charts.picture(signal)), other);
    ensure!(cut_off.is_err(), "it ended at once");
    waited?;
    Ok(())
}

#[tokio::test]
async fn in_a_cluster_a_history_is_found_wherever_it_is() -> Result<()> {
    let cluster = RedisCluster::start(ClusterOptions::default()).await?;
    let text = format!("[redis]\nurl = {:?}\ncluster = true", cluster.urls());
    let config = Config::from_text(&text, None, &[])?;
    let target = RedisTarget::new(&config.redis)?;
    let charts = Charts::new(target.clone(), &config.redis, RedisMetrics::new(), Vec::new());
    let candles = WALK.candles(30, |_| 0);
    // Of four partitions, on more than one node.
    let all = ["binance:C:1h", "binance:B:1h", "binance:A:1h", "binance:D:1h"];
    let drawn = async |series: &str| {
        let scene = Scene::new("stored", series, Direction::Buy, None, candles.clone());
        anyhow::Ok(*charts.picture(&scene.signal).await? == *draw(&scene.chart())?)
    };
    for series in all {
        let key = history(&config, &series.parse()?);
        store(&mut target.connect(&key, Duration::from_secs(3)).await?, &key, &candles).await?;
        ensure!(drawn(series).await?, "{series}");
    }
    let slot = cluster.slot_of(&history(&config, &all[0].parse()?)).await?;
    let from = cluster.master_of(slot).await?;
    let to = cluster.master_of(if slot < 8_192 { 16_383 } else { 0 }).await?;
    cluster.migrate_slot(SlotMigration { slot, from, to }).await?;
    charts.kept().clear();
    ensure!(drawn(all[0]).await?, "after it moved");
    Ok(())
}

#[tokio::test]
async fn what_is_kept_is_bounded() -> Result<()> {
    let bench = Bench::start().await?;
    let mut signal = bench.scene.signal.clone();
    for number in 0..2 * KEPT_MAX {
        signal.strategy = format!("foreign-{number}");
        bench.charts.cell(&signal);
    }
    ensure!(bench.charts.kept().len() == KEPT_MAX);
    ensure!(bench.charts.kept().back().context("kept")?.0 == signal);
    Ok(())
}

#[tokio::test]
async fn no_history_is_no_picture_and_is_not_remembered() -> Result<()> {
    let mut bench = Bench::start().await?;
    let mut elsewhere = bench.scene.signal.clone();
    for open_time in [0, -5, 1, elsewhere.open_time.0 + 1, i64::MAX] {
        elsewhere.open_time = UnixMillis(open_time);
        let refused = bench.charts.picture(&elsewhere).await;
        ensure!(matches!(refused, Err(NoPicture::NotInHistory)), "{open_time}: {refused:?}");
    }
    let signal = &bench.scene.signal;
    let mut first = signal.clone();
    first.open_time = bench.scene.candles[0].open_time();
    let refused = bench.charts.picture(&first).await;
    ensure!(matches!(refused, Err(NoPicture::TooFew)), "{refused:?}");
    ensure!(bench.charts.kept().is_empty(), "a failure is remembered");
    bench.server.kill()?;
    let refused = bench.charts.picture(signal).await;
    ensure!(matches!(refused, Err(NoPicture::Redis(_))), "{refused:?}");
    ensure!(bench.charts.kept().is_empty(), "a failure is remembered");
    Ok(())
}
