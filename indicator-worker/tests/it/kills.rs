//! Deaths: of workers at any moment, of Redis, of leases. Each signal is in the stream exactly once, in
//! order, and the state is the one that an undisturbed worker would have left.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bench::{Bench, PARTITIONS, SOON, Tick, key, waves};
use crate::oracle::{assert_same, config, sequential};
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{RedisOptions, eventually};
use tokio::time::sleep;

const SEED: u64 = 20_261_122;

/// Checks every series against its sequential pass.
pub(crate) async fn check(bench: &Bench, published: &BTreeMap<String, Vec<Tick>>) {
    let mut expected_total = 0;
    for (series, ticks) in published {
        bench.wait_settled(series).await;
        let (expected, state) = sequential(series, ticks);
        let signals = bench.stream(&key(series, "signals")).await;
        let found: Vec<String> = signals
            .into_iter()
            .filter(|(_, signal)| signal["series"] == *series)
            .map(|(_, signal)| signal["id"].clone())
            .collect();
        assert_same(series, &found, &expected);
        expected_total += expected.len();
        assert_eq!(bench.hash(series).await, state.into_iter().collect(), "state of {series}");
        let history = bench.stream(&key(series, &format!("ohlcv:{series}"))).await;
        let opened: Vec<String> = history.into_iter().map(|(id, _)| id).collect();
        assert!(ticks.iter().map(|(time, _)| format!("{time}-0")).eq(opened), "history of {series}");
        assert_eq!(bench.stream(&key(series, "dead")).await, []);
    }
    assert!(expected_total > 300, "only {expected_total} signals");
}

/// Checks the signals of a series that has its partition to itself.
async fn check_signals(bench: &Bench, series: &str, ticks: &[Tick]) {
    let signals = bench.stream(&key(series, "signals")).await;
    let ids: Vec<String> = signals.into_iter().map(|(_, signal)| signal["id"].clone()).collect();
    assert_same(series, &ids, &sequential(series, ticks).0);
}

pub(crate) fn series_to_publish() -> BTreeMap<String, Vec<Tick>> {
    (0..6).map(|at| (format!("csv:S{at}:1m"), waves(300, at))).collect()
}

#[tokio::test]
async fn a_worker_killed_at_random_points_loses_and_doubles_nothing() {
    let bench = Bench::start(RedisOptions::default(), &format!("{}[cache]\nhistory = 400\n", config())).await;
    bench.set_lease("500ms");
    let published = series_to_publish();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut interrupted = 0;
    for from in (0..300).step_by(20) {
        let mut worker = bench.worker();
        // Two of three die at work, the third while it starts or waits for leases.
        let at_work = random.u8(0..3) > 0;
        if at_work {
            for partition in 0..PARTITIONS {
                let owned = format!("owns partition {partition} ");
                worker.wait_for_line(|line| line.contains(&owned), PATIENCE).await.unwrap();
            }
        }
        for (series, ticks) in &published {
            bench.publish(series, &ticks[from..from + 20]).await;
        }
        sleep(Duration::from_micros(random.u64(0..4_000))).await;
        worker.kill().unwrap();
        interrupted += usize::from(at_work && !bench.is_settled(published.keys()).await);
    }
    assert!(interrupted > 0, "no kill met a worker with work left to do");
    let worker = bench.worker();
    check(&bench, &published).await;
    drop(worker);
}

#[tokio::test]
async fn redis_killed_and_reloaded_loses_and_doubles_nothing() {
    let options = RedisOptions { append_only: AppendOnly::Always, ..RedisOptions::default() };
    let mut bench = Bench::start(options, &format!("{}[cache]\nhistory = 400\n", config())).await;
    let published = series_to_publish();
    let mut random = fastrand::Rng::with_seed(SEED);
    let worker = bench.worker();
    for from in (0..300).step_by(60) {
        for (series, ticks) in &published {
            bench.publish(series, &ticks[from..from + 60]).await;
        }
        sleep(Duration::from_micros(random.u64(0..20_000))).await;
        bench.redis.kill().unwrap();
        bench.redis.restart().await.unwrap();
    }
    check(&bench, &published).await;
    drop(worker);
}

