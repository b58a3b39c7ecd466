//! For the indicators' tables: candles in, expected values beside them.

use super::{Indicator, Line, Needs, Reading, Sample, Units, Window};
use crate::candle::{Bar, ClosedCandle};
use crate::time::UnixMillis;

fn candle([high, low, close, volume]: [&str; 4]) -> ClosedCandle {
    let number = |text: &str| text.parse().unwrap_or(crate::decimal::Decimal::ZERO);
    let bar =
        Bar { open: number(close), high: number(high), low: number(low), close: number(close), volume: number(volume) };
    match ClosedCandle::new(UnixMillis(1), bar, UnixMillis(1)) {
        Ok(candle) => candle,
        Err(error) => panic!("{error}"),
    }
}

/// A candle without volume.
pub(super) fn bar(high: &str, low: &str, close: &str) -> ClosedCandle {
    candle([high, low, close, "0"])
}

/// A candle at one price.
pub(super) fn traded(price: &str, volume: &str) -> ClosedCandle {
    candle([price, price, price, volume])
}

/// Compares an indicator's values over these closes with the expected ones.
pub(super) fn check(spec: &str, closes: &[&str], expected: &[Option<f64>]) {
    check_output(spec, closes, expected);
    let first = spec.parse::<super::IndicatorSpec>().map(super::IndicatorSpec::first);
    if let Some(found) = expected.iter().position(Option::is_some) {
        assert_eq!(first, Ok(found), "the first value of {spec}");
    }
}

/// The same for one of several values.
pub(super) fn check_output(line: &str, closes: &[&str], expected: &[Option<f64>]) {
    let candles: Vec<ClosedCandle> = closes.iter().map(|close| traded(close, "0")).collect();
    check_candles(line, &candles, expected);
}

/// The same over whole candles.
pub(super) fn check_candles(line: &str, candles: &[ClosedCandle], expected: &[Option<f64>]) {
    let Ok(Line::Indicator(spec, output)) = line.parse::<Line>() else { panic!("{line} is no indicator") };
    let units = candles.iter().try_fold(Units::default(), Units::with).unwrap_or_default();
    let (mut indicator, mut window) = (Indicator::new(spec), Window::new(&Needs::NONE.and(spec.needs())));
    assert_eq!(candles.len(), expected.len(), "{line}");
    for (at, (candle, expected)) in candles.iter().zip(expected).enumerate() {
        let Some(sample) = Sample::new(candle, units) else { panic!("{line} at {at}: prices too far apart") };
        indicator.step(&sample, &window);
        window.push(&sample);
        let value = indicator.reading(output, units.price.scale).map(Reading::to_f64);
        let is_close = |value: f64, expected: f64| (value - expected).abs() <= 1e-14 * expected.abs().max(1.0);
        let is_right = match (value, expected) {
            (Some(value), Some(expected)) => is_close(value, *expected),
            (value, expected) => value == *expected,
        };
        assert!(is_right, "{line} at {at}: {value:?} is not {expected:?}");
    }
}
