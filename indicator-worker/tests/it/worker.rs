//! The worker seen from outside: what a foreign program writes, reads and relies on.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::bench::{Bench, SOON, command, key, waves};
use crate::support::strategy;
use candlewire_common::signal::{Direction, SignalId};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{HttpPage, MetricsPage, Program, RedisOptions, eventually};
use redis::Value;

const SERIES: &str = "csv:X/Y:1m";

/// Fields in their order, names repeated as they are.
type RawFields = Vec<(Vec<u8>, Vec<u8>)>;

fn ticks(prices: &[&str]) -> Vec<crate::bench::Tick> {
    (1..).zip(prices).map(|(minute, price)| (60_000 * minute, (*price).to_owned())).collect()
}

fn text<'a>(hash: &'a BTreeMap<String, Vec<u8>>, field: &str) -> &'a str {
    std::str::from_utf8(&hash[field]).unwrap()
}

/// Where a worker serves its metrics.
async fn address(worker: &Program) -> SocketAddr {
    let line = worker.wait_for_line(|line| line.contains("metrics at"), PATIENCE).await.unwrap();
    let from = line.find("http://").unwrap() + "http://".len();
    line[from..].split('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_foreign_program_gets_signals_state_and_history() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    // Published before the first worker: processed all the same.
    bench.publish(SERIES, &ticks(&["10", "11", "12.50", "11", "9", "8"])).await;
    let worker = bench.worker();
    bench.wait_settled(SERIES).await;

    let signals = bench.stream(&key(SERIES, "signals")).await;
    assert_eq!(signals.len(), 1);
    let signal = &signals[0].1;
    let series = SERIES.parse().unwrap();
    let id = SignalId::derive("cross", &series, UnixMillis(300_000), Direction::Sell);
    for (field, expected) in [
        ("id", id.as_str()),
        ("strategy", "cross"),
        ("series", SERIES),
        ("direction", "sell"),
        ("open_time", "300000"),
        ("close_time", "360000"),
        ("price", "9"),
        ("fast", "10"),
        ("origin", "live"),
    ] {
        assert_eq!(signal[field], expected, "{field}");
    }
    let candles = bench.stream(&key(SERIES, "candles")).await;
    let sent_ms = candles[4].0.split('-').next().unwrap();
    assert_eq!(signal["candle_us"], format!("{sent_ms}000"));
    assert!(!signal.contains_key("atr") && !signal.contains_key("stop_loss"));

    let hash = bench.hash(SERIES).await;
    for (field, expected) in [
        ("schema", "1"),
        ("open_time", "360000"),
        ("close", "8"),
        ("candles", "6"),
        ("genesis", "60000"),
        ("sma(2)", "8.5"),
    ] {
        assert_eq!(text(&hash, field), expected, "{field}");
    }
    let history = bench.stream(&key(SERIES, &format!("ohlcv:{SERIES}"))).await;
    assert_eq!(history.len(), 6);
    assert_eq!(history[2].0, "180000-0");
    assert_eq!((&*history[2].1["close"], &*history[2].1["volume"]), ("12.50", "0"));

    let mut connection = bench.connection().await;
    let ttl: i64 =
        redis::cmd("TTL").arg(key(SERIES, &format!("ma:{SERIES}"))).query_async(&mut connection).await.unwrap();
    assert!(ttl > 29 * 86_400, "{ttl}");
    let groups: Vec<BTreeMap<String, Value>> =
        redis::cmd("XINFO").arg("GROUPS").arg(key(SERIES, "candles")).query_async(&mut connection).await.unwrap();
    assert_eq!(groups[0]["last-delivered-id"], Value::BulkString(candles[5].0.clone().into_bytes()));
    assert_eq!((&groups[0]["entries-read"], &groups[0]["consumers"]), (&Value::Int(6), &Value::Int(1)));
    drop(worker);
}

#[tokio::test]
async fn garbage_goes_to_dead_and_blocks_nothing() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    let worker = bench.worker();
    bench.publish(SERIES, &ticks(&["10", "11"])).await;
    let mut connection = bench.connection().await;
    let stream = key(SERIES, "candles");
    let add = |fields: &[(&str, &str)]| {
        let mut cmd = redis::cmd("XADD");
        cmd.arg(&stream).arg("*");
        for (name, value) in fields {
            cmd.arg(*name).arg(*value);
        }
        cmd
    };
    let mut garbage = Vec::new();
    let away = |series: &String| key(series, "candles") != stream;
    let elsewhere = (0..100).map(|at| format!("csv:A{at}:1m")).find(away).unwrap();
    for fields in [
        &[("hello", "world")][..],
        &[("series", SERIES), ("open_time", "180000"), ("open", "1"), ("high", "0"), ("low", "2"), ("close", "1")],
        &[("series", &elsewhere), ("open_time", "180000"), ("open", "1"), ("high", "1"), ("low", "1"), ("close", "1")],
        &[
            ("series", SERIES),
            ("open_time", "9999999999999"),
            ("open", "1"),
            ("high", "1"),
            ("low", "1"),
            ("close", "1"),
        ],
        &[("series", SERIES), ("reason", "mine"), ("note", &"x".repeat(20_000))],
    ] {
        let id: String = add(fields).query_async(&mut connection).await.unwrap();
        garbage.push(id);
    }
    let binary: &[u8] = &[0xff, 0x00, 0xfe];
    redis::cmd("XADD").arg(&stream).arg("*").arg("series").arg(binary).exec_async(&mut connection).await.unwrap();
    bench.publish(SERIES, &ticks(&["10", "11", "12", "5"])[2..]).await;
    bench.wait_settled(SERIES).await;

    let dead: Vec<(String, RawFields)> =
        redis::cmd("XRANGE").arg(key(SERIES, "dead")).arg("-").arg("+").query_async(&mut connection).await.unwrap();
    assert_eq!(dead.len(), 6);
    for ((_, fields), id) in dead.iter().zip(&garbage) {
        assert_eq!(fields.last(), Some(&(b"entry_id".to_vec(), id.clone().into_bytes())));
    }
    let reasons: Vec<String> =
        dead.iter().map(|(_, fields)| String::from_utf8(fields[fields.len() - 2].1.clone()).unwrap()).collect();
    assert_eq!(reasons[0], "field series is missing");
    assert_eq!(reasons[1], "impossible bar: low 2 is above high 0");
    assert_eq!(reasons[5], "field series is not text");
    assert_eq!(dead[0].1[0], (b"hello".to_vec(), b"world".to_vec()));
    assert_eq!(text(&bench.hash(SERIES).await, "candles"), "4");
    assert_eq!(bench.stream(&key(SERIES, "signals")).await.len(), 1);
    let page = MetricsPage::fetch(address(&worker).await).await.unwrap();
    let count = |outcome| page.value("candlewire_candles_processed_total", &[("outcome", outcome)]);
    assert_eq!((count("applied"), count("invalid"), count("late")), (Some(4.0), Some(6.0), Some(0.0)));
}

