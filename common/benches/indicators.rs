//! Each indicator's cost of a candle, beside that of TA-Lib's streaming one: `cargo bench -p candlewire-common`.
//!
//! `candlewire` moves the state and the window on and reads the value as a float; `ta-lib` updates its stream, which
//! answers with the value. Each candle is a call that the compiler can't see through, because candles come one by one,
//! each for another series: in a loop that it can, it keeps some of the states in registers and others not, and tells
//! more of itself than of the indicators.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::indicator::{Indicator, IndicatorSpec, Output, Reading, Sample, Units, Window};
use candlewire_common::time::UnixMillis;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ta_lib::{Core, MAType, RetCode};

/// Few enough to stay close to the processor, as a candle does that has just come.
const CANDLES: usize = 256;
/// How often they pass in one measurement.
const PASSES: usize = 16;

/// A bar as TA-Lib takes it.
#[derive(Clone, Copy)]
struct Floats {
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
}

fn candles() -> Vec<ClosedCandle> {
    let mut random = fastrand::Rng::with_seed(20_261_124);
    let mut close = 4_200_137_i64;
    let number = |ticks: i64| format!("{}.{:02}", ticks / 100, ticks % 100).parse().unwrap();
    let candle = |at: i64| {
        let open = close;
        close += random.i64(-250..=250);
        let (high, low) = (open.max(close) + random.i64(0..=99), open.min(close) - random.i64(0..=99));
        let volume = number(random.i64(0..50_000));
        let bar = Bar { open: number(open), high: number(high), low: number(low), close: number(close), volume };
        ClosedCandle::new(UnixMillis(at * 60_000), bar, UnixMillis(at * 60_000)).unwrap()
    };
    (1..=i64::try_from(CANDLES).unwrap()).map(candle).collect()
}

fn ours(criterion: &mut Criterion, text: &str, candles: &[ClosedCandle]) {
    let spec: IndicatorSpec = text.parse().unwrap();
    let units = candles.iter().fold(Units::default(), |units, candle| units.with(candle).unwrap());
    let samples: Vec<Sample> = candles.iter().map(|candle| Sample::new(candle, units).unwrap()).collect();
    let (mut indicator, mut window) = (Indicator::new(spec), Window::new(&spec.needs()));
    let mut update = |sample: &Sample| {
        indicator.step(sample, &window);
        window.push(sample);
        indicator.reading(Output::MAIN, units.price.scale).map_or(0.0, Reading::to_f64)
    };
    let update: &mut dyn FnMut(&Sample) -> f64 = black_box(&mut update);
    let mut group = criterion.benchmark_group(text);
    group.throughput(Throughput::Elements((CANDLES * PASSES) as u64));
    group.bench_function("candlewire", |bencher| {
        bencher.iter(|| {
            for _ in 0..PASSES {
                for sample in &samples {
                    black_box(update(sample));
                }
            }
        });
    });
    group.finish();
}

/// Each pass begins with a copy of the stream: one that has counted too many candles only answers with an error.
fn theirs<S: Clone, T>(
    criterion: &mut Criterion,
    text: &str,
    floats: &[Floats],
    opened: &S,
    update: impl Fn(&mut S, Floats) -> Result<T, RetCode>,
) {
    let mut group = criterion.benchmark_group(text);
    group.throughput(Throughput::Elements((CANDLES * PASSES) as u64));
    group.bench_function("ta-lib", |bencher| {
        bencher.iter(|| {
            let mut stream = opened.clone();
            let mut update = |candle| update(&mut stream, candle).unwrap();
            let update: &mut dyn FnMut(Floats) -> T = black_box(&mut update);
            for _ in 0..PASSES {
                for candle in floats {
                    black_box(update(*candle));
                }
            }
        });
    });
    group.finish();
}

/// Benches an indicator of the close beside TA-Lib's.
macro_rules! beside {
    ($criterion:ident, $candles:ident, $floats:ident, $closes:ident, $text:expr, $open:ident($($argument:expr),*)) => {
        ours($criterion, $text, &$candles);
        let stream = Core::new().$open(&$closes, $($argument),*).unwrap().0;
        theirs($criterion, $text, &$floats, &stream, |stream, candle| stream.update(candle.close));
    };
}

