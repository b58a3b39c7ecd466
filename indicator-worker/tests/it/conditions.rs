//! Conditions: what holds back a crossing, on the series itself and on a higher timeframe of its instrument.

use std::collections::{BTreeMap, HashMap};

use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::candle_entry::{CandleEntry, Place, encode};
use candlewire_common::config::Config;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::stream::{EntryId, Fields};
use candlewire_common::time::{UnixMicros, UnixMillis};
use candlewire_testkit::RedisOptions;
use indicator_worker::core::{BatchEffects, Moment, Plans, SeriesState, apply};
use proptest::prelude::*;

use crate::bench::{Bench, key};
use crate::support::{flat, strategy};

const MINUTE: i64 = 60_000;

/// The open times and directions of a strategy's signals.
type Signals = Vec<(i64, String)>;

fn series(timeframe: &str) -> Series {
    format!("csv:X:{timeframe}").parse().unwrap()
}

fn config(when: &str) -> String {
    let plain = strategy("plain", "sma(1)", "sma(3)").replace("[\"*\"]", "[\"*:*:1m\"]");
    let picky = strategy("picky", "sma(1)", "sma(3)").replace("[\"*\"]", "[\"*:*:1m\"]");
    format!("{plain}{picky}when = \"{when}\"\n")
}

/// Applies candles in this order, in batches of seven, and answers with the signals of each strategy and what was
/// filtered.
fn run(config: &str, candles: &[(Series, ClosedCandle)]) -> (BTreeMap<String, Signals>, usize) {
    let mut plans = Plans::new(&Config::from_text(config, None, &[]).unwrap());
    let mut states: HashMap<Series, SeriesState> = HashMap::new();
    for timeframe in ["1m", "3m"] {
        let series = series(timeframe);
        states.insert(series.clone(), SeriesState::new(&series, plans.plan(&series)));
    }
    let (mut signals, mut filtered) = (BTreeMap::<String, Signals>::new(), 0);
    for batch in candles.chunks(7) {
        let partitions = Partitions::new(1).unwrap();
        let fields: Vec<Fields> = batch.iter().map(|(series, candle)| entry(series, candle)).collect();
        let place = Place { partition: series("1m").partition(partitions), partitions };
        let decode = |fields| CandleEntry::decode(EntryId { ms: 1, seq: 0 }, fields, place, UnixMillis(i64::MAX / 2));
        let decoded: Vec<_> = fields.iter().map(decode).collect();
        let effects: BatchEffects<'_> = apply(&mut states, &decoded, Moment(UnixMicros(0)));
        filtered += effects.filtered.len();
        for signal in effects.signals {
            let found = (signal.open_time.0, signal.direction.to_string());
            signals.entry(signal.strategy).or_default().push(found);
        }
    }
    (signals, filtered)
}

fn entry(series: &Series, candle: &ClosedCandle) -> Fields {
    let fields = encode(series, candle, Origin::Replay, UnixMicros(0));
    Fields(fields.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).collect())
}

fn candles(timeframe: &str, minutes: i64, prices: &[i64]) -> Vec<(Series, ClosedCandle)> {
    let series = series(timeframe);
    let candle = |(at, price): (i64, &i64)| (series.clone(), flat(at * minutes * MINUTE, &price.to_string()));
    (1..).zip(prices).map(candle).collect()
}

#[test]
fn all_conditions_must_hold() {
    // Crossings of the price with its sma(3), while rsi and the price itself are looked at.
    let prices: Vec<i64> = (1..400_i64).map(|at| 100 + at * at * 37 % 11 - at * 7 % 5).collect();
    let candles = candles("1m", 1, &prices);
    let (signals, filtered) = run(&config("close >= 100 and close < sma(3)"), &candles);
    let closes = |at: usize| prices[at - 1];
    let holds = |open_time: i64| {
        let at = usize::try_from(open_time / MINUTE).unwrap();
        at >= 3 && closes(at) >= 100 && closes(at) * 3 < closes(at) + closes(at - 1) + closes(at - 2)
    };
    let expected: Signals = signals["plain"].iter().filter(|(time, _)| holds(*time)).cloned().collect();
    assert!(expected.len() > 20, "only {} are left", expected.len());
    assert_eq!(signals["picky"], expected);
    assert_eq!(filtered, signals["plain"].len() - expected.len());
}