#[tokio::test]
async fn duplicates_and_late_candles_are_counted_and_dropped() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    let worker = bench.worker();
    let all = ticks(&["10", "11", "12", "13", "9"]);
    bench.publish(SERIES, &[all[0].clone(), all[1].clone(), all[3].clone()]).await;
    bench.publish(SERIES, &all).await;
    bench.wait_settled(SERIES).await;
    let page = MetricsPage::fetch(address(&worker).await).await.unwrap();
    let count = |outcome| page.value("candlewire_candles_processed_total", &[("outcome", outcome)]);
    assert_eq!((count("applied"), count("duplicate"), count("late")), (Some(4.0), Some(3.0), Some(1.0)));
    assert_eq!(text(&bench.hash(SERIES).await, "candles"), "4");
}

#[tokio::test]
async fn stops_targets_and_filters_follow_the_contract() {
    let risky = |name: &str, more: &str| {
        format!("{}atr = \"atr(2)\"\nstop_atr = 2.0\ntarget_atr = 3.0\n{more}\n", strategy(name, "sma(1)", "sma(2)"))
    };
    let config = [
        risky("kept", "min_risk_reward = 1.5"),
        risky("calm", "min_atr = 1000.0"),
        risky("poor", "min_risk_reward = 1.6"),
    ];
    let bench = Bench::start(RedisOptions::default(), &config.concat()).await;
    let worker = bench.worker();
    // The first crossing comes while the average true range is warming up.
    bench.publish(SERIES, &ticks(&["10", "12", "9", "13", "8"])).await;
    bench.wait_settled(SERIES).await;
    let signals = bench.stream(&key(SERIES, "signals")).await;
    let kept: Vec<&BTreeMap<String, String>> = signals.iter().map(|(_, fields)| fields).collect();
    assert!(kept.iter().all(|signal| signal["strategy"] == "kept"), "{kept:?}");
    assert_eq!(kept.len(), 3);
    // True ranges 2, 3, 4: the average is 2.5, then 3.25.
    assert_eq!((&*kept[0]["direction"], &*kept[0]["atr"], &*kept[0]["stop_loss"]), ("sell", "2.5", "14"));
    assert_eq!((&*kept[1]["direction"], &*kept[1]["atr"]), ("buy", "3.25"));
    assert_eq!((&*kept[1]["stop_loss"], &*kept[1]["take_profit"], &*kept[1]["risk_reward"]), ("6.5", "22.75", "1.5"));
    let page = MetricsPage::fetch(address(&worker).await).await.unwrap();
    let filtered = |strategy, reason| {
        page.value("candlewire_signals_filtered_total", &[("strategy", strategy), ("reason", reason)])
    };
    assert_eq!((filtered("calm", "min_atr"), filtered("poor", "min_risk_reward")), (Some(3.0), Some(3.0)));
}