/// What a candle of ours is made of: the kernel's step; the window, which moves on once for all indicators of a series; and
/// the value as a float, which is needed where it is shown, not where two averages are compared.
fn parts(criterion: &mut Criterion, text: &str, candles: &[ClosedCandle]) {
    let spec: IndicatorSpec = text.parse().unwrap();
    let units = candles.iter().fold(Units::default(), |units, candle| units.with(candle).unwrap());
    let samples: Vec<Sample> = candles.iter().map(|candle| Sample::new(candle, units).unwrap()).collect();
    let (mut indicator, mut window) = (Indicator::new(spec), Window::new(&spec.needs()));
    for sample in &samples {
        indicator.step(sample, &window);
        window.push(sample);
    }
    let mut group = criterion.benchmark_group(format!("{text} in parts"));
    group.throughput(Throughput::Elements((CANDLES * PASSES) as u64));
    let passes = || (0..PASSES).flat_map(|_| &samples);
    group.bench_function("value", |bencher| {
        let value =
            |indicator: &Indicator| indicator.reading(Output::MAIN, units.price.scale).map_or(0.0, Reading::to_f64);
        bencher.iter(|| {
            for _ in 0..CANDLES * PASSES {
                black_box(value(black_box(&indicator)));
            }
        });
    });
    group.bench_function("step", |bencher| {
        bencher.iter(|| passes().for_each(|sample| black_box(&mut indicator).step(sample, &window)));
    });
    group.bench_function("window", |bencher| {
        bencher.iter(|| passes().for_each(|sample| black_box(&mut window).push(sample)));
    });
    group.finish();
}

fn indicators(criterion: &mut Criterion) {
    let candles = candles();
    for text in ["sma(50)", "wma(50)", "ema(50)", "rma(14)"] {
        parts(criterion, text, &candles);
    }
    let floats: Vec<Floats> = candles
        .iter()
        .map(|candle| Floats {
            high: candle.high().to_f64(),
            low: candle.low().to_f64(),
            close: candle.close().to_f64(),
            volume: candle.volume().to_f64(),
        })
        .collect();
    let column = |number: fn(&Floats) -> f64| floats.iter().map(number).collect::<Vec<f64>>();
    let (highs, lows) = (column(|candle| candle.high), column(|candle| candle.low));
    let (closes, volumes) = (column(|candle| candle.close), column(|candle| candle.volume));

    beside!(criterion, candles, floats, closes, "sma(50)", sma_open(50));
    beside!(criterion, candles, floats, closes, "sma(200)", sma_open(200));
    beside!(criterion, candles, floats, closes, "ema(50)", ema_open(50));
    beside!(criterion, candles, floats, closes, "wma(50)", wma_open(50));
    beside!(criterion, candles, floats, closes, "rma(14)", rma_open(14));
    beside!(criterion, candles, floats, closes, "dema(20)", dema_open(20));
    beside!(criterion, candles, floats, closes, "tema(20)", tema_open(20));
    beside!(criterion, candles, floats, closes, "trima(20)", trima_open(20));
    beside!(criterion, candles, floats, closes, "hma(55)", hma_open(55));
    beside!(criterion, candles, floats, closes, "kama(10)", kama_open(10));
    beside!(criterion, candles, floats, closes, "zlema(20)", zlema_open(20));
    beside!(criterion, candles, floats, closes, "t3(10)", t3_open(10, 0.7));
    beside!(criterion, candles, floats, closes, "alma(9)", alma_open(9, 6.0, 0.85));
    beside!(criterion, candles, floats, closes, "alma(50)", alma_open(50, 6.0, 0.85));
    beside!(criterion, candles, floats, closes, "lsma(25)", linearreg_open(25));
    beside!(criterion, candles, floats, closes, "rsi(14)", rsi_open(14));
    beside!(criterion, candles, floats, closes, "macd(12, 26, 9)", macd_open(12, 26, 9));
    beside!(criterion, candles, floats, closes, "bbands(20, 2)", bbands_open(20, 2.0, 2.0, MAType::SMA));

    ours(criterion, "vwma(20)", &candles);
    let vwma = Core::new().vwma_open(&closes, &volumes, 20).unwrap().0;
    theirs(criterion, "vwma(20)", &floats, &vwma, |stream, candle| stream.update(candle.close, candle.volume));
    ours(criterion, "atr(14)", &candles);
    let atr = Core::new().atr_open(&highs, &lows, &closes, 14).unwrap().0;
    theirs(criterion, "atr(14)", &floats, &atr, |stream, candle| stream.update(candle.high, candle.low, candle.close));
    ours(criterion, "atr(14, sma)", &candles);
    ours(criterion, "adx(14)", &candles);
    let adx = Core::new().adx_open(&highs, &lows, &closes, 14).unwrap().0;
    theirs(criterion, "adx(14)", &floats, &adx, |stream, candle| stream.update(candle.high, candle.low, candle.close));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(30);
    targets = indicators
}
criterion_main!(benches);