#[test]
fn what_has_no_value_yet_holds_back() {
    let prices: Vec<i64> = (1..60_i64).map(|at| 100 + at * 37 % 11).collect();
    let (signals, filtered) = run(&config("rsi(30) > -1"), &candles("1m", 1, &prices));
    let ready = 31 * MINUTE;
    let expected: Signals = signals["plain"].iter().filter(|(time, _)| *time >= ready).cloned().collect();
    assert_eq!(signals["picky"], expected);
    assert_eq!(filtered, signals["plain"].len() - expected.len());
    // A series that nobody publishes never has one.
    let (signals, _) = run(&config("sma(1)@3m > 0"), &candles("1m", 1, &prices));
    assert_eq!(signals.get("picky"), None);
}

/// Merges two series: a candle of the higher one comes after its close and before the first lower one that opens
/// then, or is up to ten early, as when one series is fetched before the other.
fn merged(
    low: &[(Series, ClosedCandle)],
    high: &[(Series, ClosedCandle)],
    choices: &[bool],
) -> Vec<(Series, ClosedCandle)> {
    let (mut low, mut high) = (low.iter().peekable(), high.iter().peekable());
    let mut choices = choices.iter().cycle();
    let mut all = Vec::new();
    while let Some((_, next)) = low.peek() {
        let closes = |candle: &ClosedCandle| candle.open_time().0 + 3 * MINUTE;
        let (due, may) = high.peek().map_or((false, false), |(_, candle)| {
            (closes(candle) <= next.open_time().0, closes(candle) <= next.open_time().0 + 30 * MINUTE)
        });
        let early = may && *choices.next().unwrap();
        all.extend(if due || early { high.next().cloned() } else { low.next().cloned() });
    }
    all
}

proptest! {
    #[test]
    fn a_higher_timeframe_is_seen_as_of_the_candles_open(
        low in proptest::collection::vec(90_i64..110, 60..200),
        high in proptest::collection::vec(95_i64..105, 20..60),
        choices in proptest::collection::vec(any::<bool>(), 7..40),
    ) {
        let (lower, higher) = (candles("1m", 1, &low), candles("3m", 3, &high));
        let (signals, filtered) = run(&config("sma(2)@3m >= sma(3)@3m and close > ema(1)@3m"), &merged(&lower, &higher, &choices));
        let holds = |open_time: i64| {
            // Candle k of the higher series opens at 3k and closes at 3(k + 1) minutes.
            let known = usize::try_from(open_time / MINUTE / 3 - 1).unwrap_or(0).min(high.len());
            let close = low[usize::try_from(open_time / MINUTE).unwrap() - 1];
            known >= 3 && {
                let [a, b, c] = [high[known - 3], high[known - 2], high[known - 1]];
                3 * (b + c) >= 2 * (a + b + c) && close > c
            }
        };
        let plain = signals.get("plain").cloned().unwrap_or_default();
        let expected: Signals = plain.iter().filter(|(time, _)| holds(*time)).cloned().collect();
        prop_assert_eq!(filtered, plain.len() - expected.len());
        prop_assert_eq!(signals.get("picky").cloned().unwrap_or_default(), expected);
    }
}

/// The same on a real Redis, with a new worker in the middle: what the conditions look at is loaded with the series.
#[tokio::test]
async fn workers_look_at_a_higher_timeframe_after_a_restart() {
    let when = "sma(2)@3m >= sma(3)@3m";
    let prices =
        |count: i64, factor: i64| (1..=count).map(|at| 100 + at * factor % 11 - at * 7 % 5).collect::<Vec<_>>();
    let (lower, higher) = (candles("1m", 1, &prices(120, 37)), candles("3m", 3, &prices(40, 29)));
    let all = merged(&lower, &higher, &[false]);
    let (expected, _) = run(&config(when), &all);
    let bench = Bench::start(RedisOptions::default(), &config(when)).await;
    for half in all.chunks(all.len() / 2 + 1) {
        let mut worker = bench.worker();
        for (series, candle) in half {
            bench.publish(series.as_str(), &[(candle.open_time().0, candle.close().to_string())]).await;
        }
        bench.wait_settled("csv:X:1m").await;
        worker.kill().unwrap();
    }
    let mut found = BTreeMap::<String, Signals>::new();
    for (_, fields) in bench.stream(&key("csv:X:1m", "signals")).await {
        let signal = (fields["open_time"].parse().unwrap(), fields["direction"].clone());
        found.entry(fields["strategy"].clone()).or_default().push(signal);
    }
    assert!(expected["picky"].len() > 5, "only {:?}", expected["picky"]);
    assert_eq!(found, expected);
    // The higher series shows what is looked at.
    let hash = bench.hash("csv:X:3m").await;
    assert!(hash.contains_key("sma(2)") && hash.contains_key("sma(3)"), "{:?}", hash.keys());
}

