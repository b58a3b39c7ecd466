//! A stand-in for workers that publishes signals, as the contract describes their entries.

use anyhow::{Context, Result};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::time::UnixMillis;
use redis::aio::MultiplexedConnection;

use crate::candles::PARTITIONS;

/// Alerts of a series go out one after the other, so there are some.
const SERIES: u64 = 8;

const HOUR_US: i64 = 3_600_000_000;

/// Publishes signals with ids of their own.
pub(crate) struct Signals {
    connection: MultiplexedConnection,
    producer: u64,
    published: u64,
}

impl Signals {
    pub(crate) fn new(connection: MultiplexedConnection) -> Self {
        Self { connection, producer: fastrand::u64(..), published: 0 }
    }

    /// Publishes one of a candle that closed a moment ago. The strategy says which recipient wants it.
    pub(crate) async fn publish(&mut self, strategy: &str) -> Result<()> {
        self.add(strategy, UnixMillis::now().0 * 1_000).await
    }

    /// Publishes one whose candle was sent in an hour, by somebody's clock.
    pub(crate) async fn publish_from_the_future(&mut self, strategy: &str) -> Result<()> {
        self.add(strategy, UnixMillis::now().0 * 1_000 + HOUR_US).await
    }

    /// Publishes what is no signal.
    pub(crate) async fn publish_garbage(&mut self) -> Result<()> {
        let mut garbage = redis::cmd("XADD");
        garbage.arg(stream(&series(0))?).arg("*").arg("nonsense").arg("1");
        Ok(garbage.exec_async(&mut self.connection).await?)
    }

    async fn add(&mut self, strategy: &str, candle_us: i64) -> Result<()> {
        self.published += 1;
        let close_time = UnixMillis::now().0 / 1_000 * 1_000;
        let mut command = redis::cmd("XADD");
        let series = series(self.published);
        command.arg(stream(&series)?).arg("*");
        command.arg("id").arg(format!("sig_{:016x}{:016x}", self.producer, self.published));
        command.arg("strategy").arg(strategy).arg("series").arg(series).arg("direction").arg("buy");
        command.arg("open_time").arg(close_time - 1_000).arg("close_time").arg(close_time);
        command.arg("price").arg("42001.37").arg("fast").arg("41890.2").arg("slow").arg("41880.9");
        command.arg("origin").arg("live").arg("candle_us").arg(candle_us);
        command.arg("emitted_us").arg(UnixMillis::now().0 * 1_000);
        Ok(command.exec_async(&mut self.connection).await?)
    }
}

fn series(number: u64) -> String {
    format!("binance:S{}:1s", number % SERIES)
}

fn stream(series: &str) -> Result<String> {
    let partitions = Partitions::new(PARTITIONS).context("partitions")?;
    Ok(Keys::new("cw").signals(series.parse::<Series>()?.partition(partitions)))
}
