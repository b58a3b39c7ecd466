//! Resets: what is forgotten is forgotten by workers that live as well, is rebuilt as the contract says, and costs no
//! signal, no order and no position.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bench::{Bench, command, key, waves};
use crate::kills;
use crate::oracle::{assert_same, config, sequential};
use candlewire_testkit::RedisOptions;
use candlewire_testkit::ports::free_port;
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::wait::PATIENCE;
use tokio::time::sleep;

const SERIES: &str = "csv:X/Y:1m";

async fn reset(bench: &Bench, arguments: &[&str]) -> Finished {
    command(&bench.file()).arg("reset").args(arguments).run_to_end(PATIENCE).await.unwrap()
}

/// What a reset that did its work printed.
async fn done(bench: &Bench, arguments: &[&str]) -> String {
    let finished = reset(bench, arguments).await;
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);
    finished.stdout
}

/// Everything that a reset may change, and what it must not.
async fn snapshot(bench: &Bench) -> BTreeMap<String, Vec<u8>> {
    let mut connection = bench.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("cw:{*}:*").query_async(&mut connection).await.unwrap();
    let mut found = BTreeMap::new();
    for key in keys {
        let content: Vec<u8> = redis::cmd("DUMP").arg(&key).query_async(&mut connection).await.unwrap();
        found.insert(key, content);
    }
    found
}

async fn signals(bench: &Bench, series: &str) -> Vec<String> {
    bench.stream(&key(series, "signals")).await.into_iter().map(|(_, signal)| signal["id"].clone()).collect()
}

/// Whoever resets how often and whenever: the histories are whole, so what comes out is an undisturbed worker's.
#[tokio::test]
async fn resets_while_candles_flow_lose_and_double_nothing() {
    let bench = Bench::start(RedisOptions::default(), &format!("{}[cache]\nhistory = 400\n", config())).await;
    let published = kills::series_to_publish();
    let workers = [bench.worker(), bench.worker()];
    let mut random = fastrand::Rng::with_seed(20_261_124);
    let (mut resets, mut interrupted) = (0, 0);
    for from in (0..290).step_by(10) {
        for (series, ticks) in &published {
            bench.publish(series, &ticks[from..from + 10]).await;
        }
        sleep(Duration::from_micros(random.u64(0..4_000))).await;
        interrupted += usize::from(!bench.is_settled(published.keys()).await);
        let wish = ["*", "csv:*:1m", "csv:S0:1m"][random.usize(0..3)];
        let finished = reset(&bench, &[wish]).await;
        // The first candles may not have been applied yet.
        assert!(matches!(finished.status.code(), Some(0 | 64)), "{}", finished.stderr);
        resets += usize::from(finished.stdout.starts_with("reset "));
    }
    assert!(resets > 20 && interrupted > 0, "{resets} resets, {interrupted} with work left to do");
    // Whatever the last reset left is complete again with the last candles.
    for (series, ticks) in &published {
        bench.publish(series, &ticks[290..]).await;
    }
    kills::check(&bench, &published).await;
    drop(workers);
}

#[tokio::test]
async fn a_worker_that_has_the_series_in_memory_rebuilds_it_from_its_history() {
    let bench = Bench::start(RedisOptions::default(), &format!("{}[cache]\nhistory = 100\n", config())).await;
    let worker = bench.worker();
    let ticks = waves(400, 3);
    bench.publish(SERIES, &ticks[..399]).await;
    bench.wait_settled(SERIES).await;
    let history = bench.stream(&key(SERIES, &format!("ohlcv:{SERIES}"))).await;
    // Redis may keep some more than it was told to; what is read back is not more than that.
    let kept = &history[history.len() - 100..];
    assert!(history.len() < 399, "the history must have lost its beginning");
    let before = snapshot(&bench).await;

    let told = done(&bench, &["csv:X/*:1m"]).await;
    assert_eq!(told, "reset 1 series; it is rebuilt from its history when its next candle comes\n");
    let after = snapshot(&bench).await;
    assert!(bench.hash(SERIES).await.is_empty());
    assert_ne!(before[&key(SERIES, "fence")], after[&key(SERIES, "fence")]);
    for untouched in ["signals", "position", &format!("ohlcv:{SERIES}")] {
        assert_eq!(before[&key(SERIES, untouched)], after[&key(SERIES, untouched)], "{untouched}");
    }
    let shown = command(&bench.file()).arg("show").arg(SERIES).run_to_end(PATIENCE).await.unwrap();
    let line = format!("{SERIES} has no state: it was reset or has expired, and is rebuilt from {} ", history.len());
    assert!(shown.stderr.contains(&line), "{}", shown.stderr);

    // What was applied stays applied.
    bench.publish(SERIES, &ticks[380..399]).await;
    bench.publish(SERIES, &ticks[399..]).await;
    bench.wait_settled(SERIES).await;
    let state = bench.hash(SERIES).await;
    let text = |name: &str| String::from_utf8(state[name].clone()).unwrap();
    assert_eq!(text("candles"), "101", "the old state came back from memory");
    assert_eq!(format!("{}-0", text("genesis")), kept[0].0);
    let (expected, undisturbed) = sequential(SERIES, &ticks);
    assert_same(SERIES, &signals(&bench, SERIES).await, &expected);
    for (name, value) in undisturbed.into_iter().filter(|(name, _)| name.contains('(')) {
        let number = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().parse::<f64>().unwrap();
        let (undisturbed, rebuilt) = (number(value), number(state[&name].clone()));
        if name.starts_with("sma") {
            assert_eq!(undisturbed.to_bits(), rebuilt.to_bits(), "{name}");
        }
        assert!((undisturbed - rebuilt).abs() <= 1e-8 * undisturbed.abs(), "{name}: {undisturbed}, rebuilt {rebuilt}");
    }
    drop(worker);
}

