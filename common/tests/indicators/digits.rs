//! Prices and volumes of many digits: what fits is exact, and nothing ever panics.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{IndicatorSpec, Output, Reading, Units};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;

use crate::support::{ALL, Pass, candle, units};

/// A candle of 18 digits with its point anywhere.
fn long_number() -> impl Strategy<Value = String> {
    (1_i64..999_999_999_999_999_999, 0_usize..=24, 0_usize..=12).prop_map(|(digits, decimals, zeros)| {
        let text = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, fraction) = text.split_at(text.len() - decimals);
        // Zeros before the point, for whole numbers of up to 30 digits.
        let zeros = if decimals == 0 { "0".repeat(zeros) } else { String::new() };
        format!("{whole}{zeros}.{fraction}")
    })
}

fn long_candles() -> impl Strategy<Value = Vec<ClosedCandle>> {
    let numbers = (long_number(), long_number());
    proptest::collection::vec(numbers, 3..40).prop_map(|all| {
        let flat = |(at, (price, volume)): (i64, (String, String))| {
            candle(at * 60_000, [&price, &price, &price, &price, &volume])
        };
        // Only those that the series can hold beside each other.
        let mut units = Units::default();
        let mut kept = Vec::new();
        for candle in (1..).zip(all).map(flat) {
            if let Some(finer) = units.with(&candle) {
                units = finer;
                kept.push(candle);
            }
        }
        kept
    })
}

fn big(candle: &ClosedCandle, scale: u8) -> BigInt {
    candle.close().ticks(scale).unwrap().into()
}

/// The weights of an average, oldest first, and their sum.
fn weighted(x: &[BigInt], weights: &[i64]) -> BigRational {
    let sum: BigInt = x.iter().zip(weights).map(|(x, weight)| x * BigInt::from(*weight)).sum();
    BigRational::new(sum, weights.iter().sum::<i64>().into())
}

proptest! {
    #[test]
    fn what_fits_is_exact_and_nothing_panics(candles in long_candles()) {
        let units = units(&candles);
        let column: Vec<BigInt> = candles.iter().map(|candle| big(candle, units.price.scale)).collect();
        for text in ALL {
            let spec: IndicatorSpec = text.parse().unwrap();
            let mut pass = Pass::new(spec, units);
            for candle in &candles {
                pass.step(candle);
                for (output, _) in spec.outputs() {
                    if spec.fits(units) {
                        let value = pass.reading(output).map(Reading::to_f64);
                        prop_assert!(value.is_none_or(f64::is_finite), "{}: {:?}", text, value);
                    }
                }
            }
        }
        for (text, weights) in [("sma(3)", &[1, 1, 1][..]), ("wma(3)", &[1, 2, 3]), ("trima(4)", &[1, 2, 2, 1]), ("lsma(3)", &[-1, 2, 5])] {
            let spec: IndicatorSpec = text.parse().unwrap();
            let Some(from) = column.len().checked_sub(weights.len()).filter(|_| spec.fits(units)) else { continue };
            let mut pass = Pass::new(spec, units);
            pass.feed(&candles);
            let reading = pass.reading(Output::MAIN);
            let Some(Reading::Exact { numerator, denominator, .. }) = reading else { panic!("{text}: {reading:?}") };
            prop_assert_eq!(BigRational::new(numerator.into(), denominator.into()), weighted(&column[from..], weights), "{}", text);
        }
    }
}

#[test]
fn ordinary_series_have_room_for_every_average() {
    // Of eight decimals and five digits before the point; volumes of a busy token.
    let candles = [candle(
        60_000,
        ["98765.12345678", "98765.12345678", "98765.12345678", "98765.12345678", "1234567890123.45678"],
    )];
    for text in ALL.iter().chain(&[
        "sma(5000)",
        "wma(5000)",
        "trima(4999)",
        "hma(1000)",
        "alma(1000)",
        "vwma(5000)",
        "lsma(5000)",
        "bbands(200, 2)",
    ]) {
        let spec: IndicatorSpec = text.parse().unwrap();
        assert!(spec.fits(units(&candles)), "{text}");
    }
}
