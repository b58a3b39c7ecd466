//! Averages over a window against their definitions, computed from scratch for every candle: exact ratios of whole
//! numbers, which must be met exactly, and real weights, which must be met to eleven digits.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Line, Reading, Source};
use candlewire_testkit::bundled;

use crate::support::{bundled_candles, readings, ticks, units, values, walk};

/// What a definition makes of the prices up to a candle, oldest first: numerator and denominator.
pub(crate) type Definition = fn(&[i128], usize) -> Option<(i128, i128)>;

/// The averages over a window of one column.
pub(crate) const WINDOWED: &[(&str, Definition)] =
    &[("sma", sma), ("wma", wma), ("trima", trima), ("hma", hma), ("lsma", lsma)];

fn last(x: &[i128], n: usize) -> Option<&[i128]> {
    x.get(x.len().checked_sub(n)?..)
}

pub(crate) fn sma(x: &[i128], n: usize) -> Option<(i128, i128)> {
    Some((last(x, n)?.iter().sum(), n as i128))
}

pub(crate) fn wma(x: &[i128], n: usize) -> Option<(i128, i128)> {
    let weighted = (1..).zip(last(x, n)?).map(|(weight, x)| weight * x).sum();
    Some((weighted, (1..=n as i128).sum()))
}

/// Of averages with a common denominator, the average.
fn over(averages: &[Option<(i128, i128)>], average: Definition) -> Option<(i128, i128)> {
    let numerators =
        averages.iter().map(|average| average.map(|(numerator, _)| numerator)).collect::<Option<Vec<_>>>()?;
    let (_, denominator) = averages.last()?.as_ref()?;
    let (sum, count) = average(&numerators, numerators.len())?;
    Some((sum, count * denominator))
}

/// The averages of the last `count` candles.
fn lately(x: &[i128], count: usize, average: impl Fn(&[i128]) -> Option<(i128, i128)>) -> Vec<Option<(i128, i128)>> {
    (0..count).rev().map(|back| average(x.get(..x.len().checked_sub(back)?)?)).collect()
}

fn trima(x: &[i128], n: usize) -> Option<(i128, i128)> {
    let (inner, outer) = if n % 2 == 1 { (n.div_ceil(2), n.div_ceil(2)) } else { (n / 2, n / 2 + 1) };
    over(&lately(x, outer, |x| sma(x, inner)), sma)
}

fn hma(x: &[i128], n: usize) -> Option<(i128, i128)> {
    let difference = |x: &[i128]| {
        let ((half, a), (full, b)) = (wma(x, n / 2)?, wma(x, n)?);
        Some((2 * half * b - full * a, a * b))
    };
    over(&lately(x, n.isqrt(), difference), wma)
}

/// The end of the regression line over 0, 1, … n-1: intercept and slope by the textbook.
fn lsma(x: &[i128], n: usize) -> Option<(i128, i128)> {
    let x = last(x, n)?;
    let n = n as i128;
    let (times, squares) = ((0..n).sum::<i128>(), (0..n).map(|t| t * t).sum::<i128>());
    let (prices, products) = (x.iter().sum::<i128>(), (0..).zip(x).map(|(t, x)| t * x).sum::<i128>());
    let determinant = n * squares - times * times;
    let (slope, intercept) = (n * products - times * prices, squares * prices - times * products);
    Some((intercept + slope * (n - 1), determinant))
}

/// Compares two ratios by cross-multiplication, and a reading that must be exact with one.
fn assert_exact(reading: Option<Reading>, expected: Option<(i128, i128)>, scale: u8, what: impl Fn() -> String) {
    let expected = expected.map(|(numerator, denominator)| Reading::Exact { numerator, denominator, scale });
    match (reading, expected) {
        (Some(reading @ Reading::Exact { .. }), Some(expected)) => {
            assert!(reading.compare(expected).is_eq(), "{}: {reading:?} is not {expected:?}", what());
            assert_eq!(reading.to_f64().to_bits(), expected.to_f64().to_bits(), "{}", what());
        }
        (reading, expected) => assert_eq!(reading, expected, "{}", what()),
    }
}

/// The series that every definition is tried on: a calm and a busy real one, ties, and fine ticks.
fn tried() -> Vec<(&'static str, Vec<ClosedCandle>)> {
    let mut all: Vec<_> = bundled::FILES.iter().map(|file| (*file, bundled_candles(file))).collect();
    all.push(("ties", walk(7, 4_000, 3, 1_100, 1)));
    all.push(("fine", walk(8, 4_000, 9, 42_000_123_456_789, 9_876_543_210)));
    all
}

#[test]
fn averages_over_a_window_are_their_definitions_exactly() {
    for (name, candles) in tried() {
        let scale = units(&candles).price.scale;
        for (source, divisor) in [(Source::Close, 1), (Source::Hlc3, 3)] {
            let column: Vec<i128> = candles.iter().map(|candle| ticks(candle, source, scale)).collect();
            for (average, definition) in WINDOWED {
                for n in [2, 3, 4, 9, 16, 35] {
                    let line = format!("{average}({n}, {source})");
                    let found = readings(line.parse().unwrap(), &candles);
                    for (at, reading) in found.into_iter().enumerate() {
                        let expected = definition(&column[..=at], n).map(|(sum, count)| (sum, count * divisor));
                        assert_exact(reading, expected, scale, || format!("{name} {line} at {at}"));
                    }
                }
            }
        }
    }
}