#[tokio::test]
async fn a_frozen_worker_that_wakes_up_late_changes_nothing() {
    let bench = Bench::start(RedisOptions::default(), &format!("{}[cache]\nhistory = 400\n", config())).await;
    let published = series_to_publish();
    let (mut first, mut second) = (bench.worker(), bench.worker());
    for worker in [&first, &second] {
        worker.wait_for_line(|line| line.contains("2 of 4 partitions are to be ours"), PATIENCE).await.unwrap();
    }
    for from in (0..300).step_by(100) {
        for (series, ticks) in &published {
            bench.publish(series, &ticks[from..from + 100]).await;
        }
        first.pause().unwrap();
        for series in published.keys() {
            bench.wait_settled(series).await;
        }
        first.resume().unwrap();
        std::mem::swap(&mut first, &mut second);
    }
    check(&bench, &published).await;
}

#[tokio::test]
async fn a_stopped_worker_hands_over_at_once() {
    // A lease that outlives the test: only a hand-over can make the second worker start.
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    bench.set_lease("5m");
    let mut first = bench.worker();
    first.wait_for_line(|line| line.contains("owns partition"), PATIENCE).await.unwrap();
    bench.publish("csv:S1:1m", &waves(20, 1)).await;
    bench.wait_settled("csv:S1:1m").await;
    assert!(first.terminate(SOON).await.unwrap().success());
    let second = bench.worker();
    let owned = second.wait_for_line(|line| line.contains("cause=\"handed_over\""), PATIENCE);
    owned.await.unwrap();
    bench.publish("csv:S1:1m", &waves(40, 1)[20..]).await;
    bench.wait_settled("csv:S1:1m").await;
}

#[tokio::test]
async fn a_flushed_redis_starts_anew() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let worker = bench.worker();
    bench.publish("csv:S1:1m", &waves(40, 1)).await;
    bench.wait_settled("csv:S1:1m").await;
    let mut connection = bench.connection().await;
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    let (ticks, series) = (waves(60, 1), "csv:S1:1m");
    bench.publish(series, &ticks).await;
    let applied = eventually(PATIENCE, async || {
        let hash = bench.hash(series).await;
        match hash.get("candles") {
            Some(candles) if candles == b"60" => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
    applied.await.unwrap();
    check_signals(&bench, series, &ticks).await;
    drop(worker);
}

#[tokio::test]
async fn a_full_redis_is_waited_out() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let worker = bench.worker();
    worker.wait_for_line(|line| line.contains("owns partition"), PATIENCE).await.unwrap();
    let (ticks, series) = (waves(80, 1), "csv:S1:1m");
    bench.publish(series, &ticks).await;
    bench.wait_settled(series).await;
    let mut connection = bench.connection().await;
    let mut limit = async |bytes: &str| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec_async(&mut connection).await.unwrap();
    };
    let more = waves(160, 1);
    // Entries that wait in the stream when the server fills up: written under MULTI with the limit, so
    // that no worker can be quicker.
    let mut pipe = redis::pipe();
    pipe.atomic();
    for (open_time, price) in &more[80..] {
        pipe.cmd("XADD").arg(key(series, "candles")).arg("*").arg("series").arg(series).arg("open_time").arg(open_time);
        pipe.arg("open").arg(price).arg("high").arg(price).arg("low").arg(price).arg("close").arg(price).ignore();
    }
    pipe.cmd("CONFIG").arg("SET").arg("maxmemory").arg(1).ignore();
    let mut writer = bench.connection().await;
    pipe.exec_async(&mut writer).await.unwrap();
    worker.wait_for_line(|line| line.contains("waits: "), PATIENCE).await.unwrap();
    limit("0").await;
    bench.wait_settled(series).await;
    check_signals(&bench, series, &more).await;
}

