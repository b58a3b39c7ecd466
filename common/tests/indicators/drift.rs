//! Sums that run for very long: after ten million candles they are what they were.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Indicator, IndicatorSpec, Output, Sample};

use crate::support::{Pass, units, walk};

/// Runs a short walk over and over, ten million candles in all, and compares with an indicator that has only seen the
/// last of them.
fn assert_no_drift(spec: &str, candles: &[ClosedCandle]) {
    const CANDLES: usize = 10_000_000;
    let spec: IndicatorSpec = spec.parse().unwrap();
    let mut pass = Pass::new(spec, units(candles));
    let samples: Vec<Sample> = candles.iter().map(|candle| Sample::new(candle, pass.units).unwrap()).collect();
    for at in 0..CANDLES / samples.len() * samples.len() {
        let sample = &samples[at % samples.len()];
        pass.indicator.step(sample, &pass.window);
        pass.window.push(sample);
    }
    let mut fresh = Pass::new(spec, pass.units);
    fresh.feed(candles);
    assert_eq!(pass.reading(Output::MAIN), fresh.reading(Output::MAIN), "{spec}");
    assert_eq!(pass.indicator, Indicator::over(spec, &pass.window, pass.units.price.scale), "{spec}");
}

#[test]
fn ten_million_candles_leave_averages_over_a_window_exact() {
    let candles = walk(31, 1_000, 5, 107_334, 25);
    std::thread::scope(|scope| {
        for half in [["sma(50)", "wma(50)", "vwma(20)"], ["trima(30)", "hma(55)", "lsma(25)"]] {
            let candles = &candles;
            scope.spawn(move || half.iter().for_each(|spec| assert_no_drift(spec, candles)));
        }
    });
}
