//! Candles, and the paths their prices take.
//!
//! Owns prices in whole thousandths and their text. A path is a function of the seed and its series' place, so the
//! n-th candle of a series is the same in every run with the seed. Steps are few and coarse: averages tie often.

use fastrand::Rng;

/// The open time of every series' first candle: 2020-01-01.
const GENESIS_MS: i64 = 1_577_836_800_000;
/// A step of the price, in thousandths.
const TICK: i64 = 125;
/// How far a price strays from where it began, in steps.
const STRAY: i64 = 40;

/// One closed candle. Prices are in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candle {
    /// Unix milliseconds.
    pub open_time: i64,
    /// The first price.
    pub open: i64,
    /// The highest.
    pub high: i64,
    /// The lowest.
    pub low: i64,
    /// The last.
    pub close: i64,
}

impl Candle {
    /// A candle whose prices are all the same.
    pub fn flat(open_time: i64, price: i64) -> Self {
        Self { open_time, open: price, high: price, low: price, close: price }
    }

    /// Returns open, high, low and close as they are published.
    pub fn texts(&self) -> [String; 4] {
        [self.open, self.high, self.low, self.close].map(text)
    }
}

/// Writes thousandths as a decimal without needless digits.
pub fn text(thousandths: i64) -> String {
    let decimal = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    decimal.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The candles of one series, one after the other.
#[derive(Clone, Debug)]
pub struct Path {
    random: Rng,
    step_ms: i64,
    begin: i64,
    open_time: i64,
    close: i64,
}

impl Path {
    /// Begins the path of the series at `place`.
    pub fn new(seed: u64, place: usize, step_ms: i64) -> Self {
        let mut random = Rng::with_seed(seed ^ (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let begin = random.i64(40..400) * 1_000;
        Self { random, step_ms, begin, open_time: GENESIS_MS, close: begin }
    }

    /// Returns the next candle. Every fiftieth or so leaves a gap before it.
    pub fn step(&mut self) -> Candle {
        let random = &mut self.random;
        let open = self.close;
        let pull = (self.close - self.begin) / (TICK * STRAY);
        let close = open + (random.i64(-2..=2) - pull) * TICK;
        let (above, below) = (random.i64(0..=1) * TICK, random.i64(0..=1) * TICK);
        let gap = if random.u8(0..50) == 0 { random.i64(1..4) } else { 0 };
        self.open_time += (1 + gap) * self.step_ms;
        self.close = close;
        Candle { open_time: self.open_time, open, high: open.max(close) + above, low: open.min(close) - below, close }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_have_as_many_decimals_as_they_need() {
        let texts = [100_000, 100_125, 99_750, 12_500, 7].map(text);
        assert_eq!(texts, ["100", "100.125", "99.75", "12.5", "0.007"]);
    }

    #[test]
    fn paths_are_candles_and_come_back_with_their_seed() {
        let (mut one, mut two, mut other) = (Path::new(7, 3, 60_000), Path::new(7, 3, 60_000), Path::new(7, 4, 60_000));
        let mut last = GENESIS_MS;
        let mut differ = false;
        for _ in 0..5_000 {
            let candle = one.step();
            assert_eq!(candle, two.step());
            differ |= candle.close != other.step().close;
            assert!(candle.open_time > last && candle.low > 0, "{candle:?}");
            assert!(candle.low <= candle.open.min(candle.close) && candle.high >= candle.open.max(candle.close));
            last = candle.open_time;
        }
        assert!(differ);
    }
}
