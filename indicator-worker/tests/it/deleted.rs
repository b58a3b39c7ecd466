//! Candles that somebody deletes from the stream before a worker has read them: they are lost, and nothing else is. The
//! lag that every Redis tool shows still ends at zero.

use candlewire_testkit::RedisOptions;

use crate::bench::{Bench, SOON, key, waves};
use crate::support::strategy;

const SERIES: &str = "csv:X/Y:1m";

async fn delete(bench: &Bench, at: usize) {
    let id = bench.stream(&key(SERIES, "candles")).await[at].0.clone();
    let mut connection = bench.connection().await;
    redis::cmd("XDEL").arg(key(SERIES, "candles")).arg(id).exec_async(&mut connection).await.unwrap();
}

async fn count(bench: &Bench) -> String {
    String::from_utf8(bench.hash(SERIES).await["candles"].clone()).unwrap()
}

#[tokio::test]
async fn an_unread_candle_that_is_deleted_leaves_no_lag() {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    let ticks = waves(30, 1);
    let mut worker = bench.worker();
    bench.publish(SERIES, &ticks[..10]).await;
    bench.wait_settled(SERIES).await;
    worker.terminate(SOON).await.unwrap();

    // One in the middle of what is unread, and the last of all.
    bench.publish(SERIES, &ticks[10..20]).await;
    delete(&bench, 14).await;
    delete(&bench, 18).await;
    let mut worker = bench.worker();
    bench.wait_settled(SERIES).await;
    assert_eq!(count(&bench).await, "18");

    // It goes on from there, and so does the next worker.
    bench.publish(SERIES, &ticks[20..25]).await;
    bench.wait_settled(SERIES).await;
    worker.terminate(SOON).await.unwrap();
    let _worker = bench.worker();
    bench.publish(SERIES, &ticks[25..]).await;
    bench.wait_settled(SERIES).await;
    assert_eq!(count(&bench).await, "28");
}
