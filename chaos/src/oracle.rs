//! What an undisturbed worker would find: the whole past of a series, computed anew.
//!
//! Owns a replay of the contract's rules that shares no code with the product. Means of windows are integers that are
//! compared by cross-multiplication; the recursive averages follow the textbook recurrence in 64-bit floats. It is as
//! plain as it can be and keeps nothing between two candles but the averages themselves.

use std::cmp::Ordering;

use sha2::{Digest, Sha256};

use crate::candle::{Candle, text};
use crate::series::Series;
use crate::strategy::{Average, STRATEGIES};

/// How many of a price's units are one: prices are thousandths.
const UNITS: i64 = 1_000;

/// A signal as it must be in the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// `sig_` and 32 hex digits.
    pub id: String,
    /// The strategy's name.
    pub strategy: String,
    /// `buy` or `sell`.
    pub direction: String,
    /// Open time of the candle that crossed.
    pub open_time: i64,
    /// Its close time.
    pub close_time: i64,
    /// Its close.
    pub price: String,
    /// The fast average.
    pub fast: f64,
    /// The slow average.
    pub slow: f64,
    /// The average true range, where the strategy has one.
    pub atr: Option<f64>,
}

/// The value of an average after a candle.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// Sum of so many closes, in thousandths.
    Mean(i64, usize),
    Float(f64),
}

impl Value {
    fn float(self) -> f64 {
        match self {
            // Both are exact in a float, so the quotient is the float nearest to the mean.
            Self::Mean(sum, count) => sum as f64 / (count as f64 * UNITS as f64),
            Self::Float(value) => value,
        }
    }

    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Mean(sum, count), Self::Mean(other_sum, other_count)) => {
                (i128::from(sum) * other_count as i128).cmp(&(i128::from(other_sum) * count as i128))
            }
            _ => self.float().total_cmp(&other.float()),
        }
    }
}

/// Returns every signal of a series, in order.
pub fn signals(series: &Series, candles: &[Candle]) -> Vec<Signal> {
    let mut found = Vec::new();
    for strategy in STRATEGIES.iter().filter(|strategy| strategy.covers(series)) {
        let (fast, slow) = (averages(strategy.fast, candles), averages(strategy.slow, candles));
        let ranges = strategy.atr.map(|period| true_ranges(period, candles));
        let orders: Vec<Option<Ordering>> =
            fast.iter().zip(&slow).map(|(fast, slow)| Some((*fast)?.compare((*slow)?))).collect();
        for (at, pair) in orders.windows(2).enumerate() {
            let direction = match (pair[0], pair[1]) {
                (Some(Ordering::Less | Ordering::Equal), Some(Ordering::Greater)) => "buy",
                (Some(Ordering::Greater | Ordering::Equal), Some(Ordering::Less)) => "sell",
                _ => continue,
            };
            let at = at + 1;
            let (Some(fast), Some(slow)) = (fast[at], slow[at]) else { continue };
            let atr = ranges.as_ref().map(|ranges| ranges[at]);
            // Without its range, a strategy that needs one has no signal.
            if atr == Some(None) {
                continue;
            }
            let Candle { open_time, close, .. } = candles[at];
            found.push(Signal {
                id: id(strategy.name, &series.name, open_time, direction),
                strategy: strategy.name.to_owned(),
                direction: direction.to_owned(),
                open_time,
                close_time: open_time + series.step_ms,
                price: text(close),
                fast: fast.float(),
                slow: slow.float(),
                atr: atr.flatten(),
            });
        }
    }
    // A stable sort: on one candle, the strategies stay in their order.
    found.sort_by_key(|signal| signal.open_time);
    found
}

/// Returns the averages that the state shows after the last candle, by their names.
pub fn shown(series: &Series, candles: &[Candle]) -> Vec<(String, Option<f64>)> {
    let covering = STRATEGIES.iter().filter(|strategy| strategy.covers(series));
    let value = |average| averages(average, candles).last().copied().flatten().map(Value::float);
    covering
        .flat_map(|strategy| {
            let range = strategy.atr.map(|n| (format!("atr({n})"), true_ranges(n, candles).last().copied().flatten()));
            let pair = [strategy.fast, strategy.slow].map(|average| (average.to_string(), value(average)));
            pair.into_iter().chain(range)
        })
        .collect()
}

