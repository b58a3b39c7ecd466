//! A changed configuration: what is new warms up from the history, and says nothing of what was before.

use crate::bench::{Bench, key, waves};
use crate::support::strategy;
use candlewire_testkit::RedisOptions;

const SERIES: &str = "csv:X:1m";

/// Open times of the signals of a strategy, in stream order.
async fn crossings(bench: &Bench, strategy: &str) -> Vec<i64> {
    let signals = bench.stream(&key(SERIES, "signals")).await;
    let of_strategy = signals.into_iter().filter(|(_, signal)| signal["strategy"] == strategy);
    of_strategy.map(|(_, signal)| signal["open_time"].parse().unwrap()).collect()
}

#[tokio::test]
async fn a_strategy_that_is_added_speaks_from_the_next_candle_on() {
    let ticks = waves(200, 3);
    let (old, new) = (strategy("old", "sma(2)", "sma(5)"), strategy("new", "sma(3)", "sma(30)"));
    let both = format!("{old}{new}");

    // What it would have found, had it been there from the start.
    let reference = Bench::start(RedisOptions::default(), &both).await;
    let worker = reference.worker();
    reference.publish(SERIES, &ticks).await;
    reference.wait_settled(SERIES).await;
    let expected = crossings(&reference, "new").await;
    drop(worker);

    let bench = Bench::start(RedisOptions::default(), &old).await;
    let mut worker = bench.worker();
    bench.publish(SERIES, &ticks[..100]).await;
    bench.wait_settled(SERIES).await;
    worker.kill().unwrap();
    let bench = bench.with_config(&both);
    let worker = bench.worker();
    bench.publish(SERIES, &ticks[100..]).await;
    bench.wait_settled(SERIES).await;

    let changed_at = ticks[99].0;
    let (before, after): (Vec<i64>, Vec<i64>) = expected.into_iter().partition(|time| *time <= changed_at);
    assert!(before.len() > 5 && after.len() > 5, "{before:?} {after:?}");
    assert_eq!(crossings(&bench, "new").await, after);
    assert_eq!(crossings(&bench, "old").await, crossings(&reference, "old").await);
    assert_eq!(bench.hash(SERIES).await["sma(30)"], reference.hash(SERIES).await["sma(30)"]);
    drop(worker);
}
