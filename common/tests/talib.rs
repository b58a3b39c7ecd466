//! The kernels against the official Rust port of TA-Lib, on every bundled series.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::indicator::{Indicator, IndicatorSpec, Sample, Window};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::bundled;
use ta_lib::Core;

/// Enough for the finest of the bundled prices.
const SCALE: u8 = 10;
const TOLERANCE: f64 = 1e-11;

fn candles(file: &str) -> Vec<ClosedCandle> {
    let candle = |row: bundled::Row| {
        let [open, high, low, close, volume] = row.texts.map(|text| text.parse().unwrap());
        let open_time = UnixMillis(row.open_time);
        ClosedCandle::new(open_time, Bar { open, high, low, close, volume }, open_time).unwrap()
    };
    bundled::rows(file).into_iter().map(candle).collect()
}

/// The indicator's value after each candle, saved and restored at every one of them.
fn streamed(spec: IndicatorSpec, candles: &[ClosedCandle]) -> Vec<Option<f64>> {
    let (mut indicator, mut window) = (Indicator::new(spec), Window::new(spec.window()));
    let step = |candle: &ClosedCandle| {
        let sample = Sample::new(candle, SCALE).unwrap();
        indicator.step(&sample, &window);
        window.push(sample.close());
        let mut bytes = Vec::new();
        indicator.save(&mut bytes);
        let restored = Indicator::restore(spec, &bytes, &window).expect("its own bytes");
        assert_eq!(restored, indicator, "{spec} is restored bit for bit");
        indicator = restored;
        indicator.reading().map(|reading| reading.to_f64(SCALE))
    };
    candles.iter().map(step).collect()
}

fn oracle(spec: IndicatorSpec, candles: &[ClosedCandle]) -> Vec<Option<f64>> {
    let column = |price: fn(&ClosedCandle) -> f64| candles.iter().map(price).collect::<Vec<f64>>();
    let (high, low) = (column(|c| c.high().to_f64()), column(|c| c.low().to_f64()));
    let close = column(|c| c.close().to_f64());
    let (core, last, mut out) = (Core::new(), close.len() - 1, vec![0.0; close.len()]);
    let range = match spec {
        IndicatorSpec::Sma(n) => core.sma(0, last, &close, i32::try_from(n.get()).unwrap(), &mut out),
        IndicatorSpec::Ema(n) => core.ema(0, last, &close, i32::try_from(n.get()).unwrap(), &mut out),
        IndicatorSpec::Atr(n) => core.atr(0, last, &high, &low, &close, i32::try_from(n.get()).unwrap(), &mut out),
    };
    let range = range.unwrap();
    let mut values = vec![None; range.beg_idx];
    values.extend(out[..range.count].iter().map(|value| Some(*value)));
    values.resize(candles.len(), None);
    values
}

#[test]
fn sma_ema_and_atr_equal_ta_lib_on_every_bundled_series() {
    let mut compared = 0;
    for file in bundled::FILES {
        let candles = candles(file);
        for text in [
            "sma(2)", "sma(10)", "sma(50)", "sma(200)", "ema(2)", "ema(12)", "ema(200)", "atr(1)", "atr(14)",
            "atr(100)",
        ] {
            let spec: IndicatorSpec = text.parse().unwrap();
            let (ours, theirs) = (streamed(spec, &candles), oracle(spec, &candles));
            for (at, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
                match (ours, theirs) {
                    (None, None) => {}
                    (Some(ours), Some(theirs)) => {
                        compared += 1;
                        let error = (ours - theirs).abs() / theirs.abs().max(f64::MIN_POSITIVE);
                        // A flat market's range is rounding noise in TA-Lib, and exactly zero here.
                        let noise = (ours - theirs).abs() <= candles[at].close().to_f64().abs() * 1e-15;
                        assert!(error <= TOLERANCE || noise, "{file} {spec} at {at}: {ours} is not {theirs}");
                    }
                    (ours, theirs) => panic!("{file} {spec} at {at}: {ours:?} but ta-lib {theirs:?}"),
                }
            }
        }
    }
    assert!(compared > 150_000, "only {compared} values were compared");
}