/// `sig_` and the first 32 hex digits of SHA-256 of `strategy|series|open_time|direction`.
fn id(strategy: &str, series: &str, open_time: i64, direction: &str) -> String {
    let digest = Sha256::digest(format!("{strategy}|{series}|{open_time}|{direction}"));
    let first = digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte));
    format!("sig_{first:032x}")
}

/// Returns the average after each candle.
fn averages(average: Average, candles: &[Candle]) -> Vec<Option<Value>> {
    let closes: Vec<i64> = candles.iter().map(|candle| candle.close).collect();
    match average {
        Average::Sma(period) => {
            let mean = |end: usize| Value::Mean(closes[end - period..end].iter().sum(), period);
            (1..=closes.len()).map(|end| (end >= period).then(|| mean(end))).collect()
        }
        Average::Ema(period) => {
            let weight = 2.0 / (period as f64 + 1.0);
            let averages = seeded(period, 0, &closes, |average, close| average + weight * (close - average));
            averages.into_iter().map(|average| average.map(Value::Float)).collect()
        }
    }
}

/// Returns Wilder's average of the true ranges after each candle.
fn true_ranges(period: usize, candles: &[Candle]) -> Vec<Option<f64>> {
    let mut previous = None;
    let mut ranges = Vec::with_capacity(candles.len());
    for candle in candles {
        let before = previous.replace(candle.close).unwrap_or(candle.close);
        ranges.push(candle.high.max(before) - candle.low.min(before));
    }
    seeded(period, 1, &ranges, |average, range| average + (range - average) * (1.0 / period as f64))
}

/// Averages values: the mean of the first `period`, after `skipped` ones, then step by step.
fn seeded(period: usize, skipped: usize, values: &[i64], step: impl Fn(f64, f64) -> f64) -> Vec<Option<f64>> {
    let first = skipped + period - 1;
    let mut average = None;
    let mut averages = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        if at == first {
            let sum: i64 = values[skipped..=at].iter().sum();
            average = Some(Value::Mean(sum, period).float());
        } else {
            average = average.map(|average| step(average, Value::Mean(*value, 1).float()));
        }
        averages.push(average);
    }
    averages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series;

    fn candles(closes: &[i64]) -> Vec<Candle> {
        (1..).zip(closes).map(|(minute, close)| Candle::flat(minute * 60_000, close * UNITS)).collect()
    }

    #[test]
    fn id_is_the_one_of_the_contract() {
        // printf 'pulse|chaos:S00:1m|60000|buy' | sha256sum
        assert_eq!(id("pulse", "chaos:S00:1m", 60_000, "buy"), "sig_dd5800dadc58f9dd9461d219a61d08fa");
    }

    #[test]
    fn crossings_are_those_a_person_finds() {
        let series = &series::all()[0];
        // sma(2) against sma(3): equal, above, below by a touch, above.
        let found = signals(series, &candles(&[10, 10, 10, 12, 9, 12]));
        let pulse: Vec<(i64, &str)> = found
            .iter()
            .filter(|signal| signal.strategy == "pulse")
            .map(|signal| (signal.open_time / 60_000, signal.direction.as_str()))
            .collect();
        // 10 = 10; 11 > 10.67; 10.5 > 10.33; 10.5 < 11.
        assert_eq!(pulse, [(4, "buy"), (6, "sell")]);
        let (fast, slow) = (found[0].fast, found[0].slow);
        assert_eq!((fast.to_string(), slow.to_string()), ("11".to_owned(), "10.666666666666666".to_owned()));
    }

    #[test]
    fn recursive_averages_are_seeded_as_ta_lib_does() {
        let closes = candles(&[1, 2, 3, 4, 5]);
        let floats = |average| averages(average, &closes).into_iter().map(|value| value.map(Value::float));
        assert!(floats(Average::Ema(3)).eq([None, None, Some(2.0), Some(3.0), Some(4.0)]));
        assert!(floats(Average::Sma(4)).eq([None, None, None, Some(2.5), Some(3.5)]));
        assert_eq!(true_ranges(2, &closes), [None, None, Some(1.0), Some(1.0), Some(1.0)]);
    }
}
