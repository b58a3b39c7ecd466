//! After a restart or an outage exactly the missing candles are fetched.

use anyhow::{Context, Result, ensure};
use candlewire_common::timeframe::Timeframe;
use candlewire_testkit::venue::{Cut, Fault, Script, VenueKind};
use candlewire_testkit::{RedisOptions, RedisServer};
use futures_util::future::join_all;

use crate::bench::{BEGIN, Bench, MINUTE, SYMBOL, Wanted};

/// Runs the same at every venue.
async fn at_every_venue<F: Future<Output = Result<()>>>(run: impl Fn(VenueKind) -> F) -> Result<()> {
    let runs = VenueKind::ALL.map(|kind| {
        let run = run(kind);
        async move { run.await.with_context(|| format!("{kind:?}")) }
    });
    join_all(runs).await.into_iter().collect()
}

/// Each missing candle was fetched once, and none before them. Kraken's feed begins with the last candles, so that
/// fewer may be missing.
fn ensure_fetched(bench: &Bench, since: i64, missing: std::ops::Range<i64>) -> Result<()> {
    let truth = bench.truth(SYMBOL, Timeframe::M1, missing.start, missing.end)?;
    let expected: Vec<i64> = truth.iter().map(|row| row.open_time).collect();
    let fetched = bench.fetched_since(since, Timeframe::M1);
    let fetched: Vec<i64> = fetched.into_iter().filter(|open_time| *open_time < missing.end).collect();
    let is_told = bench.wanted.kind == VenueKind::Kraken && fetched.iter().all(|fetched| expected.contains(fetched));
    let is_once = fetched.windows(2).all(|pair| pair[0] < pair[1]);
    ensure!(fetched == expected || is_told && is_once, "fetched {fetched:?}, missing were {expected:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_fetches_what_is_missing_and_no_more() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    at_every_venue(|kind| {
        let redis = &redis;
        async move {
            let bench = Bench::start(redis, Wanted::minutes(kind, &format!("{kind:?}")), Script::none()).await?;
            let engine = bench.engine()?;
            let before = bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + 2 * MINUTE).await?;
            engine.kill().await;
            let held = bench.published(&bench.wanted.series(SYMBOL, "1m")?).await?;
            let last = held.last().or(before.last()).context("nothing is held")?.candle.open_time;
            bench.venue.clock().sleep_until(last + 6 * MINUTE + 20_000).await;
            let restarted = bench.venue.clock().now_ms();
            let engine = bench.engine()?;
            bench.expect_all(SYMBOL, Timeframe::M1, last + 9 * MINUTE).await?;
            engine.stop().await?;
            // What closed within the grace period before the restart may still be told by the feed.
            ensure_fetched(&bench, restarted, last + MINUTE..last + 6 * MINUTE)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_ten_minutes_away_what_is_missing_is_fetched_once() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    at_every_venue(|kind| {
        let redis = &redis;
        async move {
            let (from, to) = (BEGIN + 2 * MINUTE + 30_000, BEGIN + 12 * MINUTE + 30_000);
            let script = Script::none().with(Fault::refused(from, to)).with(Fault::socket_cut(from, Cut::Reset));
            let bench = Bench::start(redis, Wanted::minutes(kind, &format!("{kind:?}")), script).await?;
            let engine = bench.engine()?;
            bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + 16 * MINUTE).await?;
            engine.stop().await?;
            ensure_fetched(&bench, to, BEGIN + 2 * MINUTE..BEGIN + 12 * MINUTE)
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weekend_is_no_gap() -> Result<()> {
    const HOUR: i64 = 60 * MINUTE;
    // Friday 2026-11-20 22:00 to Sunday 22:00 UTC: winter in New York.
    let (friday, sunday) = (BEGIN + 60 * HOUR, BEGIN + 108 * HOUR);
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let wanted = |begin| Wanted { begin, ..Wanted::minutes(VenueKind::Oanda, "weekend") };
    let close = Bench::with_market(&redis, wanted(friday - 3 * MINUTE), Script::none(), |market| {
        market.with_closed(friday, sunday).with_empty_share(0)
    });
    let close = close.await?;
    let engine = close.engine()?;
    close.expect_all(SYMBOL, Timeframe::M1, friday).await?;
    // While the market is shut nothing is asked.
    close.venue.clock().sleep_until(friday + 3 * MINUTE).await;
    let before = close.venue.requests().len();
    close.venue.clock().sleep_until(friday + 20 * MINUTE).await;
    let asked = close.venue.requests().len() - before;
    ensure!(asked == 0, "{asked} requests while the market is shut");
    engine.kill().await;

    let open = Bench::with_market(&redis, wanted(sunday - 3 * MINUTE), Script::none(), |market| {
        market.with_closed(friday, sunday).with_empty_share(0)
    });
    let open = open.await?;
    let engine = open.engine()?;
    open.expect_all(SYMBOL, Timeframe::M1, sunday + 4 * MINUTE).await?;
    engine.stop().await
}
