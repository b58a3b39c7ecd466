//! An average that was seeded inside of a series has 8 digits after as many candles as it says.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{IndicatorSpec, Unit};

use crate::support::{ALL, Pass, bundled_candles, units, walk};

fn assert_settles(spec: IndicatorSpec, candles: &[ClosedCandle]) -> bool {
    let Some(from) = candles.len().checked_sub(spec.settling()).filter(|from| *from > 0) else { return false };
    let (mut whole, mut late) = (Pass::new(spec, units(candles)), Pass::new(spec, units(candles)));
    whole.feed(candles);
    late.feed(&candles[from..]);
    let price = candles.last().unwrap().close().to_f64();
    let size = if spec.unit() == Unit::Percent { 100.0 } else { price };
    for (output, _) in spec.outputs() {
        let [whole, late] = [&whole, &late].map(|pass| pass.reading(output).unwrap().to_f64());
        assert!((whole - late).abs() <= 1e-8 * size, "{spec}: {late} after {} candles, not {whole}", spec.settling());
    }
    true
}

#[test]
fn eight_digits_are_there_when_they_are_promised() {
    let real = bundled_candles("EURUSD-1h-2017.csv");
    let walks: Vec<_> = (41..44).map(|seed| walk(seed, 7_000, 2, 100_000, 200)).collect();
    let mut tried = 0;
    for spec in ALL.iter().map(|text| text.parse::<IndicatorSpec>().unwrap()) {
        tried += std::iter::once(&real).chain(&walks).filter(|candles| assert_settles(spec, candles)).count();
    }
    assert!(tried > 200, "only {tried} were tried");
}
