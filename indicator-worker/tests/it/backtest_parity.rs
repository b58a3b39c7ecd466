//! What a backtest prints is what a worker writes, text for text.

use std::fmt::Write as _;

use candlewire_testkit::RedisOptions;
use candlewire_testkit::wait::PATIENCE;

use crate::bench::{Bench, command, key, waves};
use crate::oracle;
use crate::support::strategy;

const SERIES: &str = "csv:X/Y:1m";
const MINUTE: i64 = 60_000;

#[tokio::test]
async fn the_signals_of_a_backtest_are_those_of_a_worker() {
    // One of the strategies looks at a higher timeframe, which the backtest builds and everybody else publishes.
    let trend = strategy("trend", "sma(2)", "ema(5)").replace("[\"*\"]", "[\"*:*:1m\"]");
    let config = format!("{}{trend}when = \"sma(2)@3m >= sma(3)@3m and rsi(3) < 80\"\n", oracle::config());
    let config = config.replace("[\"*\"]", "[\"*:*:1m\"]");
    let bench = Bench::start(RedisOptions::default(), &config).await;
    let ticks = waves(2_000, 3);
    let bucket = |open_time: i64| open_time - open_time % (3 * MINUTE);
    for three in ticks.chunk_by(|one, other| bucket(one.0) == bucket(other.0)) {
        bench.publish(SERIES, three).await;
        let (last, close) = three.last().unwrap();
        // The first bucket begins at the epoch, where no candle may open.
        if bucket(*last) > 0 && last + MINUTE == bucket(*last) + 3 * MINUTE {
            bench.publish("csv:X/Y:3m", &[(bucket(*last), close.clone())]).await;
        }
    }
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
    let looked = written.iter().filter(|(_, fields)| fields["strategy"] == "trend").count();
    assert!(looked > 50, "only {looked} signals with a look at the higher timeframe");
    assert_eq!(printed.len(), written.len());
    for (printed, (_, written)) in printed.iter().zip(&written) {
        let written: Vec<&str> = columns.iter().map(|name| written.get(*name).map_or("", String::as_str)).collect();
        assert_eq!(*printed, written);
    }
    let further = ["origin", "candle_us", "emitted_us"];
    let unprinted = written[0].1.keys().filter(|name| !columns.contains(&name.as_str()));
    assert!(unprinted.clone().all(|name| further.contains(&name.as_str())), "{:?}", unprinted.collect::<Vec<_>>());
}
