//! `ingestor backfill` as its user meets it: what is published, what is said, and the exit codes.

use anyhow::Result;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::RedisOptions;
use candlewire_testkit::ports::free_port;
use candlewire_testkit::venue::{Fault, Script, VenueKind};
use candlewire_testkit::wait::{PATIENCE, eventually};
use futures_util::future::try_join_all;

use crate::bench::{
    BEGIN, Bench, Ended, MINUTE, addresses, ended, expect_same, market, minutes_of, name, series, source, truth, venue,
    without_seconds,
};

/// A range of minutes that takes several pages, with a weekend where there is one, equals what the venue has.
async fn whole_range(kind: VenueKind, minutes: i64) -> Result<()> {
    let day = 1_440 * MINUTE;
    let (closed_from, closed_to) = (BEGIN + 2 * day + 1_320 * MINUTE, BEGIN + 4 * day + 1_320 * MINUTE);
    let market = match kind {
        VenueKind::Oanda => market().with_price_decimals(5).with_closed(closed_from, closed_to),
        _ => market(),
    };
    let script = Script { enforce_budget: kind != VenueKind::Kraken, ..Script::none() };
    let venue = venue(kind, market, script).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let (series, to) = (series(kind, "1m"), BEGIN + minutes * MINUTE);
    let ended = bench.backfill(&series, BEGIN, to).await?;
    assert_eq!((ended.code, ended.stdout.len()), (Some(0), 0), "{ended:?}");

    let expected = truth(&venue, MINUTE, BEGIN, to);
    expect_same(&ended.applied(bench.published(&series).await?), &expected, &series);
    assert!(venue.requests().len() > 2, "{kind:?}: {} pages", venue.requests().len());
    assert_eq!(venue.violations(), Vec::<String>::new());
    // A weekend is nothing that is missing, a minute without trades is.
    let (count, total) = (expected.len(), if kind == VenueKind::Oanda { minutes - 2 * 1_440 } else { minutes });
    let missing = usize::try_from(total)? - count;
    assert_eq!(missing > 0, !kind.shows_empty(), "{kind:?}");
    let none = if missing > 0 { format!(", the venue has none for the other {missing}") } else { String::new() };
    let expected = format!("backfill {series}: {count} of {total} candles published{none}");
    let [summary] = &ended.stderr[..] else { panic!("{ended:?}") };
    assert_eq!(without_seconds(summary), expected);
    Ok(())
}

#[tokio::test]
async fn a_range_of_each_venue_is_what_the_venue_has() -> Result<()> {
    let ranges = [
        (VenueKind::Binance, 2_500),
        (VenueKind::Bybit, 2_500),
        (VenueKind::Okx, 450),
        (VenueKind::Coinbase, 1_000),
        (VenueKind::Oanda, 9_000),
        (VenueKind::Kraken, 900),
    ];
    try_join_all(ranges.map(|(kind, minutes)| whole_range(kind, minutes))).await?;
    Ok(())
}

#[tokio::test]
async fn an_interrupted_backfill_goes_on_where_it_was() -> Result<()> {
    let kind = VenueKind::Kraken;
    let venue = venue(kind, market(), Script::none()).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let series = series(kind, "1m");
    // Twenty requests more than Kraken answers at once, a second apart.
    let (from, far) = (BEGIN.to_string(), (BEGIN + 5_000 * MINUTE).to_string());
    let mut program = bench.ingestor(&["backfill", "--series", &series, "--from", &from, "--to", &far]).spawn()?;
    bench.wait_for(&series, 1).await?;
    let status = program.interrupt(PATIENCE).await?;
    let interrupted = Ended::of(&program, status);
    assert_eq!(interrupted.code, Some(130), "{interrupted:?}");
    let held = interrupted.applied(bench.published(&series).await?);
    let (newest, rest) = (held.last().map_or(0, |last| last.open_time), 300);
    let to = newest + (rest + 1) * MINUTE;
    let expected = truth(&venue, MINUTE, BEGIN, to);
    expect_same(&held, &expected[..held.len()], "interrupted");
    let [summary] = &interrupted.stderr[..] else { panic!("{interrupted:?}") };
    let said = format!("backfill {series}: interrupted, {} of 5000 candles published", held.len());
    assert_eq!(without_seconds(summary), said);

    let ended = bench.backfill(&series, BEGIN, to).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    expect_same(&interrupted.applied(ended.applied(bench.published(&series).await?)), &expected, "resumed");
    let [resumed, summary] = &ended.stderr[..] else { panic!("{ended:?}") };
    let last = UnixMillis(newest).rfc3339();
    assert_eq!(*resumed, format!("backfill {series}: redis holds candles up to {last}, only what follows is fetched"));
    assert_eq!(without_seconds(summary), format!("backfill {series}: {rest} of {rest} candles published"));

    let asked = venue.requests().len();
    let ended = bench.backfill(&series, BEGIN, to).await?;
    assert_eq!(ended.code, Some(0));
    let last = UnixMillis(to - MINUTE).rfc3339();
    assert_eq!(ended.stderr, [format!("backfill {series}: nothing is missing: redis holds candles up to {last}")]);
    expect_same(&interrupted.applied(ended.applied(bench.published(&series).await?)), &expected, "nothing more");
    assert_eq!(venue.requests().len(), asked);
    Ok(())
}

