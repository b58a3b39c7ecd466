//! Every venue with every fault: what is published is the truth.

use anyhow::{Context, Result, ensure};
use candlewire_common::timeframe::Timeframe;
use candlewire_testkit::venue::{Cut, Fault, RestFault, Script, VenueKind};
use candlewire_testkit::{RedisOptions, RedisServer};
use futures_util::future::join_all;

use crate::bench::{BEGIN, Bench, MINUTE, SYMBOL, WARMUP, Wanted};

/// How long each fault is watched.
const MINUTES: i64 = 16;

/// In the venue's milliseconds, what is too late where nothing is wrong: the grace period, two seconds, and a third of a
/// second of this machine's.
const LATE: i64 = 27_000;

/// When a fault begins and ends: some minutes after the start, between two boundaries.
const FROM: i64 = BEGIN + 3 * MINUTE + 25_000;
const TO: i64 = BEGIN + 8 * MINUTE + 35_000;

/// Every fault that the venue can have, with a name.
fn faults(kind: VenueKind) -> Vec<(&'static str, Script)> {
    let one = |fault| Script::none().with(fault);
    let mut faults = vec![
        ("none", Script::none()),
        ("socket reset", one(Fault::socket_cut(FROM, Cut::Reset))),
        ("socket closed", one(Fault::socket_cut(BEGIN + 4 * MINUTE + 100, Cut::Close))),
        ("half frame", one(Fault::half_frame(FROM))),
        ("silent socket", one(Fault::silent_socket(FROM, i64::MAX))),
        ("silent venue", one(Fault::silent_venue(FROM, TO))),
        ("dead socket", one(Fault::dead_socket(FROM, i64::MAX))),
        ("dead venue", one(Fault::dead_venue(FROM, TO))),
        ("duplicates", one(Fault::duplicates(FROM, TO))),
        ("reordered", one(Fault::reordered(FROM, TO, false))),
        ("unknown messages", one(Fault::unknown_messages(FROM, TO))),
        ("bad data", one(Fault::bad_data(FROM, TO))),
        ("outage", one(Fault::refused(FROM, TO)).with(Fault::socket_cut(FROM, Cut::Reset))),
        ("outage at the start", one(Fault::refused(0, BEGIN + 2 * MINUTE))),
    ];
    // Faults of REST matter where it is needed: while the feed says nothing.
    let rest = [
        ("429", Fault::rest_status(FROM, TO, 429, Some(20))),
        ("418", Fault::rest_status(FROM, TO, 418, Some(60))),
        ("503", Fault::rest_status(FROM, TO, 503, None)),
        ("over budget", Fault::rest(FROM, TO, RestFault::OverBudget)),
        ("hangs", Fault::rest(FROM, TO, RestFault::Hang)),
        ("lags", Fault::rest_lag(FROM, TO, 90_000)),
        ("stale row", Fault::stale_row(FROM, TO, 3_000)),
    ];
    for (name, fault) in rest {
        // What OANDA marks as complete is all there will be.
        if (kind, name) == (VenueKind::Oanda, "stale row") {
            continue;
        }
        faults.push((name, one(fault).with(Fault::silent_venue(FROM + MINUTE, TO - MINUTE))));
    }
    let flagged = [
        ("closing lost", Fault::closing_lost(FROM, TO, 100)),
        ("some closing lost", Fault::closing_lost(FROM, TO, 40)),
        ("closing late", Fault::closing_delayed(FROM, TO, 3_800)),
        ("closing too late", Fault::closing_delayed(FROM, TO, 9_000)),
    ];
    if kind.flags_close() {
        faults.extend(flagged.map(|(name, fault)| (name, one(fault))));
    }
    faults.extend(match kind {
        VenueKind::Binance => vec![("shutdown", one(Fault::server_shutdown(FROM, FROM + 30_000)))],
        VenueKind::Coinbase => vec![("sequence jump", one(Fault::sequence_jump(FROM, TO)))],
        VenueKind::Oanda => vec![("late complete", one(Fault::late_complete(FROM, TO, 45_000)))],
        _ => vec![],
    });
    faults
}

async fn every_fault(kind: VenueKind) -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let only = std::env::var("FAULT").ok();
    let runs = faults(kind).into_iter().filter(|(name, _)| only.as_deref().is_none_or(|only| *name == only)).map(
        |(name, script)| {
            let redis = &redis;
            async move { one_fault(redis, kind, name, script).await.context(name) }
        },
    );
    let failures: Vec<String> =
        join_all(runs).await.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// Coinbase's feed has candles of five minutes, which it does not mark as closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coinbases_five_minutes_are_published_whatever_happens() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let script = |fault| Script::none().with(fault);
    let (from, to) = (BEGIN + 7 * MINUTE + 25_000, BEGIN + 18 * MINUTE + 35_000);
    let faults = [
        ("none", Script::none()),
        ("silent venue", script(Fault::silent_venue(from, to))),
        ("lags", script(Fault::rest_lag(from, to, 90_000)).with(Fault::socket_cut(from + MINUTE, Cut::Close))),
    ];
    let runs = faults.into_iter().map(|(name, script)| {
        let redis = &redis;
        async move {
            let wanted = Wanted::minutes(VenueKind::Coinbase, &name.replace(' ', "-"));
            let bench = Bench::start(redis, Wanted { timeframes: r#"["5m"]"#, ..wanted }, script).await?;
            let engine = bench.engine()?;
            bench.expect_all(SYMBOL, Timeframe::M5, BEGIN + 30 * MINUTE).await.context(name)?;
            engine.stop().await
        }
    });
    join_all(runs).await.into_iter().collect()
}

async fn one_fault(redis: &RedisServer, kind: VenueKind, name: &str, script: Script) -> Result<()> {
    let bench = Bench::start(redis, Wanted::minutes(kind, &name.replace(' ', "-")), script).await?;
    let engine = bench.engine()?;
    let published = bench.expect_all(SYMBOL, Timeframe::M1, BEGIN + MINUTES * MINUTE).await?;
    let first = published.first().map(|first| first.candle.open_time);
    // History of exactly the wanted length, unless the venue came late.
    if name != "outage at the start" && kind.shows_empty() {
        ensure!(first == Some(BEGIN - WARMUP * MINUTE), "the first candle is of {first:?}");
    }
    if name == "none" {
        let live = published.iter().filter(|published| published.candle.open_time >= BEGIN);
        let latest = live.map(|published| bench.lateness(published, Timeframe::M1)).max();
        ensure!(latest.is_some_and(|latest| latest < LATE), "{latest:?} ms after its end");
    }
    engine.stop().await?;
    // A dead venue hears no ping.
    let is_heard = !name.starts_with("dead");
    ensure!(!is_heard || bench.venue.violations().is_empty(), "{:?}", bench.venue.violations());
    Ok(())
}

macro_rules! venues {
    ($($name:ident = $kind:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                every_fault(VenueKind::$kind).await
            }
        )*
    };
}

venues! {
    binance_is_published_whatever_happens = Binance;
    kraken_is_published_whatever_happens = Kraken;
    coinbase_is_published_whatever_happens = Coinbase;
    bybit_is_published_whatever_happens = Bybit;
    okx_is_published_whatever_happens = Okx;
    oanda_is_published_whatever_happens = Oanda;
}