#[tokio::test]
async fn a_state_that_its_history_can_not_rebuild_stays() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let worker = bench.worker();
    let ticks = waves(200, 5);
    bench.publish(SERIES, &ticks[..150]).await;
    bench.wait_settled(SERIES).await;
    let mut connection = bench.connection().await;
    redis::cmd("DEL").arg(key(SERIES, &format!("ohlcv:{SERIES}"))).exec_async(&mut connection).await.unwrap();
    let before = snapshot(&bench).await;
    let told = done(&bench, &[SERIES]).await;
    assert_eq!(told, format!("{SERIES} stays as it is: its history does not reach its last candle\nreset nothing\n"));
    assert_eq!(snapshot(&bench).await, before);
    // Its position is not lost: what was applied is not applied again.
    let found = signals(&bench, SERIES).await;
    bench.publish(SERIES, &ticks[..150]).await;
    bench.wait_settled(SERIES).await;
    assert_eq!(signals(&bench, SERIES).await, found);
    drop(worker);
}

#[tokio::test]
async fn a_reset_that_is_a_mistake_changes_nothing() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let worker = bench.worker();
    bench.publish(SERIES, &waves(50, 1)).await;
    bench.wait_settled(SERIES).await;
    drop(worker);
    let before = snapshot(&bench).await;

    let refused = reset(&bench, &[SERIES, "csv:X/Z:1m"]).await;
    assert_eq!(refused.status.code(), Some(64), "{}", refused.stdout);
    let line = "indicator-worker: csv:X/Z:1m has neither a state nor a history: nothing was reset\n";
    assert_eq!(refused.stderr, line);
    for nonsense in [&[][..], &["csv"], &["csv:*:90m"]] {
        assert_eq!(reset(&bench, nonsense).await.status.code(), Some(64), "{nonsense:?}");
    }
    let told = done(&bench, &["csv:Z*:1m"]).await;
    assert_eq!(told, "csv:Z*:1m matches no series\nreset nothing\n");
    let told = done(&bench, &["--dry-run", "*"]).await;
    assert_eq!(told, "would reset 1 series; it is rebuilt from its history when its next candle comes\n");
    let free = format!("redis://127.0.0.1:{}/0", free_port().unwrap());
    let away = command(&bench.file()).arg("reset").arg("*").env("REDIS_URL", free).run_to_end(PATIENCE).await.unwrap();
    assert_eq!(away.status.code(), Some(69), "{}", away.stderr);
    assert_eq!(snapshot(&bench).await, before);
}

/// Keys of other types than a worker writes are replaced by it, so they can be reset; a history that is none rebuilds nothing.
#[tokio::test]
async fn a_damaged_state_is_reset_while_the_history_is_whole() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let worker = bench.worker();
    let ticks = waves(120, 2);
    bench.publish(SERIES, &ticks[..100]).await;
    bench.wait_settled(SERIES).await;
    let mut connection = bench.connection().await;
    let state = key(SERIES, &format!("ma:{SERIES}"));
    redis::cmd("SET").arg(&state).arg("nonsense").exec_async(&mut connection).await.unwrap();
    assert!(done(&bench, &[SERIES]).await.starts_with("reset 1 series; "));
    bench.publish(SERIES, &ticks[100..]).await;
    bench.wait_settled(SERIES).await;
    assert_same(SERIES, &signals(&bench, SERIES).await, &sequential(SERIES, &ticks).0);
    assert_eq!(bench.hash(SERIES).await["candles"], b"120");
    drop(worker);
}
