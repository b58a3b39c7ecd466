//! A start with many symbols keeps to the venues' budgets, and one that the venue does not know harms no other.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_common::timeframe::Timeframe;
use candlewire_testkit::venue::{Script, VenueKind};
use candlewire_testkit::wait::eventually;
use candlewire_testkit::{RedisOptions, RedisServer};
use futures_util::future::join_all;

use crate::bench::{BEGIN, Bench, MINUTE, Row, SYMBOL, WARMUP, Wanted};

/// As many symbols as the issue of bans is about.
const SYMBOLS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_symbols_keep_to_every_budget() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let symbols: Vec<&'static str> =
        (0..SYMBOLS).map(|number| &*Box::leak(format!("S{number}-USD").into_boxed_str())).collect();
    let runs = VenueKind::ALL.map(|kind| {
        let (redis, symbols) = (&redis, symbols.clone());
        async move {
            let wanted = Wanted { symbols, speed: 20, ..Wanted::minutes(kind, &format!("{kind:?}")) };
            let script = Script { enforce_budget: true, ..Script::none() };
            let bench = Bench::start(redis, wanted, script).await?;
            let engine = bench.engine()?;
            // Every symbol's history was fetched, and is in the stream.
            let is_warm = async || {
                let requests = bench.venue.requests();
                let answered = requests.into_iter().filter(|request| !request.rows.is_empty());
                let symbols: HashSet<Option<String>> = answered.map(|request| request.symbol).collect();
                match bench.all_published().await {
                    Ok(published) if symbols.len() == SYMBOLS && published.len() == SYMBOLS => Ok(()),
                    _ => Err(format!("{} of {SYMBOLS} symbols", symbols.len())),
                }
            };
            eventually(Duration::from_mins(2), is_warm).await?;
            engine.stop().await?;
            let published = bench.all_published().await?;
            for symbol in &bench.wanted.symbols {
                let found = &published[&bench.wanted.series(symbol, "1m")?];
                let found: Vec<Row> = found
                    .iter()
                    .map(|published| published.candle.clone())
                    .filter(|row| row.open_time < BEGIN)
                    .collect();
                let truth = bench.truth(symbol, Timeframe::M1, found[0].open_time, BEGIN)?;
                ensure!(found == truth && found.len() >= usize::try_from(WARMUP)?, "{symbol}: {}", found.len());
            }
            ensure!(bench.venue.violations().is_empty(), "{:?}", bench.venue.violations());
            Ok::<_, anyhow::Error>(())
        }
    });
    for (kind, ended) in VenueKind::ALL.into_iter().zip(join_all(runs).await) {
        ended.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_symbol_that_the_venue_does_not_know_harms_no_other() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let runs = VenueKind::ALL.map(|kind| {
        let redis = &redis;
        async move {
            let mut bench = Bench::start(redis, Wanted::minutes(kind, &format!("{kind:?}")), Script::none()).await?;
            bench.wanted.symbols = vec!["NONE-SUCH", SYMBOL];
            let engine = bench.engine()?;
            let published = bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + 3 * MINUTE).await?;
            ensure!(published.len() >= usize::try_from(WARMUP)?, "{} candles", published.len());
            ensure!(bench.published(&bench.wanted.series("NONE-SUCH", "1m")?).await?.is_empty());
            engine.stop().await
        }
    });
    for (kind, ended) in VenueKind::ALL.into_iter().zip(join_all(runs).await) {
        ended.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}
