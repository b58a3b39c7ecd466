//! Trimming: what is old or too much goes, what a consumer group has not finished stays.

use std::net::SocketAddr;

use crate::bench::{Bench, SOON, key};
use crate::support::strategy;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{MetricsPage, RedisOptions, eventually};
use redis::aio::MultiplexedConnection;

const SERIES: &str = "csv:X:1m";

async fn bench(streams: &str) -> Bench {
    let config = format!("{}[streams]\ncandles_retention = \"1m\"\n{streams}\n", strategy("cross", "sma(2)", "sma(3)"));
    Bench::start(RedisOptions::default(), &config).await
}

/// Writes a candle at a minute of 1970, with an entry id as old as that.
fn add(pipe: &mut redis::Pipeline, minute: u64) {
    let open_time = minute * 60_000;
    let add = pipe.cmd("XADD").arg(key(SERIES, "candles")).arg(format!("{open_time}-0")).arg("series").arg(SERIES);
    add.arg("open_time").arg(open_time);
    for field in ["open", "high", "low", "close"] {
        add.arg(field).arg(minute % 7 + 1);
    }
    add.ignore();
}

async fn publish(minutes: std::ops::Range<u64>, connection: &mut MultiplexedConnection) {
    let mut pipe = redis::pipe();
    minutes.for_each(|minute| add(&mut pipe, minute));
    pipe.exec_async(connection).await.unwrap();
}

async fn command(words: &[&str], connection: &mut MultiplexedConnection) {
    redis::cmd(words[0]).arg(&words[1..]).query_async::<redis::Value>(connection).await.unwrap();
}

async fn length(stream: &str, connection: &mut MultiplexedConnection) -> u64 {
    redis::cmd("XLEN").arg(stream).query_async(connection).await.unwrap()
}

async fn wait_length(stream: &str, expected: u64, connection: &mut MultiplexedConnection) {
    let reached = eventually(PATIENCE, async || match length(stream, connection).await {
        found if found == expected => Ok(()),
        found => Err(format!("{stream} has {found} entries")),
    });
    reached.await.unwrap();
}

#[tokio::test]
async fn old_candles_go_once_every_group_has_finished_them() {
    let bench = bench("").await;
    let (stream, mut connection) = (key(SERIES, "candles"), bench.connection().await);
    publish(1..301, &mut connection).await;
    // A foreign group that was given 200 entries and acknowledged 150.
    command(&["XGROUP", "CREATE", &stream, "archive", "0"], &mut connection).await;
    command(&["XREADGROUP", "GROUP", "archive", "me", "COUNT", "200", "STREAMS", &stream, ">"], &mut connection).await;
    let ids: Vec<String> = (1..151_u64).map(|minute| format!("{}-0", minute * 60_000)).collect();
    redis::cmd("XACK").arg(&stream).arg("archive").arg(ids).exec_async(&mut connection).await.unwrap();

    let worker = bench.worker();
    bench.wait_settled(SERIES).await;
    wait_length(&stream, 150, &mut connection).await;
    let said = |line: &str| line.contains("archive holds up the trimming") && line.contains("XGROUP DESTROY");
    worker.wait_for_line(said, SOON).await.unwrap();
    let line = worker.wait_for_line(|line| line.contains("metrics at"), PATIENCE).await.unwrap();
    let from = line.find("http://").unwrap() + "http://".len();
    let address: SocketAddr = line[from..].split('/').next().unwrap().parse().unwrap();
    let page = MetricsPage::fetch(address).await.unwrap();
    let overdue = |stream| page.value("candlewire_trim_overdue_seconds", &[("stream", stream)]).unwrap();
    assert!(overdue("candles") > 1e9 && overdue("dead") == 0.0, "{} {}", overdue("candles"), overdue("dead"));
    drop(worker);

    // Without it, all goes; the worker that does it is another one.
    command(&["XGROUP", "DESTROY", &stream, "archive"], &mut connection).await;
    let worker = bench.worker();
    wait_length(&stream, 0, &mut connection).await;
    publish(301..311, &mut connection).await;
    bench.wait_settled(SERIES).await;
    assert_eq!(bench.hash(SERIES).await["candles"], b"310");
    drop(worker);
}

#[tokio::test]
async fn signals_stay_until_a_notifier_has_finished_them() {
    let bench = bench("signals_retention = \"1m\"\ndead_retention = \"1m\"").await;
    let (signals, dead, mut connection) = (key(SERIES, "signals"), key(SERIES, "dead"), bench.connection().await);
    for stream in [&signals, &dead] {
        command(&["XADD", stream, "1000-0", "old", "1"], &mut connection).await;
        command(&["XADD", stream, "*", "new", "1"], &mut connection).await;
    }
    let worker = bench.worker();
    worker.wait_for_line(|line| line.contains("consumer group notifier does not exist"), PATIENCE).await.unwrap();
    wait_length(&dead, 1, &mut connection).await;
    assert_eq!(length(&signals, &mut connection).await, 2);
    drop(worker);
    command(&["XGROUP", "CREATE", &signals, "notifier", "$"], &mut connection).await;
    let worker = bench.worker();
    wait_length(&signals, 1, &mut connection).await;
    drop(worker);
}

#[tokio::test]
async fn too_many_candles_go_whatever_their_age() {
    let bench = bench("candles_max = 20000").await;
    let (stream, mut connection) = (key(SERIES, "candles"), bench.connection().await);
    let fields = ["series", SERIES, "open_time", "60000", "open", "1", "high", "1", "low", "1", "close", "1"];
    for _ in 0..21 {
        let mut pipe = redis::pipe();
        for _ in 0..1_000 {
            pipe.cmd("XADD").arg(&stream).arg("*").arg(&fields).ignore();
        }
        pipe.exec_async(&mut connection).await.unwrap();
    }
    let worker = bench.worker();
    bench.wait_settled(SERIES).await;
    let few = eventually(SOON, async || match length(&stream, &mut connection).await {
        found if found < 20_000 => Ok(()),
        found => Err(format!("{found} entries")),
    });
    few.await.unwrap();
    drop(worker);
}