#[tokio::test]
async fn a_range_begins_on_a_candle_and_ends_before_to() -> Result<()> {
    let kind = VenueKind::Binance;
    let venue = venue(kind, market(), Script::none()).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let series = series(kind, "1m");
    let (from, to) = ("2026-01-14T00:00:30Z", "2026-01-14T00:10:00Z");
    let ended = bench.run(&["backfill", "--series", &series, "--from", from, "--to", to]).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let minute = |minute| BEGIN + minute * MINUTE;
    expect_same(
        &ended.applied(bench.published(&series).await?),
        &truth(&venue, MINUTE, minute(1), minute(10)),
        "the range",
    );

    // What lies before the newest candle that Redis holds is of no use.
    let ended = bench.backfill(&series, minute(-60), minute(20)).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = "redis holds candles up to 2026-01-14T00:09:00Z, only what follows is fetched";
    assert_eq!(ended.stderr[0], format!("backfill {series}: {said}"));
    expect_same(
        &ended.applied(bench.published(&series).await?),
        &truth(&venue, MINUTE, minute(1), minute(20)),
        "what follows",
    );

    let asked = venue.requests().len();
    let tomorrow = (UnixMillis::now().0 + 1_440 * MINUTE).to_string();
    let ended = bench.run(&["backfill", "--series", &series, "--from", &tomorrow]).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = "nothing is missing: no candle that is closed begins in that range";
    assert_eq!(ended.stderr, [format!("backfill {series}: {said}")]);
    assert_eq!(venue.requests().len(), asked);
    Ok(())
}

#[tokio::test]
async fn without_to_all_that_is_closed_comes_also_beyond_krakens_candles() -> Result<()> {
    let kind = VenueKind::Kraken;
    let venue = venue(kind, market(), Script::none()).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let series = series(kind, "1m");
    let now = UnixMillis::now().0 / MINUTE * MINUTE;
    let from = now - 800 * MINUTE;
    let ended = bench.run(&["backfill", "--series", &series, "--from", &from.to_string()]).await?;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let published = ended.applied(bench.published(&series).await?);
    let last = published.last().map_or(0, |last| last.open_time);
    assert!(last >= now - 2 * MINUTE && last + MINUTE <= UnixMillis::now().0, "{last} at {now}");
    expect_same(&published, &truth(&venue, MINUTE, from, last + MINUTE), "beyond 720");
    let asked = |path: &str| venue.requests().iter().any(|request| request.path_and_query.starts_with(path));
    assert!(asked("/0/public/Trades") && asked("/0/public/OHLC"));
    Ok(())
}

