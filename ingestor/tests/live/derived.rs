//! Longer candles built from shorter ones are the venue's own.

use anyhow::{Context, Result};
use candlewire_common::timeframe::Timeframe;
use candlewire_testkit::venue::{Cut, Fault, Script, VenueKind};
use candlewire_testkit::{RedisOptions, RedisServer};
use futures_util::future::join_all;

use crate::bench::{BEGIN, Bench, MINUTE, SYMBOL, Wanted};

/// Kraken, Coinbase and OANDA have no candles of three minutes: those are built in the history, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_are_the_truth_at_every_venue_through_an_outage() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let runs = VenueKind::ALL.map(|kind| {
        let redis = &redis;
        async move {
            let derive = r#"["3m", "5m", "15m"]"#;
            // Candles of three minutes, built of shorter ones, take several pages.
            let wanted = Wanted { derive, warmup: 250, ..Wanted::minutes(kind, &format!("{kind:?}")) };
            let (from, to) = (BEGIN + 7 * MINUTE + 30_000, BEGIN + 10 * MINUTE + 30_000);
            let script = Script::none().with(Fault::refused(from, to)).with(Fault::socket_cut(from, Cut::Reset));
            // Where empty parts are left out, of many candles some are empty, also at their ends. Where they are flat, they
            // are parts like others, which a venue's own longer candles, made of trades, don't know.
            let empty = if kind.shows_empty() { 0 } else { 40 };
            let bench = Bench::with_market(redis, wanted, script, |market| market.with_empty_share(empty)).await?;
            let engine = bench.engine()?;
            for timeframe in [Timeframe::M1, Timeframe::M3, Timeframe::M5, Timeframe::M15] {
                bench.expect_all(SYMBOL, timeframe, BEGIN + 30 * MINUTE).await?;
            }
            engine.stop().await
        }
    });
    for (kind, ended) in VenueKind::ALL.into_iter().zip(join_all(runs).await) {
        ended.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}
