//! A replay through outages of Redis: no candle is lost, and none overtakes an earlier one.

use std::time::Duration;

use candlewire_common::candle::Origin;
use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::decimal::Decimal;
use candlewire_common::exit::Fault;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::ports::free_port;
use candlewire_testkit::redis_server::{AppendOnly, Eviction};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, RedisOptions};
use ingestor::publisher::{Publisher, Sent};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, HEADER, applied, data, data_times};

const FILE: &str = "BTCUSD-1m-2019-03-29.csv";
const SERIES: &str = "csv:BTCUSD:1m";
const DURABLE: RedisOptions = RedisOptions { append_only: AppendOnly::Always, memory: None };

/// A replay of a day that lasts three seconds, some of it published.
async fn under_way(bench: &Bench) -> anyhow::Result<Program> {
    let program = bench.ingestor(&["replay", &data(FILE), "--series", SERIES, "--speed", "30000x"]).spawn()?;
    bench.wait_for_length(SERIES, 100).await?;
    Ok(program)
}

async fn ends_well(bench: &Bench, program: &mut Program) -> anyhow::Result<()> {
    let status = program.wait(PATIENCE).await?;
    assert_eq!(status.code(), Some(0), "{:?}", program.lines());
    assert_eq!(applied(&bench.open_times(SERIES).await?), data_times(FILE)?);
    let lines = program.lines();
    assert!(lines.iter().any(|line| line.contains("1382 candles published in")), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains("trying again")).count(), 1, "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn redis_that_restarts_misses_nothing() -> anyhow::Result<()> {
    let mut bench = Bench::start(DURABLE).await?;
    let mut program = under_way(&bench).await?;
    bench.redis.kill()?;
    program.wait_for_line(|line| line.contains("trying again for up to 30 s"), PATIENCE).await?;
    bench.redis.restart().await?;
    ends_well(&bench, &mut program).await
}

#[tokio::test]
async fn redis_that_freezes_misses_nothing() -> anyhow::Result<()> {
    let mut bench = Bench::start(DURABLE).await?;
    let mut program = under_way(&bench).await?;
    bench.redis.pause()?;
    program.wait_for_line(|line| line.contains("trying again for up to 30 s"), PATIENCE).await?;
    bench.redis.resume()?;
    ends_well(&bench, &mut program).await
}

#[tokio::test]
async fn redis_that_lost_what_it_acknowledged_gets_it_again() -> anyhow::Result<()> {
    let mut bench = Bench::start(RedisOptions::default()).await?;
    let mut program = under_way(&bench).await?;
    program.pause()?;
    bench.redis.restart().await?;
    assert_eq!(bench.length(SERIES).await?, 0);
    program.resume()?;
    program.wait_for_line(|line| line.contains("no longer shows the last "), PATIENCE).await?;
    ends_well(&bench, &mut program).await
}

#[tokio::test]
async fn redis_that_became_a_replica_is_looked_up_again_until_it_is_a_master() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut program = under_way(&bench).await?;
    let (nobody, mut connection) = (free_port()?.to_string(), bench.connection().await?);
    redis::cmd("REPLICAOF").arg(&["127.0.0.1", &nobody]).exec_async(&mut connection).await?;
    program.wait_for_line(|line| line.contains(": READONLY "), PATIENCE).await?;
    redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).exec_async(&mut connection).await?;
    ends_well(&bench, &mut program).await
}

#[tokio::test]
async fn redis_that_is_out_of_memory_is_waited_for_and_takes_no_part_of_a_batch() -> anyhow::Result<()> {
    let options = RedisOptions { memory: Some((2_500_000, Eviction::NoEviction)), ..RedisOptions::default() };
    let bench = Bench::start(options).await?;
    let mut connection = bench.connection().await?;
    // One that does not tell how full it is: otherwise the publisher stops before.
    redis::cmd("ACL").arg(&["SETUSER", "default", "-info"]).exec_async(&mut connection).await?;
    let rows: Vec<String> = (1..=40_000).map(|minute| format!("{},1,2,1,2,3\n", minute * 60)).collect();
    bench.file("many.csv", format!("{HEADER}{}", rows.concat()))?;
    let mut program = bench.ingestor(&["replay", "many.csv", "--series", "csv:X:1m"]).spawn()?;
    let line = program.wait_for_line(|line| line.contains("trying again for up to 30 s"), PATIENCE).await?;
    assert!(line.contains(": OOM command not allowed"), "{line}");
    assert_eq!(bench.length("csv:X:1m").await? % 500, 0);

    redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).exec_async(&mut connection).await?;
    program.wait_for_line(|line| line.contains("takes candles again"), PATIENCE).await?;
    assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());
    let expected: Vec<i64> = (1..=40_000).map(|minute| minute * 60_000).collect();
    assert_eq!(bench.open_times("csv:X:1m").await?, expected);
    Ok(())
}

#[tokio::test]
async fn ctrl_c_ends_the_wait_for_redis() -> anyhow::Result<()> {
    let mut bench = Bench::start(RedisOptions::default()).await?;
    let mut program = under_way(&bench).await?;
    bench.redis.kill()?;
    program.wait_for_line(|line| line.contains("trying again for up to 30 s"), PATIENCE).await?;
    assert_eq!(program.interrupt(PATIENCE).await?.code(), Some(130));
    program.wait_for_line(|line| line.starts_with("replay csv:BTCUSD:1m: interrupted, "), PATIENCE).await?;
    Ok(())
}

#[tokio::test]
async fn redis_that_stays_away_is_given_up_on() -> anyhow::Result<()> {
    let mut bench = Bench::start(RedisOptions::default()).await?;
    let environment = [("REDIS_URL".to_owned(), bench.redis.url())];
    let config = Config::from_text("", None, &environment)?;
    let stop = CancellationToken::new();
    let price = Decimal::ZERO;
    let bar = Bar { open: price, high: price, low: price, close: price, volume: price };
    let candle = |minute: i64| ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now());
    let candles = [candle(1)?, candle(2)?];

    let mut publisher =
        Publisher::connect(RedisTarget::new(&config.redis)?, &config, SERIES.parse()?, Origin::Replay).await?;
    assert_eq!(publisher.publish(&candles, 1, &stop).await?, Sent::All);
    bench.redis.kill()?;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let Err(Fault::Unreachable(reason)) = publisher.publish(&candles, 2, &stop).await else {
        anyhow::bail!("published to a Redis that is not there");
    };
    assert!(reason.starts_with(&format!("redis at 127.0.0.1:{}: ", bench.redis.port())), "{reason}");
    assert_eq!(publisher.acknowledged(), 1);
    // The clock is the test's own.
    let waited = began.elapsed();
    assert!((Duration::from_secs(25)..Duration::from_secs(40)).contains(&waited), "{waited:?}");
    Ok(())
}
