//! Candles to try the indicators on, and a pass of one indicator over them.

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::decimal::Decimal;
use candlewire_common::indicator::{
    Indicator, IndicatorSpec, Line, Needs, Output, Reading, Sample, Source, Units, Window,
};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::bundled;

/// Every indicator there is, with short, odd, even and long periods, and of other prices.
pub(crate) const ALL: &[&str] = &[
    "sma(1)",
    "sma(2)",
    "sma(50)",
    "sma(200, hl2)",
    "ema(1)",
    "ema(2)",
    "ema(12, ohlc4)",
    "ema(200)",
    "wma(1)",
    "wma(7)",
    "wma(100, low)",
    "rma(1)",
    "rma(14)",
    "rma(30, high)",
    "dema(1)",
    "dema(5)",
    "dema(21, hlc3)",
    "tema(1)",
    "tema(4)",
    "tema(20)",
    "trima(1)",
    "trima(2)",
    "trima(9)",
    "trima(30, open)",
    "hma(2)",
    "hma(3)",
    "hma(16)",
    "hma(55, hlc3)",
    "kama(1)",
    "kama(2)",
    "kama(10)",
    "kama(30, hl2)",
    "zlema(1)",
    "zlema(2)",
    "zlema(9)",
    "zlema(34, hl2)",
    "t3(1)",
    "t3(5)",
    "t3(12, hlc3)",
    "alma(1)",
    "alma(9)",
    "alma(50, hl2)",
    "vwma(1)",
    "vwma(20)",
    "vwma(33, hlc3)",
    "lsma(2)",
    "lsma(14)",
    "lsma(25, ohlc4)",
    "atr(1)",
    "atr(14)",
    "atr(1, sma)",
    "atr(20, sma)",
    "rsi(2)",
    "rsi(14)",
    "rsi(9, hl2)",
    "macd(12, 26, 9)",
    "macd(1, 2, 1)",
    "macd(5, 7, 3, hl2)",
    "bbands(2, 2)",
    "bbands(20, 2)",
    "bbands(50, 0.5, hl2)",
    "adx(2)",
    "adx(14)",
];

/// The values of all these, in the way they are written.
pub(crate) fn lines(specs: &[&str]) -> Vec<Line> {
    let spec = |text: &&str| text.parse::<IndicatorSpec>().unwrap();
    specs
        .iter()
        .map(spec)
        .flat_map(|spec| spec.outputs().map(move |(output, _)| Line::Indicator(spec, output)))
        .collect()
}

/// Open, high, low, close and volume.
pub(crate) fn candle(open_time: i64, numbers: [&str; 5]) -> ClosedCandle {
    let [open, high, low, close, volume] = numbers.map(|text| text.parse().unwrap());
    let open_time = UnixMillis(open_time);
    ClosedCandle::new(open_time, Bar { open, high, low, close, volume }, open_time).unwrap()
}

pub(crate) fn bundled_candles(file: &str) -> Vec<ClosedCandle> {
    let read = |row: bundled::Row| candle(row.open_time, row.texts.each_ref().map(String::as_str));
    bundled::rows(file).into_iter().map(read).collect()
}

/// A random walk in ticks of `10^-decimals` from `start` ticks, with steps of up to `step` ticks: few make it rich in ties.
pub(crate) fn walk(seed: u64, candles: i64, decimals: usize, start: i64, step: i64) -> Vec<ClosedCandle> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut close = start;
    let text = |ticks: i64| {
        let unit = 10_i64.pow(u32::try_from(decimals).unwrap());
        format!("{}.{:0>decimals$}", ticks / unit, ticks % unit)
    };
    let candle_at = |at: i64| {
        let open = close;
        close = (close + random.i64(-step..=step)).max(2 * step);
        let (high, low) = (open.max(close) + random.i64(0..=step), open.min(close) - random.i64(0..=step));
        let volume = format!("{}.{:03}", random.i64(0..500), random.i64(0..1000));
        candle(at * 60_000, [&text(open), &text(high), &text(low), &text(close), &volume])
    };
    (1..=candles).map(candle_at).collect()
}

/// The units that hold all of these.
pub(crate) fn units(candles: &[ClosedCandle]) -> Units {
    candles.iter().fold(Units::default(), |units, candle| units.with(candle).unwrap())
}

/// One indicator and the window beside it.
#[derive(Clone)]
pub(crate) struct Pass {
    pub(crate) indicator: Indicator,
    pub(crate) window: Window,
    pub(crate) units: Units,
}

impl Pass {
    pub(crate) fn new(spec: IndicatorSpec, units: Units) -> Self {
        Self { indicator: Indicator::new(spec), window: Window::new(&Needs::NONE.and(spec.needs())), units }
    }

    pub(crate) fn step(&mut self, candle: &ClosedCandle) {
        let sample = Sample::new(candle, self.units).unwrap();
        self.indicator.step(&sample, &self.window);
        self.window.push(&sample);
    }

    pub(crate) fn feed(&mut self, candles: &[ClosedCandle]) {
        for candle in candles {
            self.step(candle);
        }
    }

    pub(crate) fn reading(&self, output: Output) -> Option<Reading> {
        self.indicator.reading(output, self.units.price.scale)
    }
}

/// The readings of a line after each candle.
pub(crate) fn readings(line: Line, candles: &[ClosedCandle]) -> Vec<Option<Reading>> {
    let units = units(candles);
    match line {
        Line::Price(source) => candles.iter().map(|candle| Some(price(candle, source, units.price.scale))).collect(),
        Line::Indicator(spec, output) => {
            let mut pass = Pass::new(spec, units);
            let after = |candle: &ClosedCandle| {
                pass.step(candle);
                pass.reading(output)
            };
            candles.iter().map(after).collect()
        }
    }
}

/// The values of a line after each candle.
pub(crate) fn values(line: Line, candles: &[ClosedCandle]) -> Vec<Option<f64>> {
    readings(line, candles).into_iter().map(|reading| reading.map(Reading::to_f64)).collect()
}

fn price(candle: &ClosedCandle, source: Source, scale: u8) -> Reading {
    Reading::Exact { numerator: ticks(candle, source, scale), denominator: source.divisor(), scale }
}

/// The sum of prices that a source is, in ticks.
pub(crate) fn ticks(candle: &ClosedCandle, source: Source, scale: u8) -> i128 {
    let price = |number: Decimal| number.ticks(scale).unwrap();
    let (open, high, low, close) =
        (price(candle.open()), price(candle.high()), price(candle.low()), price(candle.close()));
    match source {
        Source::Open => open,
        Source::High => high,
        Source::Low => low,
        Source::Close => close,
        Source::Hl2 => high + low,
        Source::Hlc3 => high + low + close,
        Source::Ohlc4 => open + high + low + close,
    }
}