/// An indicator that is added, one that is dropped, and a state that is gone: each is healed from the history.
#[tokio::test]
async fn state_is_healed_from_history() {
    let config = strategy("cross", "sma(3)", "ema(5)");
    let bench = Bench::start(RedisOptions::default(), &config).await;
    let whole = waves(60, 1);
    let mut worker = bench.worker();
    bench.publish(SERIES, &whole[..40]).await;
    bench.wait_settled(SERIES).await;
    worker.terminate(SOON).await.unwrap();

    let mut connection = bench.connection().await;
    redis::cmd("DEL").arg(key(SERIES, &format!("ma:{SERIES}"))).exec_async(&mut connection).await.unwrap();
    let bench = bench.with_config(&strategy("cross", "sma(3)", "ema(5)"));
    let mut worker = bench.worker();
    bench.publish(SERIES, &whole[40..50]).await;
    bench.wait_settled(SERIES).await;
    let page = MetricsPage::fetch(address(&worker).await).await.unwrap();
    assert_eq!(page.value("candlewire_state_rebuilds_total", &[("cause", "expired")]), Some(1.0));
    let rebuilt = bench.hash(SERIES).await;
    assert_eq!((text(&rebuilt, "candles"), text(&rebuilt, "genesis")), ("50", "60000"));
    worker.terminate(SOON).await.unwrap();

    let bench = bench.with_config(&strategy("cross", "sma(4)", "ema(5)"));
    let worker = bench.worker();
    bench.publish(SERIES, &whole[50..]).await;
    bench.wait_settled(SERIES).await;
    let changed = bench.hash(SERIES).await;
    assert!(changed.contains_key("sma(4)") && !changed.contains_key("sma(3)"), "{:?}", changed.keys());

    // The same candles on another series that saw no fault give the same average.
    let other = "csv:OTHER:1m";
    bench.publish(other, &whole).await;
    bench.wait_settled(other).await;
    assert_eq!(text(&changed, "ema(5)"), text(&bench.hash(other).await, "ema(5)"));
    drop(worker);
}

#[tokio::test]
async fn a_deleted_state_comes_back_whole_and_evictable() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    let worker = bench.worker();
    let all = ticks(&["10", "11", "12", "13"]);
    bench.publish(SERIES, &all[..3]).await;
    bench.wait_settled(SERIES).await;
    let mut connection = bench.connection().await;
    let state = key(SERIES, &format!("ma:{SERIES}"));
    redis::cmd("DEL").arg(&state).exec_async(&mut connection).await.unwrap();
    bench.publish(SERIES, &all[3..]).await;
    let expires = eventually(PATIENCE, async || {
        let ttl: i64 = redis::cmd("TTL").arg(&state).query_async(&mut connection.clone()).await.unwrap();
        if ttl > 29 * 86_400 { Ok(()) } else { Err(format!("TTL {ttl}")) }
    });
    expires.await.unwrap();
    assert_eq!(text(&bench.hash(SERIES).await, "candles"), "4");
    drop(worker);
}

#[tokio::test]
async fn a_redis_that_evicts_streams_is_refused() {
    let memory = Some((100 << 20, candlewire_testkit::redis_server::Eviction::AllKeysLru));
    let bench = Bench::start(RedisOptions { memory, ..RedisOptions::default() }, "").await;
    let refused = command(&bench.file()).arg("run").run_to_end(PATIENCE).await.unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(
        refused.stderr.contains("redis has maxmemory-policy allkeys-lru, which evicts whole streams"),
        "{}",
        refused.stderr
    );
}