#[test]
fn volumes_weigh_exactly() {
    for (name, candles) in tried() {
        let units = units(&candles);
        let price = |candle: &ClosedCandle| ticks(candle, Source::Hl2, units.price.scale);
        let volume = |candle: &ClosedCandle| candle.volume().ticks(units.volume.scale).unwrap();
        for n in [1, 5, 20] {
            let found = readings(format!("vwma({n}, hl2)").parse().unwrap(), &candles);
            for (at, reading) in found.into_iter().enumerate() {
                let window = (at + 1 >= n).then(|| &candles[at + 1 - n..=at]);
                let sums = window.map(|window| {
                    let turnover = window.iter().map(|candle| price(candle) * volume(candle)).sum::<i128>();
                    (turnover, 2 * window.iter().map(volume).sum::<i128>())
                });
                let expected = sums.filter(|(_, volume)| *volume > 0);
                assert_exact(reading, expected, units.price.scale, || format!("{name} vwma({n}, hl2) at {at}"));
            }
        }
    }
}

#[test]
fn the_plain_mean_of_true_ranges_is_exact() {
    for (name, candles) in tried() {
        let scale = units(&candles).price.scale;
        let tick = |at: usize, source| ticks(&candles[at], source, scale);
        let range = |at: usize| {
            let (high, low, before) = (tick(at, Source::High), tick(at, Source::Low), tick(at - 1, Source::Close));
            (high - low).max((high - before).abs()).max((low - before).abs())
        };
        for n in [1, 14] {
            let found = readings(format!("atr({n}, sma)").parse().unwrap(), &candles);
            for (at, reading) in found.into_iter().enumerate() {
                let expected = (at >= n).then(|| ((at + 1 - n..=at).map(range).sum(), n as i128));
                assert_exact(reading, expected, scale, || format!("{name} atr({n}, sma) at {at}"));
            }
        }
    }
}

/// Compares values with floats that a definition gives, to eleven digits of `size`.
fn assert_close(line: Line, candles: &[ClosedCandle], size: f64, definition: impl Fn(usize) -> Option<f64>) {
    for (at, value) in values(line, candles).into_iter().enumerate() {
        match (value, definition(at)) {
            (Some(value), Some(expected)) => {
                let is_close = (value - expected).abs() <= 1e-11 * expected.abs() * size;
                assert!(is_close, "{line} at {at}: {value} is not {expected}");
            }
            (value, expected) => assert_eq!(value, expected, "{line} at {at}"),
        }
    }
}

#[test]
fn the_bell_is_not_put_on_a_whole_candle() {
    for (_, candles) in tried() {
        for n in [1_usize, 2, 9, 50] {
            let (peak, width) = (0.85 * (n as f64 - 1.0), n as f64 / 6.0);
            let weights: Vec<f64> =
                (0..n).map(|i| (-(i as f64 - peak).powi(2) / (2.0 * width * width)).exp()).collect();
            assert_close(format!("alma({n})").parse().unwrap(), &candles, 1.0, |at| {
                let window = &candles[(at + 1).checked_sub(n)?..=at];
                let weighted = window.iter().zip(&weights).map(|(candle, weight)| candle.close().to_f64() * weight);
                Some(weighted.sum::<f64>() / weights.iter().sum::<f64>())
            });
        }
    }
}

#[test]
fn bands_are_as_wide_as_the_exact_variance_says() {
    for (_, candles) in tried() {
        let scale = units(&candles).price.scale;
        let column: Vec<i128> = candles.iter().map(|candle| ticks(candle, Source::Close, scale)).collect();
        for n in [2_usize, 20] {
            let deviation = |at: usize| {
                let window = &column[(at + 1).checked_sub(n)?..=at];
                let (sum, n) = (window.iter().sum::<i128>(), n as i128);
                let distances: i128 = window.iter().map(|x| (n * x - sum).pow(2)).sum();
                // Divided by n twice for the distances' sake, once for the mean.
                Some((distances as f64 / n as f64).sqrt() / n as f64 / 10_f64.powi(scale.into()))
            };
            let line = |output: &str| format!("bbands({n}, 3){output}").parse::<Line>().unwrap();
            let middle = values(line(""), &candles);
            assert_close(line(".upper"), &candles, 1.0, |at| Some(middle[at]? + 3.0 * deviation(at)?));
            assert_close(line(".lower"), &candles, 1.0, |at| Some(middle[at]? - 3.0 * deviation(at)?));
        }
    }
}

/// The recurrences on another price than the close: the same as on candles whose close is that price.
#[test]
fn every_source_is_read_as_it_is_named() {
    let candles = walk(9, 600, 2, 10_000, 40);
    for source in Source::ALL {
        let mean = |candle: &ClosedCandle| {
            let (open, high) = (candle.open().to_f64(), candle.high().to_f64());
            let (low, close) = (candle.low().to_f64(), candle.close().to_f64());
            match source {
                Source::Open => open,
                Source::High => high,
                Source::Low => low,
                Source::Close => close,
                Source::Hl2 => f64::midpoint(high, low),
                Source::Hlc3 => (high + low + close) / 3.0,
                Source::Ohlc4 => (open + high + low + close) / 4.0,
            }
        };
        let prices: Vec<f64> = candles.iter().map(mean).collect();
        let mut ema = prices[..9].iter().sum::<f64>() / 9.0;
        let mut expected = vec![None; 8];
        expected.push(Some(ema));
        for price in &prices[9..] {
            ema = 0.2 * price + 0.8 * ema;
            expected.push(Some(ema));
        }
        assert_close(format!("ema(9, {source})").parse().unwrap(), &candles, 1.0, |at| expected[at]);
        assert_close(Line::Price(source), &candles, 1.0, |at| Some(prices[at]));
    }
}
