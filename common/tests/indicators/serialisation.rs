//! A state that is saved and restored beside its window goes on as if nothing had been, bit for bit, at every candle.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Indicator, IndicatorSpec, Listing, Sample, Units};
use candlewire_testkit::bundled;
use proptest::prelude::*;

use crate::support::{ALL, Pass, bundled_candles, candle, units, walk};

fn saved(pass: &Pass) -> Vec<u8> {
    let mut bytes = Vec::new();
    pass.indicator.save(&mut bytes);
    bytes
}

fn assert_restored_at_every_candle(name: &str, candles: &[ClosedCandle]) {
    for text in ALL {
        let spec: IndicatorSpec = text.parse().unwrap();
        let mut pass = Pass::new(spec, units(candles));
        for (at, candle) in candles.iter().enumerate() {
            pass.step(candle);
            let bytes = saved(&pass);
            let restored = Indicator::restore(spec, &bytes, &pass.window, pass.units.price.scale).unwrap();
            assert_eq!(restored, pass.indicator, "{name} {text} at {at}");
            pass.indicator = restored;
        }
    }
}

#[test]
fn every_indicator_is_tried() {
    for listing in Listing::all() {
        let name = format!("{}(", listing.name);
        assert!(ALL.iter().any(|spec| spec.starts_with(&name)), "{name}");
    }
}

#[test]
fn every_indicator_survives_at_every_candle() {
    for file in bundled::FILES {
        assert_restored_at_every_candle(file, &bundled_candles(file));
    }
    assert_restored_at_every_candle("walk", &walk(21, 300, 2, 10_000, 30));
}

#[test]
fn bytes_of_another_indicator_are_refused() {
    let candles = walk(22, 60, 2, 10_000, 30);
    for (from, to) in [
        ("ema(9)", "dema(9)"),
        ("ema(9)", "sma(9)"),
        ("macd(3, 6, 4)", "ema(9)"),
        ("sma(9)", "ema(9)"),
        ("ema(99)", "ema(9)"),
    ] {
        let mut pass = Pass::new(from.parse().unwrap(), units(&candles));
        pass.feed(&candles);
        let restored = Indicator::restore(to.parse().unwrap(), &saved(&pass), &pass.window, 2);
        assert_eq!(restored, None, "{from} as {to}");
    }
}

/// Candles of which some show more decimals, of prices or volumes, than any before.
fn refined() -> impl Strategy<Value = Vec<ClosedCandle>> {
    let step = (-4_i64..=4, 0_usize..=2, 0_usize..=2, 0_i64..=3);
    proptest::collection::vec(step, 2..90).prop_map(|steps| {
        let mut level = 40;
        let bar = |(at, (step, decimals, finer, volume)): (i64, (i64, usize, usize, i64))| {
            level = (level + step).max(5);
            let text = |whole: i64| format!("{whole}.25{}", "3".repeat(if at > 30 { decimals } else { 0 }));
            let volume = format!("{volume}.5{}", "7".repeat(if at > 45 { finer } else { 0 }));
            candle(at * 60_000, [&text(level), &text(level + 1), &text(level - 2), &text(level), &volume])
        };
        (1..).zip(steps).map(bar).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ticks_that_become_finer_on_the_way_change_nothing(candles in refined()) {
        let finest = units(&candles);
        for text in ALL {
            let spec: IndicatorSpec = text.parse().unwrap();
            let mut fixed = Pass::new(spec, finest);
            let mut growing = Pass::new(spec, Units::default());
            for candle in &candles {
                fixed.step(candle);
                let units = growing.units.with(candle).unwrap();
                if let Some(finer) = units.finer_than(growing.units) {
                    growing.window.rescale(finer);
                    growing.indicator.rescale(finer);
                }
                growing.units = units;
                let sample = Sample::new(candle, units).unwrap();
                growing.indicator.step(&sample, &growing.window);
                growing.window.push(&sample);
                for (output, _) in spec.outputs() {
                    let bits = |pass: &Pass| pass.reading(output).map(|reading| reading.to_f64().to_bits());
                    prop_assert_eq!(bits(&growing), bits(&fixed), "{} at {}", text, candle.open_time());
                }
            }
        }
    }

    #[test]
    fn damaged_bytes_never_panic(noise in proptest::collection::vec(any::<u8>(), 0..80), cut in 0_usize..60, over in any::<bool>()) {
        let candles = walk(23, 70, 2, 10_000, 30);
        for text in ALL {
            let spec: IndicatorSpec = text.parse().unwrap();
            let mut pass = Pass::new(spec, units(&candles));
            pass.feed(&candles[..cut]);
            let mut bytes = saved(&pass);
            if over {
                bytes.iter_mut().zip(&noise).for_each(|(byte, noise)| *byte = *noise);
            } else {
                bytes.clone_from(&noise);
            }
            if let Some(restored) = Indicator::restore(spec, &bytes, &pass.window, 2) {
                pass.indicator = restored;
                pass.feed(&candles[cut..]);
            }
        }
    }
}