/// Without its history a series still knows what was applied: nothing is found twice.
#[tokio::test]
async fn a_lost_history_doubles_nothing() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "ema(3)")).await;
    let mut connection = bench.connection().await;
    let all = waves(40, 2);
    let history = key(SERIES, &format!("ohlcv:{SERIES}"));
    let mut worker = bench.worker();
    bench.publish(SERIES, &all[..20]).await;
    bench.wait_settled(SERIES).await;
    worker.terminate(SOON).await.unwrap();
    let before = bench.stream(&key(SERIES, "signals")).await;
    assert!(before.len() > 5);
    redis::cmd("DEL").arg(&history).exec_async(&mut connection).await.unwrap();
    // Somebody else's entry, with an id that no candle's can follow.
    redis::cmd("XADD").arg(&history).arg("*").arg("hello").arg("world").exec_async(&mut connection).await.unwrap();
    bench.publish(SERIES, &all).await;
    let worker = bench.worker();
    bench.wait_settled(SERIES).await;
    let after = bench.stream(&key(SERIES, "signals")).await;
    assert_eq!(after[..before.len()], before);
    let first_new = after[before.len()..].iter().map(|(_, signal)| signal["open_time"].parse::<i64>().unwrap()).min();
    assert!(first_new > Some(all[19].0), "{first_new:?}");
    assert_eq!(text(&bench.hash(SERIES).await, "candles"), "40");
    assert_eq!(bench.stream(&history).await.len(), 20);
    drop(worker);
}

#[tokio::test]
async fn keys_of_a_foreign_type_are_replaced() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    let mut connection = bench.connection().await;
    for ending in [format!("ma:{SERIES}"), format!("ohlcv:{SERIES}")] {
        redis::cmd("SET").arg(key(SERIES, &ending)).arg("junk").exec_async(&mut connection).await.unwrap();
    }
    let worker = bench.worker();
    bench.publish(SERIES, &ticks(&["10", "11", "12", "5"])).await;
    bench.wait_settled(SERIES).await;
    assert_eq!(text(&bench.hash(SERIES).await, "candles"), "4");
    assert_eq!(bench.stream(&key(SERIES, "signals")).await.len(), 1);
    drop(worker);
}

#[tokio::test]
async fn without_the_cache_the_same_signals_come_from_the_history() {
    let config = strategy("cross", "sma(3)", "sma(8)");
    let cached = Bench::start(RedisOptions::default(), &config).await;
    let uncached = Bench::start(RedisOptions::default(), &format!("[cache]\nenabled = false\n{config}")).await;
    let mut found = Vec::new();
    for bench in [&cached, &uncached] {
        let worker = bench.worker();
        for part in waves(90, 3).chunks(7) {
            bench.publish(SERIES, part).await;
            bench.wait_settled(SERIES).await;
        }
        let signals = bench.stream(&key(SERIES, "signals")).await;
        found.push(signals.into_iter().map(|(_, signal)| signal["id"].clone()).collect::<Vec<_>>());
        drop(worker);
    }
    assert!(found[0].len() > 10, "{}", found[0].len());
    assert_eq!(found[0], found[1]);
}

/// What `indicator-worker health` prints, and its exit code, where the configuration says who is asked.
async fn health(bench: &Bench, address: SocketAddr) -> (Option<i32>, String) {
    let variable = "CANDLEWIRE__HTTP__INDICATOR_WORKER";
    let every = format!("0.0.0.0:{}", address.port());
    let asked = command(&bench.file()).arg("health").env(variable, every).run_to_end(PATIENCE).await.unwrap();
    (asked.status.code(), asked.stdout)
}

