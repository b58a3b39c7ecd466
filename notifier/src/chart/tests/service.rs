//! Pictures from a real Redis: what is read, and how often is drawn.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::signal::Direction;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::{RedisOptions, RedisServer};

use super::scene::{Scene, Walk};
use crate::chart::{Charts, KEPT_MAX, NoPicture};

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
        let walk = Walk { seed: 2, start: 4_200_000, step: 9_000, scale: 2, millis: 3_600_000 };
        let mut candles = walk.candles(181, |_| 0);
        let key = config.redis.keys.history(
            "binance:BTCUSDT:1h".parse::<candlewire_common::series::Series>()?.partition(config.redis.partitions),
            &"binance:BTCUSDT:1h".parse()?,
        );
        let mut connection = server.connection().await?;
        for candle in &candles {
            let mut add = redis::cmd("XADD");
            add.arg(&key).arg(format!("{}-0", candle.open_time()));
            for (field, price) in
                [("open", candle.open()), ("high", candle.high()), ("low", candle.low()), ("close", candle.close())]
            {
                add.arg(field).arg(price.to_string());
            }
            add.arg("volume").arg("0").exec_async(&mut connection).await?;
        }
        candles.pop();
        let scene = Scene::new("stored", "binance:BTCUSDT:1h", Direction::Buy, Some(("sma(20)", "sma(50)")), candles);
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
    ensure!(*picture == *super::super::picture::draw(&bench.scene.chart())?, "another picture");
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
    let mut cut_off = Box::pin(bench.charts.picture(signal));
    // Polled once, so that it has begun.
    ensure!(futures_poll(&mut cut_off).await.is_none(), "it ended at once");
    let waiting = bench.charts.picture(signal);
    drop(cut_off);
    waiting.await?;
    Ok(())
}

/// Polls a future once.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *future).poll(context);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
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
