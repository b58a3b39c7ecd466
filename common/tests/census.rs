//! The census on a real Redis: what it tells of streams, groups and memory, and what it does not know.

use anyhow::{Context, Result};
use candlewire_common::census::{Census, Seen};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::metrics::RedisMetrics;
use candlewire_testkit::{RedisOptions, RedisServer};
use redis::aio::MultiplexedConnection;

struct Bench {
    redis: RedisServer,
    connection: MultiplexedConnection,
    census: Census,
}

impl Bench {
    async fn start() -> Result<Self> {
        let redis = RedisServer::start(RedisOptions::default()).await?;
        let file = redis.directory().join("candlewire.toml");
        std::fs::write(&file, format!("[redis]\nurl = \"{}\"\npartitions = 2\n", redis.url()))?;
        let config = Config::load(Some(&file))?.redis;
        let census = Census::new(RedisTarget::new(&config)?, &config, RedisMetrics::new());
        let connection = redis.connection().await?;
        Ok(Self { redis, connection, census })
    }

    async fn run(&mut self, commands: &str) -> Result<()> {
        for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut words = line.split(' ');
            let mut command = redis::cmd(words.next().context("a command")?);
            words.for_each(|word| {
                command.arg(word);
            });
            command.exec_async(&mut self.connection).await?;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<Seen> {
        Ok(self.census.look().await?)
    }
}

#[tokio::test]
async fn all_partitions_are_summed() -> Result<()> {
    let mut bench = Bench::start().await?;
    let empty = bench.look().await?;
    assert_eq!((empty.lengths, empty.lags, empty.memory.max), ([Some(0); 3], [Some(0); 2], None));
    assert!(empty.memory.used.is_some_and(|used| used > 0));

    bench
        .run(
            "XADD cw:{0}:candles 1-0 a b
             XADD cw:{0}:candles 2-0 a b
             XADD cw:{1}:candles 1-0 a b
             XADD cw:{1}:signals 1-0 a b
             XADD cw:{1}:dead 1-0 a b
             XGROUP CREATE cw:{0}:candles indicator-workers 0
             XGROUP CREATE cw:{0}:candles somebody 2-0
             XREADGROUP GROUP indicator-workers w COUNT 1 STREAMS cw:{0}:candles >
             CONFIG SET maxmemory 100mb",
        )
        .await?;
    let seen = bench.look().await?;
    assert_eq!(seen.lengths, [Some(3), Some(1), Some(1)]);
    // One was given of the first partition; the second has no group yet, which will be given all.
    assert_eq!((seen.lags, seen.candle_lag()), ([Some(2), Some(1)], Some(2)));
    assert_eq!(seen.memory.max, Some(100 * 1_024 * 1_024));
    Ok(())
}

#[tokio::test]
async fn what_redis_does_not_tell_is_not_guessed() -> Result<()> {
    let mut bench = Bench::start().await?;
    bench
        .run(
            "XADD cw:{0}:candles 1-0 a b
             XADD cw:{0}:candles 2-0 a b
             XADD cw:{0}:candles 3-0 a b
             XGROUP CREATE cw:{0}:candles indicator-workers 0
             XREADGROUP GROUP indicator-workers w COUNT 1 STREAMS cw:{0}:candles >
             XDEL cw:{0}:candles 2-0
             SET cw:{1}:signals no-stream",
        )
        .await?;
    let seen = bench.look().await?;
    assert_eq!((seen.lengths, seen.lags), ([Some(2), None, Some(0)], [None, None]));

    bench.redis.kill()?;
    assert!(bench.census.look().await.is_err());
    bench.redis.restart().await?;
    assert_eq!(bench.look().await?.lengths, [Some(0); 3]);
    Ok(())
}
