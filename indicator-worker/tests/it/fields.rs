//! What the state hash shows: every value of every indicator that is asked for, by the name it was written by, and none
//! that is not there.

use candlewire_testkit::RedisOptions;

use crate::bench::{Bench, key};

const SERIES: &str = "csv:X:1m";

async fn publish(bench: &Bench, minute: i64, price: &str, volume: &str) {
    let mut connection = bench.connection().await;
    let mut command = redis::cmd("XADD");
    command.arg(key(SERIES, "candles")).arg("*").arg("series").arg(SERIES).arg("open_time").arg(minute * 60_000);
    for name in ["open", "high", "low", "close"] {
        command.arg(name).arg(price);
    }
    command.arg("volume").arg(volume).exec_async(&mut connection).await.unwrap();
}

fn shown(hash: &std::collections::BTreeMap<String, Vec<u8>>) -> Vec<(&str, &str)> {
    let indicators = hash.iter().filter(|(name, _)| name.contains('('));
    indicators.map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect()
}

#[tokio::test]
async fn fields_are_named_as_they_were_written_and_go_with_their_value() {
    let config = "[[indicators]]\nseries = [\"*\"]\ncompute = [\"macd(1,2,1)\", \"bbands( 2, 0.5 )\", \"vwma(2)\", \"sma(2, hl2)\", \"rsi(9)\"]\n\
        [[strategies]]\nname = \"s\"\nseries = [\"*\"]\nfast = \"close\"\nslow = \"vwma( 2 )\"\nwhen = \"kama(1) > 0\"\n";
    let bench = Bench::start(RedisOptions::default(), config).await;
    let mut worker = bench.worker();
    publish(&bench, 1, "1", "3").await;
    publish(&bench, 2, "3", "1").await;
    bench.wait_settled(SERIES).await;
    let expected = [
        ("bbands( 2, 0.5 )", "2"),
        ("bbands( 2, 0.5 ).lower", "1.5"),
        ("bbands( 2, 0.5 ).upper", "2.5"),
        ("kama(1)", "3"),
        // ema(1) is 3, ema(2) begins with 2; a signal of one candle is the line.
        ("macd(1,2,1)", "1"),
        ("macd(1,2,1).histogram", "0"),
        ("macd(1,2,1).signal", "1"),
        ("sma(2, hl2)", "2"),
        ("vwma( 2 )", "1.5"),
        ("vwma(2)", "1.5"),
    ];
    assert_eq!(shown(&bench.hash(SERIES).await), expected);
    // Without trades a volume weighted average has no value, and the old one must not be taken for it.
    publish(&bench, 3, "3", "0").await;
    publish(&bench, 4, "3", "0").await;
    bench.wait_settled(SERIES).await;
    let hash = bench.hash(SERIES).await;
    assert!(
        hash.contains_key("sma(2, hl2)") && !hash.keys().any(|name| name.starts_with("vwma")),
        "{:?}",
        shown(&hash)
    );
    worker.kill().unwrap();
}

/// Without its history an indicator that needs more of the past than the last close warms again, and its old value goes.
#[tokio::test]
async fn a_lost_history_leaves_no_old_value_behind() {
    let config = "[[indicators]]\nseries = [\"*\"]\ncompute = [\"ema(2)\", \"atr(2)\", \"rsi(2)\", \"kama(2)\", \"adx(2)\", \"zlema(6)\", \"rsi(2, hl2)\", \"sma(2)\"]\n";
    let bench = Bench::start(RedisOptions::default(), config).await;
    let mut worker = bench.worker();
    for minute in 1..=9 {
        publish(&bench, minute, &(100 + minute * minute % 7).to_string(), "1").await;
    }
    bench.wait_settled(SERIES).await;
    let names = |hash| shown(&hash).into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(bench.hash(SERIES).await).len(), 10);
    worker.kill().unwrap();
    let mut connection = bench.connection().await;
    redis::cmd("DEL").arg(key(SERIES, &format!("ohlcv:{SERIES}"))).exec_async(&mut connection).await.unwrap();
    let _worker = bench.worker();
    publish(&bench, 10, "300", "1").await;
    bench.wait_settled(SERIES).await;
    // The average of two has the last close and this one.
    assert_eq!(names(bench.hash(SERIES).await), ["atr(2)", "ema(2)", "rsi(2)", "sma(2)"]);
}
