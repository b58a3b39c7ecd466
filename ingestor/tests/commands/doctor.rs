//! `ingestor doctor` as its user meets it: one line for each thing, and what to do where it is not well.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use candlewire_testkit::RedisOptions;
use candlewire_testkit::ports::free_port;
use candlewire_testkit::redis_server::{AppendOnly, Eviction};
use candlewire_testkit::venue::{Fault, Market, MockVenue, RestFault, Script, VenueKind};
use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::bench::{Bench, Ended, SYMBOL, addresses, ended, minutes_of, name, source, venue};

const DURABLE: RedisOptions =
    RedisOptions { append_only: AppendOnly::EverySec, memory: Some((64 << 20, Eviction::NoEviction)) };
/// A second instrument of the mock.
const OTHER: &str = "ETH-USD";

async fn busy_venue(kind: VenueKind, script: Script) -> Result<MockVenue> {
    venue(kind, Market::new(11, &[SYMBOL, OTHER]).with_empty_share(0), script).await
}

/// The lines of standard output, with the spaces after their mark cut.
async fn examined(bench: &Bench, code: i32) -> Result<Vec<String>> {
    report(&bench.run(&["doctor"]).await?, code)
}

fn report(ended: &Ended, code: i32) -> Result<Vec<String>> {
    anyhow::ensure!(ended.code == Some(code) && ended.stderr.is_empty(), "{ended:?}");
    let faults = ended.stdout.iter().filter(|line| line.starts_with("FAULT ")).count();
    let summary = format!("{faults} fault{}, ", if faults == 1 { "" } else { "s" });
    anyhow::ensure!(ended.stdout.last().is_some_and(|last| last.starts_with(&summary)), "{ended:?}");
    let cut = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(ended.stdout.iter().map(cut).collect())
}

/// The one line that begins so.
fn one<'l>(lines: &'l [String], start: &str) -> Result<&'l str> {
    let found: Vec<&String> = lines.iter().filter(|line| line.starts_with(start)).collect();
    anyhow::ensure!(found.len() == 1, "{start}: {lines:#?}");
    Ok(found[0])
}

fn expect(lines: &[String], start: &str, parts: &[&str]) -> Result<()> {
    let line = one(lines, start)?;
    for part in parts {
        anyhow::ensure!(line.contains(part), "{part}: {line}");
    }
    Ok(())
}

/// Lines of numbers that differ from run to run, without them.
fn without_numbers(line: &str) -> String {
    line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>()
}

#[tokio::test]
async fn where_all_is_well_each_thing_has_its_line() -> Result<()> {
    let kinds = [VenueKind::Kraken, VenueKind::Coinbase, VenueKind::Bybit, VenueKind::Okx, VenueKind::Oanda];
    let (mut venues, mut config) = (Vec::new(), String::new());
    for kind in kinds {
        let venue = busy_venue(kind, Script::none()).await?;
        config += &source(kind, &addresses(&venue), &[SYMBOL, OTHER], &["1m", "5m"]);
        venues.push(venue);
    }
    let bench = Bench::start(DURABLE, &config).await?;
    let lines = examined(&bench, 0).await?;
    assert_eq!(lines[0], "ok configuration: 5 sources, 20 series");
    let redis = format!("ok redis at 127.0.0.1:{}: version ", bench.redis.port());
    expect(&lines, &redis, &[" answers in "])?;
    for line in [
        "ok redis role: master, with 0 replicas",
        "ok redis persistence: it keeps an append-only file, appendfsync is everysec",
        "ok redis clock: within 2 s of this machine's",
        "ok redis access: no password, and no way to it was found but from this machine",
        "ok redis permissions: everything that this program does",
        "ok redis layout: 16 partitions, not written yet",
        "ok candles: none yet",
    ] {
        assert_eq!(one(&lines, line)?, line);
    }
    for (kind, venue) in kinds.into_iter().zip(&venues) {
        let name = name(kind);
        let feed = if kind == VenueKind::Oanda { venue.stream_url() } else { venue.ws_url() };
        expect(&lines, &format!("ok {name} REST at {}: answers in ", venue.rest_url()), &[" ms"])?;
        for symbol in [SYMBOL, OTHER] {
            let start = format!("ok {name} {}: newest candle of 1m: ", kind.feed_symbol(symbol));
            assert_eq!(without_numbers(one(&lines, &start)?), without_numbers(&format!("{start}2026-01-14T00:00:00Z")));
        }
        expect(&lines, &format!("ok {name} feed at {feed}: subscribed after "), &[" ms"])?;
        expect(&lines, &format!("ok {name} budget: "), &[" a minute", "the history of 4 series costs "])?;
        assert_eq!(venue.violations(), Vec::<String>::new());
    }
    assert_eq!(lines.last().map(String::as_str), Some("0 faults, 0 warnings"));
    // Nothing was changed.
    let mut connection = bench.redis.connection().await?;
    assert_eq!(redis::cmd("DBSIZE").query_async::<u64>(&mut connection).await?, 0);
    Ok(())
}