/// The price goes down, up, down …, so that its average of one crosses that of three with every other candle.
fn zigzag(from: i64, to: i64, minutes: i64) -> Vec<(i64, String)> {
    (from..=to).map(|at| (at * minutes * MINUTE, (100 + at % 2 * 10).to_string())).collect()
}

async fn signals_of(bench: &Bench, strategy: &str) -> usize {
    let all = bench.stream(&key("csv:X:1m", "signals")).await;
    all.iter().filter(|(_, fields)| fields["strategy"] == strategy).count()
}

/// A series that is loaded because another looks at it has what it looks at itself beside it, too.
#[tokio::test]
async fn looks_go_on_from_timeframe_to_timeframe() {
    let low = strategy("low", "sma(1)", "sma(3)").replace("[\"*\"]", "[\"*:*:1m\"]") + "when = \"sma(1)@3m > 0\"\n";
    let middle =
        strategy("middle", "sma(1)", "sma(3)").replace("[\"*\"]", "[\"*:*:3m\"]") + "when = \"sma(1)@15m > 0\"\n";
    let bench = Bench::start(RedisOptions::default(), &(low + &middle)).await;
    let mut worker = bench.worker();
    bench.publish("csv:X:15m", &zigzag(1, 3, 15)).await;
    bench.publish("csv:X:3m", &zigzag(1, 20, 3)).await;
    bench.publish("csv:X:1m", &zigzag(1, 63, 1)).await;
    bench.wait_settled("csv:X:1m").await;
    worker.kill().unwrap();
    let before = signals_of(&bench, "middle").await;
    assert!(before > 0 && signals_of(&bench, "low").await > 0);
    let _worker = bench.worker();
    bench.publish("csv:X:1m", &zigzag(64, 66, 1)).await;
    bench.publish("csv:X:3m", &zigzag(21, 25, 3)).await;
    bench.wait_settled("csv:X:1m").await;
    assert_eq!(signals_of(&bench, "middle").await, before + 5);
}

/// What is rebuilt from the history has its last values, not the last one alone: a candle may ask for the one before.
#[tokio::test]
async fn a_rebuilt_series_remembers_what_it_was() {
    let config = format!("[cache]\nhistory = 1\n{}", config("sma(3)@3m > 0"));
    let bench = Bench::start(RedisOptions::default(), &config).await;
    let mut worker = bench.worker();
    bench.publish("csv:X:3m", &zigzag(1, 40, 3)).await;
    bench.publish("csv:X:1m", &zigzag(1, 121, 1)).await;
    bench.wait_settled("csv:X:1m").await;
    worker.kill().unwrap();
    let before = signals_of(&bench, "picky").await;
    let mut connection = bench.connection().await;
    redis::cmd("DEL").arg(key("csv:X:1m", "ma:csv:X:3m")).exec_async(&mut connection).await.unwrap();
    let _worker = bench.worker();
    // The last candle of three minutes closes when this one does: as of its open, the one before counts.
    bench.publish("csv:X:1m", &zigzag(122, 122, 1)).await;
    bench.wait_settled("csv:X:1m").await;
    assert_eq!(signals_of(&bench, "picky").await, before + 1);
}

/// A condition that is new finds what it looks at in the history: not the newest value alone.
#[tokio::test]
async fn a_new_condition_knows_what_was() {
    let plain = strategy("plain", "sma(1)", "sma(3)").replace("[\"*\"]", "[\"*:*:1m\"]");
    let bench = Bench::start(RedisOptions::default(), &plain).await;
    let mut worker = bench.worker();
    // The candles of three minutes are ahead by an hour, as when one series is fetched before the other.
    bench.publish("csv:X:3m", &zigzag(1, 30, 3)).await;
    bench.publish("csv:X:1m", &zigzag(1, 30, 1)).await;
    bench.wait_settled("csv:X:1m").await;
    worker.kill().unwrap();
    let file = std::fs::read_to_string(bench.file()).unwrap();
    let (head, _) = file.split_once("[[strategies]]").unwrap();
    let when = "sma(2)@3m > ema(2)@3m and high@3m >= close@3m";
    std::fs::write(bench.file(), format!("{head}{}", config(when))).unwrap();
    let before = signals_of(&bench, "plain").await;
    let _worker = bench.worker();
    bench.publish("csv:X:1m", &zigzag(31, 60, 1)).await;
    bench.wait_settled("csv:X:1m").await;
    assert_eq!(signals_of(&bench, "plain").await, before + 30);
    // Of two values the average stands above the exponential one whenever the last candle was the lower of the two:
    // for three of six minutes.
    assert_eq!(signals_of(&bench, "picky").await, 15);
}
