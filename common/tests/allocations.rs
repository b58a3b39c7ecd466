//! A candle allocates nothing, whatever the indicator.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::indicator::{Indicator, IndicatorSpec, Listing, Reading, Sample, Units, Window};
use candlewire_common::time::UnixMillis;

const ALL: &[&str] = &[
    "sma(20)",
    "ema(20)",
    "wma(20)",
    "rma(20)",
    "dema(20)",
    "tema(20)",
    "trima(20)",
    "hma(20)",
    "kama(20)",
    "zlema(20)",
    "t3(5)",
    "alma(20)",
    "vwma(20)",
    "lsma(20)",
    "atr(20)",
    "atr(20, sma)",
    "rsi(20)",
    "macd(12, 26, 9)",
    "bbands(20, 2)",
    "adx(14)",
];

fn candle(at: i64) -> ClosedCandle {
    let number = |ticks: i64| format!("{ticks}.{:02}", at % 100).parse().unwrap();
    let close = 1_000 + at * 37 % 91;
    let bar = Bar {
        open: number(close),
        high: number(close + 9),
        low: number(close - 9),
        close: number(close),
        volume: number(at % 7),
    };
    ClosedCandle::new(UnixMillis(at), bar, UnixMillis(at)).unwrap()
}

#[test]
fn a_candle_allocates_nothing() {
    for listing in Listing::all() {
        assert!(ALL.iter().any(|text| text.starts_with(&format!("{}(", listing.name))), "{}", listing.name);
    }
    let candles: Vec<ClosedCandle> = (1..500).map(candle).collect();
    let units = candles.iter().fold(Units::default(), |units, candle| units.with(candle).unwrap());
    for spec in ALL.iter().map(|text| text.parse::<IndicatorSpec>().unwrap()) {
        let (mut indicator, mut window) = (Indicator::new(spec), Window::new(&spec.needs()));
        let mut values = 0;
        let allocated = allocation_counter::measure(|| {
            for candle in &candles {
                let sample = Sample::new(candle, units).unwrap();
                indicator.step(&sample, &window);
                window.push(&sample);
                for (output, _) in spec.outputs() {
                    values += usize::from(indicator.reading(output, units.price.scale).map(Reading::to_f64).is_some());
                }
            }
        });
        assert!(values > 300, "{spec} has only {values} values");
        assert_eq!(allocated.count_total, 0, "{spec}");
    }
}
