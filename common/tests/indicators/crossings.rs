//! How lines stand to each other: exactly, where both are ratios of whole numbers, also where they touch.

use std::cmp::Ordering;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Line, Reading, Source, Unit};
use ta_lib::Core;

use crate::definitions::{Definition, WINDOWED, sma};
use crate::support::{ALL, bundled_candles, candle, lines, readings, ticks, units, walk};

type Orders = Vec<Option<Ordering>>;

/// Candles of which the prices are cut to three decimals, which makes them rich in ties.
fn rounded(candles: &[ClosedCandle]) -> Vec<ClosedCandle> {
    let round = |candle_: &ClosedCandle| {
        let [open, high, low, close] = [candle_.open(), candle_.high(), candle_.low(), candle_.close()]
            .map(|price| format!("{:.3}", price.to_f64()));
        candle(candle_.open_time().0, [&open, &high, &low, &close, "1"])
    };
    candles.iter().map(round).collect()
}

fn orders(fast: &str, slow: &str, candles: &[ClosedCandle]) -> Orders {
    let [fast, slow] = [fast, slow].map(|line| readings(line.parse::<Line>().unwrap(), candles));
    fast.into_iter().zip(slow).map(|(fast, slow)| Some(fast?.compare(slow?))).collect()
}

/// The lines that are exact, with their definitions.
fn exact() -> Vec<(String, Definition, usize)> {
    let averages = WINDOWED
        .iter()
        .flat_map(|(name, definition)| [4_usize, 10, 21].map(|n| (format!("{name}({n})"), *definition, n)));
    averages.chain([("close".to_owned(), sma as Definition, 1)]).collect()
}

#[test]
fn every_pair_of_exact_lines_stands_as_the_fractions_do() {
    let mut ties = 0;
    for candles in [rounded(&bundled_candles("EURUSD-1h-2017.csv"))[..2_000].to_vec(), walk(11, 1_500, 3, 1_050, 1)] {
        let scale = units(&candles).price.scale;
        let column: Vec<i128> = candles.iter().map(|candle| ticks(candle, Source::Close, scale)).collect();
        let expected: Vec<Vec<Option<(i128, i128)>>> = exact()
            .iter()
            .map(|(_, definition, n)| (0..column.len()).map(|at| definition(&column[..=at], *n)).collect())
            .collect();
        for (one, (fast, ..)) in exact().iter().enumerate() {
            for (other, (slow, ..)) in exact().iter().enumerate().skip(one + 1) {
                let cross = |(a, b): (i128, i128), (c, d): (i128, i128)| (a * d).cmp(&(c * b));
                let pairs = expected[one].iter().zip(&expected[other]);
                let expected: Orders = pairs.map(|(fast, slow)| Some(cross((*fast)?, (*slow)?))).collect();
                ties += expected.iter().filter(|order| **order == Some(Ordering::Equal)).count();
                assert_eq!(orders(fast, slow, &candles), expected, "{fast} and {slow}");
            }
        }
    }
    assert!(ties > 5_000, "only {ties} ties were decided");
}

/// On the same prices the float averages of TA-Lib stand otherwise now and then: what is tested above can be missed.
#[test]
fn float_averages_would_not_do() {
    let candles = rounded(&bundled_candles("EURUSD-1h-2017.csv"));
    let closes: Vec<f64> = candles.iter().map(|candle| candle.close().to_f64()).collect();
    let talib = |n: usize| {
        let mut out = vec![0.0; closes.len()];
        let range = Core::new().sma(0, closes.len() - 1, &closes, i32::try_from(n).unwrap(), &mut out).unwrap();
        [vec![None; range.beg_idx], out[..range.count].iter().copied().map(Some).collect()].concat()
    };
    let pairs = talib(10).into_iter().zip(talib(30));
    let theirs: Orders = pairs.map(|(fast, slow): (Option<f64>, Option<f64>)| fast?.partial_cmp(&slow?)).collect();
    let wrong =
        orders("sma(10)", "sma(30)", &candles).iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
    assert!(wrong > 10, "only {wrong} differ");
}

#[test]
fn volume_weights_cross_exactly() {
    let candles = walk(12, 3_000, 2, 500, 2);
    let units = units(&candles);
    let volume = |candle: &ClosedCandle| candle.volume().ticks(units.volume.scale).unwrap();
    let price = |candle: &ClosedCandle| ticks(candle, Source::Close, units.price.scale);
    let sums = |at: usize, n: usize| {
        let window = &candles[(at + 1).checked_sub(n)?..=at];
        let turnover: i128 = window.iter().map(|candle| price(candle) * volume(candle)).sum();
        Some((turnover, window.iter().map(volume).sum::<i128>())).filter(|(_, volume)| *volume > 0)
    };
    let expected: Orders = (0..candles.len())
        .map(|at| {
            let ((a, b), (c, d)) = (sums(at, 3)?, sums(at, 8)?);
            Some((a * d).cmp(&(c * b)))
        })
        .collect();
    assert_eq!(orders("vwma(3)", "vwma(8)", &candles), expected);
}

/// A constant price is what every average of it is, bit for bit, so that nothing ever crosses.
#[test]
fn of_a_constant_price_every_average_is_the_price() {
    for price in ["0.1", "1.07334", "42001.37", "0.00000017", "123456789.123"] {
        let candles: Vec<ClosedCandle> =
            (1..700).map(|at| candle(at * 60_000, [price, price, price, price, "0.7"])).collect();
        let expected = price.parse::<f64>().unwrap().to_bits();
        for line in lines(ALL).into_iter().filter(|line| line.unit() == Unit::Price) {
            let values: Vec<f64> = readings(line, &candles).into_iter().flatten().map(Reading::to_f64).collect();
            let other = values.iter().find(|value| value.to_bits() != expected);
            assert!(!values.is_empty() && other.is_none(), "{line} of {price}: {other:?}");
        }
        for line in lines(ALL).into_iter().filter(|line| line.unit() != Unit::Price) {
            let values = readings(line, &candles).into_iter().flatten().map(Reading::to_f64);
            assert!(values.into_iter().all(|value| [0.0, 50.0].contains(&value)), "{line} of {price}");
        }
    }
}