#[tokio::test]
async fn without_sources_the_rest_is_looked_at() -> Result<()> {
    let bench = Bench::start(DURABLE, "").await?;
    let lines = examined(&bench, 0).await?;
    expect(&lines, "warning sources: none is configured", &["replay does not"])?;
    one(&lines, "ok redis layout")?;
    assert_eq!(lines.last().map(String::as_str), Some("0 faults, 1 warning"));
    Ok(())
}

#[tokio::test]
async fn an_unknown_symbol_is_a_fault_among_good_ones() -> Result<()> {
    for kind in [VenueKind::Bybit, VenueKind::Oanda] {
        let venue = busy_venue(kind, Script::none()).await?;
        let symbols = ["NOPE-USD", SYMBOL, "NADA-USD"];
        let bench = Bench::start(DURABLE, &source(kind, &addresses(&venue), &symbols, &["1m"])).await?;
        let lines = examined(&bench, 1).await?;
        let name = name(kind);
        for unknown in ["NOPE-USD", "NADA-USD"] {
            let start = format!("FAULT {name} {}: the venue does not know it: ", kind.feed_symbol(unknown));
            expect(&lines, &start, &["spell it as the venue's streaming API does"])?;
        }
        for start in [format!("{name} REST"), format!("{name} {}", kind.feed_symbol(SYMBOL)), format!("{name} feed")] {
            one(&lines, &format!("ok {start}"))?;
        }
        assert_eq!(lines.last().map(String::as_str), Some("2 faults, 0 warnings"));
    }
    Ok(())
}

#[tokio::test]
async fn rest_and_feed_that_are_away_are_told_apart() -> Result<()> {
    let kind = VenueKind::Bybit;
    let venue = busy_venue(kind, Script::none()).await?;
    let [rest, ws, stream] = addresses(&venue);
    let (no_rest, no_ws) = (format!("http://127.0.0.1:{}", free_port()?), format!("ws://127.0.0.1:{}", free_port()?));
    let with_password = no_ws.replace("ws://", "ws://user:hunter2@");

    let away = source(kind, &[no_rest.clone(), ws, stream.clone()], &[SYMBOL, OTHER], &["1m"]);
    let bench = Bench::start(DURABLE, &away).await?;
    let lines = examined(&bench, 1).await?;
    let advice = "is rest_url right, is there a way out to the internet?";
    expect(&lines, &format!("FAULT bybit REST at {no_rest}: "), &["Connection refused", advice])?;
    one(&lines, "ok bybit feed")?;
    assert_eq!(lines.last().map(String::as_str), Some("1 fault, 0 warnings"));

    bench.configure(&source(kind, &[rest, with_password, stream], &[SYMBOL, OTHER], &["1m"]))?;
    let lines = examined(&bench, 1).await?;
    one(&lines, "ok bybit REST")?;
    let advice = "is ws_url right, is there a way out to the internet?";
    expect(&lines, &format!("FAULT bybit feed at {no_ws}: Connection refused"), &[advice])?;
    assert_eq!(lines.last().map(String::as_str), Some("1 fault, 0 warnings"));
    Ok(())
}

