//! A replay that meets a full stream or a full Redis: it waits, says why, and goes on.

use std::time::Duration;

use candlewire_common::candle::Origin;
use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::decimal::Decimal;
use candlewire_common::exit::Fault;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::redis_server::Eviction;
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{Program, RedisOptions};
use ingestor::publisher::Publisher;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, HEADER};

const SERIES: &str = "csv:X:1m";

/// A replay of so many candles into streams of at most 20,000.
fn replay(bench: &Bench, count: i64) -> anyhow::Result<Program> {
    bench.file("candlewire.toml", "[streams]\ncandles_max = 20000\n")?;
    let rows: Vec<String> = (1..=count).map(|minute| format!("{},1,2,1,2,3\n", minute * 60)).collect();
    bench.file("many.csv", format!("{HEADER}{}", rows.concat()))?;
    Ok(bench.ingestor(&["replay", "many.csv", "--series", SERIES]).spawn()?)
}

/// The key of the series' stream.
const STREAM: &str = "cw:{12}:candles";

#[tokio::test]
async fn a_stream_that_nobody_reads_is_not_filled_beyond_its_limit() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut connection = bench.connection().await?;
    redis::cmd("XGROUP").arg(&["CREATE", STREAM, "audit", "0", "MKSTREAM"]).exec_async(&mut connection).await?;
    let mut program = replay(&bench, 30_000)?;
    let line = program.wait_for_line(|line| line.contains("waiting for room"), PATIENCE).await?;
    for expected in [
        "cw:{12}:candles holds 20500 entries, more than streams.candles_max = 20000: group audit is 20500 entries behind",
        "start its consumer, or remove it with XGROUP DESTROY cw:{12}:candles audit",
    ] {
        assert!(line.contains(expected), "{line}");
    }
    assert_eq!(bench.length(SERIES).await?, 20_500);

    redis::cmd("XTRIM").arg(&[STREAM, "MAXLEN", "20000"]).exec_async(&mut connection).await?;
    bench.wait_for_length(SERIES, 20_500).await?;
    redis::cmd("XTRIM").arg(&[STREAM, "MAXLEN", "5000"]).exec_async(&mut connection).await?;
    assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());
    let expected: Vec<i64> = (16_001..=30_000).map(|minute| minute * 60_000).collect();
    assert_eq!(bench.open_times(SERIES).await?, expected);
    let lines = program.lines();
    for (part, count) in [("waiting for room", 1), ("there is room in cw:{12}:candles again", 1), ("trying again", 0)] {
        assert_eq!(lines.iter().filter(|line| line.contains(part)).count(), count, "{lines:?}");
    }
    Ok(())
}

#[tokio::test]
async fn ctrl_c_ends_the_wait_for_room() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut program = replay(&bench, 21_000)?;
    program.wait_for_line(|line| line.contains("it has no consumer group"), PATIENCE).await?;
    assert_eq!(program.interrupt(PATIENCE).await?.code(), Some(130));
    let summary = "replay csv:X:1m: interrupted, 20500 of 21000 candles published in";
    program.wait_for_line(|line| line.starts_with(summary), PATIENCE).await?;
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_nearly_full_keeps_memory_for_the_workers() -> anyhow::Result<()> {
    let options = RedisOptions { memory: Some((10 << 20, Eviction::NoEviction)), ..RedisOptions::default() };
    let bench = Bench::start(options).await?;
    let mut connection = bench.connection().await?;
    // Pieces of nearly 96 KiB, for allocators round up: a large one by a megabyte.
    let ballast: Vec<String> = (0..68).map(|piece| format!("ballast{piece}")).collect();
    for piece in &ballast {
        redis::cmd("SET").arg(piece).arg("x".repeat(98_000)).exec_async(&mut connection).await?;
    }
    let mut program = replay(&bench, 20_000)?;
    let line = program.wait_for_line(|line| line.contains("waiting for room"), PATIENCE).await?;
    assert!(line.contains(" MB of 10.0 MB (maxmemory)") && line.contains("raise maxmemory"), "{line}");
    let length = bench.length(SERIES).await?;
    assert!((500..20_000).contains(&length) && length.is_multiple_of(500), "{length}");
    // What a worker commits.
    redis::cmd("SET").arg("state").arg("x".repeat(100_000)).exec_async(&mut connection).await?;

    redis::cmd("DEL").arg(&ballast).exec_async(&mut connection).await?;
    program.wait_for_line(|line| line.contains("there is room in"), PATIENCE).await?;
    assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());
    assert_eq!(bench.open_times(SERIES).await?.len(), 20_000);
    let errors: String = redis::cmd("INFO").arg("errorstats").query_async(&mut connection).await?;
    assert!(!errors.contains("OOM"), "{errors}");
    Ok(())
}

#[tokio::test]
async fn a_redis_that_evicts_may_be_full() -> anyhow::Result<()> {
    let options = RedisOptions { memory: Some((10 << 20, Eviction::VolatileLru)), ..RedisOptions::default() };
    let bench = Bench::start(options).await?;
    let mut connection = bench.connection().await?;
    // As much as Redis holds, all of which it may evict.
    for key in 0..90 {
        let value = "x".repeat(100_000);
        redis::cmd("SET").arg(key).arg(value).arg("EX").arg(3_600).exec_async(&mut connection).await?;
    }
    let mut program = replay(&bench, 20_000)?;
    assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());
    assert_eq!(bench.open_times(SERIES).await?.len(), 20_000);
    Ok(())
}

#[tokio::test]
async fn a_stream_in_which_nothing_moves_is_given_up_on() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut config = Config::from_text("", None, &[("REDIS_URL".to_owned(), bench.redis.url())])?;
    config.streams.candles_max = 0;
    let price = Decimal::ZERO;
    let bar = Bar { open: price, high: price, low: price, close: price, volume: price };
    let candle = |minute: i64| ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now());
    let (candles, stop) = ([candle(1)?, candle(2)?], CancellationToken::new());
    let mut publisher =
        Publisher::connect(RedisTarget::new(&config.redis)?, &config, SERIES.parse()?, Origin::Replay).await?;
    publisher.publish(&candles, 1, &stop).await?;

    // The clock is the test's own.
    let half_a_minute = async {
        for _ in 0..2 {
            let mut looks = 0;
            eventually(PATIENCE, async || {
                looks += 1;
                if looks > 20 { Ok(()) } else { Err("the publisher has not looked yet") }
            })
            .await?;
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(16)).await;
            tokio::time::resume();
        }
        anyhow::Ok(())
    };
    let (sent, passed) = tokio::join!(publisher.publish(&candles, 2, &stop), half_a_minute);
    passed?;
    let Err(Fault::Unreachable(reason)) = sent else { anyhow::bail!("published into a full stream: {sent:?}") };
    assert_eq!(
        reason,
        "cw:{12}:candles holds 1 entries, more than streams.candles_max = 0: it has no consumer group; \
         nothing has moved for 30 s: start an indicator-worker"
    );
    assert_eq!((publisher.acknowledged(), bench.length(SERIES).await?), (1, 1));
    Ok(())
}