/// The position outlives its group, so that not even the dead entries are doubled.
#[tokio::test]
async fn a_group_that_is_destroyed_comes_back_and_repeats_nothing() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let (ticks, series) = (waves(80, 1), "csv:S1:1m");
    let worker = bench.worker();
    bench.publish(series, &ticks[..40]).await;
    let mut connection = bench.connection().await;
    let mut garbage = redis::cmd("XADD");
    garbage.arg(key(series, "candles")).arg("*").arg("hello").arg("world");
    garbage.exec_async(&mut connection).await.unwrap();
    bench.wait_settled(series).await;
    let mut destroy = redis::cmd("XGROUP");
    destroy.arg("DESTROY").arg(key(series, "candles")).arg("indicator-workers");
    destroy.exec_async(&mut connection).await.unwrap();
    bench.publish(series, &ticks[40..]).await;
    bench.wait_settled(series).await;
    let signals = bench.stream(&key(series, "signals")).await;
    let ids: Vec<String> = signals.into_iter().map(|(_, signal)| signal["id"].clone()).collect();
    assert_same(series, &ids, &sequential(series, &ticks).0);
    assert_eq!(bench.stream(&key(series, "dead")).await.len(), 1);
    drop(worker);
}

/// Tears the last transaction of the append-only file, as a power cut does.
fn tear_last_transaction(redis: &std::path::Path) {
    let files = std::fs::read_dir(redis.join("appendonlydir")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.filter(|file| file.to_string_lossy().ends_with(".incr.aof")).max().unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(5).rposition(|window| window == b"SETID").unwrap();
    std::fs::write(&file, &bytes[..at + 3]).unwrap();
}

/// Redis up to 8 leaves the beginning of a torn transaction in its file, and makes it part of what is
/// written next, should it have to load the file once more.
#[tokio::test]
async fn a_commit_that_a_power_cut_tore_does_not_come_back() {
    let options = RedisOptions { append_only: AppendOnly::Always, ..RedisOptions::default() };
    let mut bench = Bench::start(options, &config()).await;
    let (ticks, series) = (waves(80, 1), "csv:S1:1m");
    let mut worker = bench.worker();
    bench.publish(series, &ticks).await;
    bench.wait_settled(series).await;
    worker.kill().unwrap();
    bench.redis.kill().unwrap();
    tear_last_transaction(bench.redis.directory());
    bench.redis.restart().await.unwrap();
    assert_eq!(bench.stream(&key(series, "signals")).await, [], "nothing was torn");

    let worker = bench.worker();
    bench.wait_settled(series).await;
    let rewritten = eventually(SOON, async || {
        let mut connection = bench.connection().await;
        let info: redis::InfoDict = redis::cmd("INFO").arg("persistence").query_async(&mut connection).await.unwrap();
        match info.get::<i64>("aof_last_rewrite_time_sec") {
            Some(0..) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
    rewritten.await.unwrap();
    bench.redis.kill().unwrap();
    bench.redis.restart().await.unwrap();
    bench.wait_settled(series).await;
    check_signals(&bench, series, &ticks).await;
    drop(worker);
}

#[tokio::test]
async fn a_stream_that_is_deleted_shows_a_true_lag_again() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let (ticks, series) = (waves(90, 1), "csv:S1:1m");
    let worker = bench.worker();
    bench.publish(series, &ticks[..80]).await;
    bench.wait_settled(series).await;
    let mut connection = bench.connection().await;
    redis::cmd("DEL").arg(key(series, "candles")).exec_async(&mut connection).await.unwrap();
    bench.publish(series, &ticks[80..]).await;
    bench.wait_settled(series).await;
    check_signals(&bench, series, &ticks).await;
    drop(worker);
}

/// A transaction steps over what can't be added, so that a signal would be lost.
#[tokio::test]
async fn a_key_of_another_type_where_signals_go_stops_the_partition_until_it_is_gone() {
    let bench = Bench::start(RedisOptions::default(), &config()).await;
    let (ticks, series) = (waves(80, 1), "csv:S1:1m");
    let mut connection = bench.connection().await;
    redis::cmd("SET").arg(key(series, "signals")).arg("oops").exec_async(&mut connection).await.unwrap();
    let worker = bench.worker();
    bench.publish(series, &ticks).await;
    worker
        .wait_for_line(|line| line.contains("waits: ") && line.contains(":signals is a string"), PATIENCE)
        .await
        .unwrap();
    redis::cmd("DEL").arg(key(series, "signals")).exec_async(&mut connection).await.unwrap();
    bench.wait_settled(series).await;
    check_signals(&bench, series, &ticks).await;
}