#[tokio::test]
async fn a_venue_that_wants_fewer_requests_is_left_alone() -> Result<()> {
    for (kind, reason) in [
        (VenueKind::Kraken, "wants fewer requests (EGeneral:Too many requests): "),
        (VenueKind::Coinbase, "wants fewer requests (status 429): "),
    ] {
        let script = Script::none().with(Fault::rest(0, i64::MAX, RestFault::OverBudget));
        let venue = busy_venue(kind, script).await?;
        let bench = Bench::start(DURABLE, &source(kind, &addresses(&venue), &[SYMBOL, OTHER], &["1m"])).await?;
        let lines = examined(&bench, 1).await?;
        let advice = "something else behind this address asks too much";
        expect(&lines, &format!("FAULT {} REST at ", name(kind)), &[reason, advice])?;
        assert_eq!((venue.requests().len(), lines.last().map(String::as_str)), (1, Some("1 fault, 0 warnings")));
    }
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_a_fault() -> Result<()> {
    let kind = VenueKind::Coinbase;
    let venue = busy_venue(kind, Script::none()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let rest = format!("http://{}", listener.local_addr()?);
    let mut servers = JoinSet::new();
    servers.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The whole request comes at once.
            let asked = stream.read(&mut [0; 8_192]).await;
            let an_hour_ago = DateTime::<Utc>::from(SystemTime::now() - Duration::from_hours(1));
            let date = an_hour_ago.format("%a, %d %b %Y %H:%M:%S GMT");
            let body = r#"{"candles":[]}"#;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            if asked.is_ok() {
                // A client that has gone needs no answer.
                stream.write_all(answer.as_bytes()).await.ok();
            }
        }
    });
    let [_, ws, stream] = addresses(&venue);
    let bench = Bench::start(DURABLE, &source(kind, &[rest, ws, stream], &[SYMBOL], &["1m"])).await?;
    let lines = examined(&bench, 1).await?;
    let start = "FAULT coinbase clock: this machine's clock is 3";
    expect(&lines, start, &[" s ahead of the venue's: ", "run an NTP client"])?;
    expect(&lines, "warning coinbase BTC-USD: no candles of 1m lately: ", &["does anybody trade it?"])?;
    assert_eq!(lines.last().map(String::as_str), Some("1 fault, 1 warning"));
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_away_or_unfit_is_a_fault() -> Result<()> {
    let kind = VenueKind::Bybit;
    let venue = busy_venue(kind, Script::none()).await?;
    let memory = Some((64 << 20, Eviction::AllKeysLru));
    let bench = Bench::start(RedisOptions { memory, ..RedisOptions::default() }, &minutes_of(kind, &venue)).await?;
    let mut connection = bench.redis.connection().await?;
    redis::cmd("HSET").arg("cw:meta").arg("partitions").arg(8).exec_async(&mut connection).await?;
    let lines = examined(&bench, 1).await?;
    let start = "FAULT redis memory: maxmemory-policy is allkeys-lru, which evicts whole streams: set noeviction";
    one(&lines, start)?;
    expect(&lines, "FAULT redis layout: cw:meta says partitions 8", &["set redis.partitions = 8"])?;
    expect(&lines, "warning redis persistence: no append-only file", &["CONFIG SET appendonly yes"])?;
    assert_eq!(lines.last().map(String::as_str), Some("2 faults, 1 warning"));

    let port = free_port()?;
    let url = format!("redis://user:hunter2@127.0.0.1:{port}/0");
    let lines = report(&ended(bench.ingestor_at(&url, &["doctor"])).await?, 1)?;
    let advice = "is it running, is redis.url right?";
    expect(&lines, &format!("FAULT redis at 127.0.0.1:{port}: "), &["Connection refused", advice])?;
    one(&lines, "ok bybit REST")?;
    assert_eq!(lines.last().map(String::as_str), Some("1 fault, 0 warnings"));
    Ok(())
}

#[tokio::test]
async fn a_wrong_token_is_a_fault_and_stays_secret() -> Result<()> {
    let kind = VenueKind::Oanda;
    let venue = busy_venue(kind, Script::none()).await?;
    let config = source(kind, &addresses(&venue), &[SYMBOL, OTHER], &["1m"]);
    let wrong = config.lines().map(|line| if line.starts_with("token") { r#"token = "wrong-token""# } else { line });
    let bench = Bench::start(DURABLE, &wrong.collect::<Vec<_>>().join("\n")).await?;
    let lines = examined(&bench, 1).await?;
    expect(
        &lines,
        "FAULT oanda REST at ",
        &["refuses: ", "Insufficient authorization", "request: are token and account right?"],
    )?;
    expect(&lines, "FAULT oanda feed at ", &["status 401", "are stream_url, token and account right?"])?;
    assert_eq!(lines.last().map(String::as_str), Some("2 faults, 0 warnings"));
    let asked = venue.requests();
    assert_eq!(asked.iter().map(|request| request.status).collect::<Vec<_>>(), [401]);

    let series = format!("oanda:{}:1m", kind.feed_symbol(SYMBOL));
    let backfill = bench.run(&["backfill", "--series", &series, "--from", "2026-01-14", "--to", "2026-01-15"]).await?;
    assert_eq!(backfill.code, Some(64), "{backfill:?}");
    let line = backfill.stderr.first().context("a line")?;
    assert!(
        line.starts_with(&format!("ingestor: oanda at {} refuses to answer for {series}: ", venue.rest_url())),
        "{line}"
    );
    Ok(())
}
