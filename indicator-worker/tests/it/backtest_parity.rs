//! What a backtest prints is what a worker writes, text for text.

use std::fmt::Write as _;

use candlewire_testkit::RedisOptions;
use candlewire_testkit::wait::PATIENCE;

use crate::bench::{Bench, command, key, waves};
use crate::oracle;

const SERIES: &str = "csv:X/Y:1m";

#[tokio::test]
async fn the_signals_of_a_backtest_are_those_of_a_worker() {
    let bench = Bench::start(RedisOptions::default(), &oracle::config()).await;
    let ticks = waves(2_000, 3);
    bench.publish(SERIES, &ticks).await;
    let _worker = bench.worker();
    bench.wait_settled(SERIES).await;

    let mut file = "open_time,open,high,low,close\n".to_owned();
    for (open_time, price) in &ticks {
        // Milliseconds of 1970 would be read as seconds.
        writeln!(file, "{},{price},{price},{price},{price}", open_time / 1_000).unwrap();
    }
    let path = bench.redis.directory().join("waves.csv");
    std::fs::write(&path, file).unwrap();
    let backtest = command(&bench.file()).arg("backtest").arg(&path).args(["--series", SERIES, "--csv"]);
    let finished = backtest.run_to_end(PATIENCE).await.unwrap();
    assert_eq!(finished.status.code(), Some(0), "{}", finished.stderr);

    let mut lines = finished.stdout.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let printed: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let written = bench.stream(&key(SERIES, "signals")).await;
    assert!(written.len() > 1_000, "only {} signals", written.len());
    assert_eq!(printed.len(), written.len());
    for (printed, (_, written)) in printed.iter().zip(&written) {
        let written: Vec<&str> = columns.iter().map(|name| written.get(*name).map_or("", String::as_str)).collect();
        assert_eq!(*printed, written);
    }
    let further = ["origin", "candle_us", "emitted_us"];
    let unprinted = written[0].1.keys().filter(|name| !columns.contains(&name.as_str()));
    assert!(unprinted.clone().all(|name| further.contains(&name.as_str())), "{:?}", unprinted.collect::<Vec<_>>());
}