#[tokio::test]
async fn a_timeframe_that_the_venue_lacks_is_built_from_shorter_candles() -> Result<()> {
    // A candle of Kraken's that has no trades is flat at the price before, which is where a longer one then opens.
    for (kind, empty_percent) in [(VenueKind::Kraken, 0), (VenueKind::Coinbase, 40)] {
        let venue = venue(kind, market().with_empty_share(empty_percent), Script::none()).await?;
        let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
        let series = series(kind, "3m");
        // The last minute is one without trades: only a later one shows that the last candle is over.
        let is_quiet = |to: &i64| truth(&venue, MINUTE, to - MINUTE, *to).is_empty();
        let has_trades = |to: &i64| !truth(&venue, 3 * MINUTE, to - 3 * MINUTE, *to).is_empty();
        let mut ends = (100..200).map(|third| BEGIN + third * 3 * MINUTE);
        let to = match kind {
            VenueKind::Coinbase => ends.find(|to| is_quiet(to) && has_trades(to)),
            _ => ends.next(),
        };
        let to = to.unwrap_or(BEGIN);
        let ended = bench.backfill(&series, BEGIN, to).await?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        expect_same(&ended.applied(bench.published(&series).await?), &truth(&venue, 3 * MINUTE, BEGIN, to), &series);
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_symbol_is_one_line_that_names_it() -> Result<()> {
    let unknown = |kind: VenueKind| async move {
        let venue = venue(kind, market(), Script::none()).await?;
        let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
        let series = format!("{}:{}:1m", name(kind), kind.feed_symbol("NOPE-USD"));
        let ended = bench.backfill(&series, BEGIN, BEGIN + 100 * MINUTE).await?;
        assert_eq!(ended.code, Some(64), "{ended:?}");
        let [line] = &ended.stderr[..] else { panic!("{ended:?}") };
        assert!(line.starts_with(&format!("ingestor: {} has no candles of {series}: ", name(kind))), "{line}");
        anyhow::Ok(())
    };
    try_join_all(VenueKind::ALL.map(unknown)).await?;
    Ok(())
}

#[tokio::test]
async fn a_venue_that_wants_fewer_requests_is_waited_for() -> Result<()> {
    let kind = VenueKind::Binance;
    let venue = venue(kind, market(), Script::none().with(Fault::rest_status(0, i64::MAX, 429, Some(6)))).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let (series, to) = (series(kind, "1m"), BEGIN + 2_500 * MINUTE);
    let (from, to_text) = (BEGIN.to_string(), to.to_string());
    let mut program = bench.ingestor(&["backfill", "--series", &series, "--from", &from, "--to", &to_text]).spawn()?;
    let line = program.wait_for_line(|line| line.contains("fewer requests"), PATIENCE).await?;
    venue.set_script(Script::none());
    assert_eq!(line, format!("backfill {series}: the venue wants fewer requests (status 429): none for 6 s"));
    let status = program.wait(PATIENCE).await?;
    let ended = Ended::of(&program, status);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    expect_same(&ended.applied(bench.published(&series).await?), &truth(&venue, MINUTE, BEGIN, to), "after the wait");

    let requests = venue.requests();
    assert_eq!(requests.iter().map(|request| request.status).collect::<Vec<_>>(), [429, 200, 200, 200]);
    assert!(requests[1].at_ms - requests[0].at_ms >= 6_000, "{requests:?}");
    // Five seconds have passed when the first page comes.
    let [_, progress, summary] = &ended.stderr[..] else { panic!("{ended:?}") };
    let said = "1000 of 2500 candles, now at 2026-01-14T16:39:00Z";
    assert_eq!(*progress, format!("backfill {series}: {said}"));
    assert_eq!(without_seconds(summary), format!("backfill {series}: 2500 of 2500 candles published"));
    Ok(())
}

#[tokio::test]
async fn ctrl_c_ends_the_wait_for_a_venue() -> Result<()> {
    let kind = VenueKind::Okx;
    let script = Script::none().with(Fault::rest_status(0, i64::MAX, 429, Some(600)));
    let venue = venue(kind, market(), script).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let series = series(kind, "1m");
    let arguments = ["backfill", "--series", &series, "--from", "2026-01-14", "--to", "2026-01-15"];
    let mut program = bench.ingestor(&arguments).spawn()?;
    program.wait_for_line(|line| line.ends_with("none for 600 s"), PATIENCE).await?;
    assert_eq!(program.interrupt(PATIENCE).await?.code(), Some(130), "{:?}", program.lines());
    let lines = program.lines();
    let summary = without_seconds(lines.last().map_or("", String::as_str));
    assert_eq!(summary, format!("backfill {series}: interrupted, 0 of 1440 candles published"));
    Ok(())
}

#[tokio::test]
async fn a_venue_that_is_away_is_one_clear_line() -> Result<()> {
    let kind = VenueKind::Bybit;
    let address = format!("http://127.0.0.1:{}", free_port()?);
    let nowhere = [address.replace("http://", "http://user:hunter2@"), "ws://127.0.0.1:9".to_owned(), address.clone()];
    let sources = source(kind, &nowhere, &["BTC-USD"], &["1m"]);
    let bench = Bench::start(RedisOptions::default(), &sources).await?;
    let ended = bench.backfill(&series(kind, "1m"), BEGIN, BEGIN + 10 * MINUTE).await?;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let [line] = &ended.stderr[..] else { panic!("{ended:?}") };
    assert!(line.starts_with(&format!("ingestor: bybit at {address}: Connection refused")), "{line}");
    Ok(())
}

#[tokio::test]
async fn a_venue_that_goes_away_leaves_what_came_before() -> Result<()> {
    let kind = VenueKind::Kraken;
    let venue = venue(kind, market(), Script::none()).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let series = series(kind, "1m");
    let (from, to) = (BEGIN.to_string(), (BEGIN + 5_000 * MINUTE).to_string());
    let mut program = bench.ingestor(&["backfill", "--series", &series, "--from", &from, "--to", &to]).spawn()?;
    bench.wait_for(&series, 1).await?;
    venue.set_script(Script::none().with(Fault::rest_status(0, i64::MAX, 503, None)));
    let status = program.wait(PATIENCE).await?;
    let ended = Ended::of(&program, status);
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let held = ended.applied(bench.published(&series).await?);
    let [line] = &ended.stderr[..] else { panic!("{ended:?}") };
    let (count, address) = (held.len(), venue.rest_url());
    let said = format!("stopped after {count} of 5000 candles: kraken at {address}: status 503");
    assert_eq!(*line, format!("ingestor: {said}"));
    let end = BEGIN + i64::try_from(count)? * MINUTE;
    expect_same(&held, &truth(&venue, MINUTE, BEGIN, end), "what came before");
    Ok(())
}

#[tokio::test]
async fn a_mistake_in_the_command_asks_and_publishes_nothing() -> Result<()> {
    let kind = VenueKind::Kraken;
    let venue = venue(kind, market(), Script::none()).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let (known, second) = ("kraken:BTC/USD:1m", "kraken:BTC/USD:1s");
    for (series, from, to, expected) in [
        ("bybit:BTCUSD:1m", "2026-01-14", "2026-01-15", r#"ingestor: sources: none has venue = "bybit""#),
        (known, "yesterday", "2026-01-15", "error: invalid value 'yesterday' for '--from <T>'"),
        (known, "2026-01-14", "soon", "error: invalid value 'soon' for '--to <T>'"),
        (known, "2026-01-15", "2026-01-14", "ingestor: --to 2026-01-14T00:00:00Z is not after --from 2026-01-15T"),
        (known, "2026-01-15", "2026-01-15", "ingestor: --to 2026-01-15T00:00:00Z is not after --from 2026-01-15T"),
        (second, "2026-01-14", "2026-01-15", "ingestor: kraken has no candles of 1s, and none that they could be"),
        ("kraken:BTC/USD", "2026-01-14", "2026-01-15", "error: invalid value 'kraken:BTC/USD' for '--series <SERIES>'"),
    ] {
        let ended = bench.run(&["backfill", "--series", series, "--from", from, "--to", to]).await?;
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.stderr[0].starts_with(expected), "{ended:?}");
        assert!(!expected.starts_with("ingestor") || ended.stderr.len() == 1, "{ended:?}");
    }
    assert_eq!(venue.requests(), []);
    assert_eq!(bench.published(known).await?, []);
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_away_is_one_clear_line() -> Result<()> {
    let kind = VenueKind::Binance;
    let venue = venue(kind, market(), Script::none()).await?;
    let bench = Bench::start(RedisOptions::default(), &minutes_of(kind, &venue)).await?;
    let port = free_port()?;
    let url = format!("redis://user:hunter2@127.0.0.1:{port}/0");
    let series = series(kind, "1m");
    let arguments = ["backfill", "--series", &series, "--from", "2026-01-14", "--to", "2026-01-15"];
    let ended = ended(bench.ingestor_at(&url, &arguments)).await?;
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let [line] = &ended.stderr[..] else { panic!("{ended:?}") };
    assert!(line.starts_with(&format!("ingestor: redis at 127.0.0.1:{port}: Connection refused")), "{line}");
    assert_eq!(venue.requests(), []);
    Ok(())
}

#[tokio::test]
async fn nothing_is_asked_ahead_while_redis_has_no_room() -> Result<()> {
    let kind = VenueKind::Binance;
    let venue = venue(kind, market(), Script::none()).await?;
    let sources = source(kind, &addresses(&venue), &["BTC-USD"], &["1m"]);
    let bench = Bench::start(RedisOptions::default(), &format!("[streams]\ncandles_max = 20000\n{sources}")).await?;
    let series = series(kind, "1m");
    let (from, to) = (BEGIN.to_string(), (BEGIN + 60_000 * MINUTE).to_string());
    let mut program = bench.ingestor(&["backfill", "--series", &series, "--from", &from, "--to", &to]).spawn()?;
    program.wait_for_line(|line| line.contains("waiting for room"), PATIENCE).await?;
    // A Redis that is slow to answer is sent the last seconds again.
    let mut held: Vec<i64> = bench.published(&series).await?.iter().map(|row| row.open_time).collect();
    held.sort_unstable();
    held.dedup();
    // The page that is being published, and four that wait.
    let expected = held.len() / 1_000 + 1 + 4;
    let pages = async || match venue.requests().len() {
        asked if asked >= expected => Ok(asked),
        asked => Err(asked),
    };
    assert_eq!(eventually(PATIENCE, pages).await?, expected);
    assert_eq!(program.interrupt(PATIENCE).await?.code(), Some(130), "{:?}", program.lines());
    let lines = program.lines();
    let summary = without_seconds(lines.last().map_or("", String::as_str));
    assert_eq!(summary, format!("backfill {series}: interrupted, {} of 60000 candles published", held.len()));
    assert_eq!(venue.requests().len(), expected);
    Ok(())
}
