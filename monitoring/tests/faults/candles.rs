//! A foreign program that publishes candles.

use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::time::UnixMillis;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

/// How many partitions the tests have.
pub(crate) const PARTITIONS: u16 = 4;

const MINUTE: i64 = 60_000;
const PACE: Duration = Duration::from_millis(250);

/// The stream of a series.
pub(crate) fn stream(series: &str) -> Result<String> {
    let partitions = Partitions::new(PARTITIONS).context("partitions")?;
    Ok(Keys::new("cw").candles(series.parse::<Series>()?.partition(partitions)))
}

/// A candle of a series, the number counted from a day ago.
pub(crate) fn candle(series: &str, id: &str, begin: UnixMillis, number: i64) -> Result<redis::Cmd> {
    let mut command = redis::cmd("XADD");
    command.arg(stream(series)?).arg(id).arg("series").arg(series);
    command.arg("open_time").arg(begin.0 + number * MINUTE);
    for price in ["open", "high", "low", "close"] {
        command.arg(price).arg("1.5");
    }
    Ok(command)
}

/// When the first candle opens: a month ago, so that there is room for many.
pub(crate) fn begin() -> UnixMillis {
    UnixMillis(UnixMillis::now().0 / MINUTE * MINUTE - 30 * 24 * 60 * MINUTE)
}

/// Publishes `at_once` candles of each of `series` four times a second, for ever. The numbers begin at `number`.
pub(crate) async fn publish(
    mut connection: MultiplexedConnection,
    series: Vec<String>,
    mut number: i64,
    at_once: i64,
) -> Result<()> {
    let begin = begin();
    loop {
        let mut pipe = redis::pipe();
        for series in &series {
            for more in 0..at_once {
                pipe.add_command(candle(series, "*", begin, number + more)?).ignore();
            }
        }
        pipe.exec_async(&mut connection).await.context("publish candles")?;
        number += at_once;
        sleep(PACE).await;
    }
}
