//! Redis goes away, comes back, loses everything; another ingestor runs beside: in effect each candle is there once.

use anyhow::{Result, ensure};
use candlewire_common::timeframe::Timeframe;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::venue::{Script, VenueKind};
use candlewire_testkit::{RedisOptions, RedisServer};

use crate::bench::{BEGIN, Bench, MINUTE, SYMBOL, Wanted};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_bridged() -> Result<()> {
    let mut redis = RedisServer::start(RedisOptions { append_only: AppendOnly::Always, ..Default::default() }).await?;
    let bench = Bench::start(&redis, Wanted::minutes(VenueKind::Binance, "cw"), Script::none()).await?;
    let engine = bench.engine()?;
    bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + 2 * MINUTE).await?;
    redis.kill()?;
    bench.venue.clock().sleep_until(BEGIN + 7 * MINUTE).await;
    redis.restart().await?;
    bench.expect_all_in_effect(SYMBOL, Timeframe::M1, BEGIN + 10 * MINUTE).await?;
    engine.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_late_is_waited_for() -> Result<()> {
    let mut redis = RedisServer::start(RedisOptions::default()).await?;
    let bench = Bench::start(&redis, Wanted::minutes(VenueKind::Kraken, "cw"), Script::none()).await?;
    redis.kill()?;
    let engine = bench.engine()?;
    bench.venue.clock().sleep_until(BEGIN + 3 * MINUTE).await;
    redis.restart().await?;
    bench.expect_all_in_effect(SYMBOL, Timeframe::M1, BEGIN + 6 * MINUTE).await?;
    engine.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_lost_everything_gets_the_history_again() -> Result<()> {
    let mut redis = RedisServer::start(RedisOptions::default()).await?;
    let bench = Bench::start(&redis, Wanted::minutes(VenueKind::Okx, "cw"), Script::none()).await?;
    let engine = bench.engine()?;
    bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + 2 * MINUTE).await?;
    redis.kill()?;
    redis.restart().await?;
    let series = bench.wanted.series(SYMBOL, "1m")?;
    bench.expect_all_in_effect(SYMBOL, Timeframe::M1, BEGIN + 6 * MINUTE).await?;
    let first = bench.published(&series).await?[0].candle.open_time;
    ensure!(first < BEGIN, "the history begins at {first}");
    engine.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_was_emptied_gets_the_history_again() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let bench = Bench::start(&redis, Wanted::minutes(VenueKind::Coinbase, "cw"), Script::none()).await?;
    let engine = bench.engine()?;
    bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + 2 * MINUTE).await?;
    redis::cmd("FLUSHALL").exec_async(&mut redis.connection().await?).await?;
    let series = bench.wanted.series(SYMBOL, "1m")?;
    bench.expect_all_in_effect(SYMBOL, Timeframe::M1, BEGIN + 5 * MINUTE).await?;
    let first = bench.published(&series).await?[0].candle.open_time;
    ensure!(first < BEGIN, "the history begins at {first}");
    engine.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_ingestors_side_by_side_publish_once_in_effect() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let bench = Bench::start(&redis, Wanted::minutes(VenueKind::Bybit, "cw"), Script::none()).await?;
    let (one, other) = (bench.engine()?, bench.engine()?);
    bench.expect_all_in_effect(SYMBOL, Timeframe::M1, BEGIN + 4 * MINUTE).await?;
    one.kill().await;
    bench.expect_all_in_effect(SYMBOL, Timeframe::M1, BEGIN + 8 * MINUTE).await?;
    other.stop().await
}