#[tokio::test]
async fn redis_that_is_away_at_the_start_is_waited_for() {
    let mut bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    bench.redis.kill().unwrap();
    let mut worker = bench.worker();
    worker.wait_for_line(|line| line.contains("does not answer, waiting for it"), PATIENCE).await.unwrap();
    let address = address(&worker).await;
    assert_eq!(HttpPage::fetch(address, "/readyz").await.unwrap().status, 503);
    assert_eq!(HttpPage::fetch(address, "/livez").await.unwrap().status, 200);
    bench.redis.restart().await.unwrap();
    bench.publish(SERIES, &ticks(&["10", "11", "12", "5"])).await;
    bench.wait_settled(SERIES).await;
    assert_eq!(bench.stream(&key(SERIES, "signals")).await.len(), 1);
    let ready = eventually(PATIENCE, async || match HttpPage::fetch(address, "/readyz").await {
        Ok(page) if page.status == 200 => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    ready.await.unwrap();
    assert_eq!(health(&bench, address).await, (Some(0), format!("http://{address}/readyz: ready\n")));

    bench.redis.kill().unwrap();
    let gone = eventually(PATIENCE, async || match HttpPage::fetch(address, "/readyz").await {
        Ok(page) if page.status == 503 => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    gone.await.unwrap();
    let away = health(&bench, address).await;
    let said = format!("http://{address}/readyz: not ready: redis does not answer");
    assert!(away.0 == Some(1) && away.1.starts_with(&said), "{away:?}");
    assert!(worker.terminate(SOON).await.unwrap().success(), "stops in time also while redis is away");
}

#[tokio::test]
async fn what_can_only_be_a_mistake_is_refused_in_one_line() {
    let bench = Bench::start(RedisOptions::default(), "").await;
    let run = async |config: &str, arguments: &[&str]| {
        let file = bench.file().with_file_name("mistake.toml");
        std::fs::write(&file, format!("[redis]\nurl = \"{}\"\npartitions = 4\n{config}", bench.redis.url())).unwrap();
        let finished = command(&file).args(arguments).run_to_end(PATIENCE).await.unwrap();
        let stderr = finished.stderr.clone();
        (finished.status.code(), stderr)
    };
    let (code, stderr) = run("[worker]\nbatch = 0\n", &["run"]).await;
    assert_eq!(
        (code, &*stderr),
        (Some(64), "indicator-worker: worker.batch = 0: not a whole number from 1 to 10000\n")
    );
    assert_eq!(run("", &["walk"]).await.0, Some(64));
    assert_eq!(run("", &["show", "nonsense"]).await.0, Some(64));
    let (code, stderr) = run("", &["show", SERIES]).await;
    assert_eq!(code, Some(64));
    assert!(stderr.contains("csv:X/Y:1m has no state"), "{stderr}");
    let missing = command("/nowhere/candlewire.toml".as_ref()).arg("run").run_to_end(PATIENCE).await.unwrap();
    assert_eq!(missing.status.code(), Some(64));
    assert!(
        missing.stderr.starts_with("indicator-worker: configuration file /nowhere/candlewire.toml: "),
        "{}",
        missing.stderr
    );

    // Another partition count than the one that the keys were laid out for.
    let mut connection = bench.connection().await;
    redis::cmd("HSET")
        .arg("cw:meta")
        .arg("schema")
        .arg(1)
        .arg("partitions")
        .arg(8)
        .exec_async(&mut connection)
        .await
        .unwrap();
    let (code, stderr) = run("", &["run", "--http", "127.0.0.1:0"]).await;
    assert_eq!(code, Some(64));
    assert!(
        stderr.contains("cw:meta says partitions 8, but this process has partitions 4: set redis.partitions = 8"),
        "{stderr}"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, stderr) = run("", &["run", "--http", &taken.local_addr().unwrap().to_string()]).await;
    assert_eq!(code, Some(64));
    assert!(stderr.contains("choose another with --http"), "{stderr}");

    let free = format!("redis://127.0.0.1:{}/0", candlewire_testkit::ports::free_port().unwrap());
    let show =
        command(&bench.file()).arg("show").arg(SERIES).env("REDIS_URL", free).run_to_end(PATIENCE).await.unwrap();
    assert_eq!(show.status.code(), Some(69), "{}", show.stderr);
}

#[tokio::test]
async fn show_prints_the_state_for_people_and_programs() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    let worker = bench.worker();
    bench.publish(SERIES, &ticks(&["10", "11", "12"])).await;
    bench.wait_settled(SERIES).await;
    let shown = command(&bench.file()).arg("show").arg(SERIES).run_to_end(PATIENCE).await.unwrap();
    assert!(shown.status.success());
    assert!(shown.stdout.contains("last candle  1970-01-01T00:03:00Z, close 12\n"), "{}", shown.stdout);
    assert!(shown.stdout.contains("sma(3)       11\n"), "{}", shown.stdout);
    let json = command(&bench.file()).arg("show").arg(SERIES).arg("--json").run_to_end(PATIENCE).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (&json["candles"], &json["indicators"]["sma(2)"], &json["close"]),
        (&3.into(), &11.5.into(), &"12".into())
    );
    drop(worker);
}
