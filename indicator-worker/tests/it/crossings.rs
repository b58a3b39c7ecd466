//! Crossings against oracles that compute every window anew: exact rationals for window averages,
//! the defining recurrence in floats for exponential ones.

use std::cmp::Ordering;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::series::Series;
use candlewire_common::signal::Direction;
use candlewire_testkit::bundled;
use indicator_worker::core::{Found, SeriesState};
use ta_lib::Core;

use crate::support::{bundled_candles, flat, plan, strategy};

pub(crate) type Crossings = Vec<(usize, Direction)>;

pub(crate) fn found(candles: &[ClosedCandle], fast: &str, slow: &str) -> Crossings {
    let series: Series = "csv:X:1m".parse().unwrap();
    let mut state = SeriesState::new(&series, plan(&strategy("s", fast, slow), &series));
    let mut crossings = Vec::new();
    for (at, candle) in candles.iter().enumerate() {
        let note = |_, found: Found| match found {
            Found::Crossing(crossing) => crossings.push((at, crossing.direction)),
            Found::Filtered(reason) => panic!("filtered by {reason:?} without filters"),
        };
        state.step(candle, note).unwrap();
    }
    crossings
}

fn from_orders(orders: &[Option<Ordering>]) -> Crossings {
    let mut crossings = Vec::new();
    for at in 1..orders.len() {
        let (Some(before), Some(now)) = (orders[at - 1], orders[at]) else { continue };
        if now == Ordering::Greater && before != Ordering::Greater {
            crossings.push((at, Direction::Buy));
        }
        if now == Ordering::Less && before != Ordering::Less {
            crossings.push((at, Direction::Sell));
        }
    }
    crossings
}

/// Sums each window anew in whole ticks and multiplies crosswise.
pub(crate) fn exact_sma(candles: &[ClosedCandle], fast: usize, slow: usize) -> Crossings {
    let ticks: Vec<i128> = candles.iter().map(|candle| candle.close().ticks(12).unwrap()).collect();
    let sum = |at: usize, n: usize| ticks[at + 1 - n..=at].iter().sum::<i128>();
    let order = |at: usize| {
        let ready = at + 1 >= fast.max(slow);
        ready.then(|| (sum(at, fast) * slow as i128).cmp(&(sum(at, slow) * fast as i128)))
    };
    from_orders(&(0..ticks.len()).map(order).collect::<Vec<_>>())
}

fn float_ema(candles: &[ClosedCandle], fast: usize, slow: usize) -> Crossings {
    let ema = |n: usize| {
        let mut values: Vec<Option<f64>> = Vec::new();
        let (mut seed, mut last) = (0_i128, None);
        for (at, candle) in candles.iter().enumerate() {
            let close: f64 = candle.close().to_string().parse().unwrap();
            seed += candle.close().ticks(12).unwrap();
            last = match last {
                Some(last) => Some(last + 2.0 / (n as f64 + 1.0) * (close - last)),
                None if at + 1 == n => Some(candlewire_common::ratio::to_f64(seed, n as i128, 12)),
                None => None,
            };
            values.push(last);
        }
        values
    };
    let orders: Vec<Option<Ordering>> =
        ema(fast).into_iter().zip(ema(slow)).map(|(fast, slow)| fast?.partial_cmp(&slow?)).collect();
    from_orders(&orders)
}

#[test]
fn sma_crossings_are_exact_on_every_bundled_series() {
    let mut total = 0;
    for file in bundled::FILES {
        let candles = bundled_candles(file);
        for (fast, slow) in [(2, 3), (5, 20), (10, 30), (50, 200)] {
            let crossings = found(&candles, &format!("sma({fast})"), &format!("sma({slow})"));
            assert_eq!(crossings, exact_sma(&candles, fast, slow), "{file} sma({fast}) × sma({slow})");
            total += crossings.len();
        }
    }
    assert!(total > 5_000, "only {total} crossings were compared");
}

#[test]
fn ema_crossings_are_those_of_the_recurrence() {
    for file in bundled::FILES {
        let candles = bundled_candles(file);
        for (fast, slow) in [(2, 3), (12, 26), (50, 200)] {
            let crossings = found(&candles, &format!("ema({fast})"), &format!("ema({slow})"));
            assert_eq!(crossings, float_ema(&candles, fast, slow), "{file} ema({fast}) × ema({slow})");
        }
    }
}

/// EURUSD at three decimals is full of ties, on which averages in floats move crossings: TA-Lib's do.
#[test]
fn ties_are_decided_exactly() {
    let rounded: Vec<ClosedCandle> = bundled_candles("EURUSD-1h-2017.csv")
        .iter()
        .map(|candle| flat(candle.open_time().0, &format!("{:.3}", candle.close().to_f64())))
        .collect();
    let exact = exact_sma(&rounded, 10, 30);
    assert!(exact.len() > 200, "only {} crossings", exact.len());
    assert_eq!(found(&rounded, "sma(10)", "sma(30)"), exact);

    let closes: Vec<f64> = rounded.iter().map(|candle| candle.close().to_f64()).collect();
    let talib = |n: usize| {
        let mut out = vec![0.0; closes.len()];
        let range = Core::new().sma(0, closes.len() - 1, &closes, i32::try_from(n).unwrap(), &mut out).unwrap();
        [vec![None; range.beg_idx], out[..range.count].iter().copied().map(Some).collect()].concat()
    };
    let orders: Vec<Option<Ordering>> =
        talib(10).into_iter().zip(talib(30)).map(|(fast, slow): (Option<f64>, _)| fast?.partial_cmp(&slow?)).collect();
    assert_ne!(from_orders(&orders), exact, "the data no longer tells exact from rounded");
}

#[test]
fn a_constant_price_never_crosses() {
    let candles: Vec<ClosedCandle> = (1..500).map(|minute| flat(minute * 60_000, "0.1")).collect();
    for (fast, slow) in [("sma(3)", "sma(7)"), ("ema(3)", "ema(7)"), ("sma(3)", "ema(7)"), ("ema(10)", "sma(20)")] {
        assert_eq!(found(&candles, fast, slow), [], "{fast} {slow}");
    }
}
