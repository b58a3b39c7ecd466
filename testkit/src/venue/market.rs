//! The market behind a mock venue: the ground truth.
//!
//! Owns a pure function of seed, symbol and time: which trades happened in a minute, at which price and size. There
//! is no running state, so any hour can be asked at once, in any order, and always answers the same. Bars are added up
//! from these trades, for every timeframe.

use super::bar::{Bar, SIZE_DECIMALS, Trade, bucket};
use super::kind::VenueKind;

/// Length of the grid on which trades are made up.
const MINUTE_MS: i64 = 60_000;

/// At most so many trades in a minute.
const TRADES_MAX: i64 = 8;

/// 2020-01-01: there is no trade before.
const LISTED_MS: i64 = 1_577_836_800_000;

/// Waves of the price: length in ms, and height in parts of the base price.
const WAVES: [(i64, i64); 4] = [(172_800_000, 12), (21_600_000, 60), (3_600_000, 250), (600_000, 900)];

/// A made-up market of some symbols, named canonically (`BASE-QUOTE`).
#[derive(Clone, Debug)]
pub struct Market {
    seed: u64,
    symbols: Vec<String>,
    price_decimals: u32,
    empty_percent: u32,
    closed: Vec<(i64, i64)>,
    listed_ms: i64,
}

/// A candle as a venue's REST API shows it once all is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruthCandle {
    /// Start of the candle.
    pub open_time_ms: i64,
    /// First price.
    pub open: String,
    /// Highest price.
    pub high: String,
    /// Lowest price.
    pub low: String,
    /// Last price.
    pub close: String,
    /// Volume; on OANDA the number of ticks.
    pub volume: String,
}

impl Market {
    /// Returns a market with prices of two decimals, in which a tenth of all minutes has no trade.
    pub fn new(seed: u64, symbols: &[&str]) -> Self {
        let symbols = symbols.iter().map(|&symbol| symbol.to_owned()).collect();
        Self { seed, symbols, price_decimals: 2, empty_percent: 10, closed: Vec::new(), listed_ms: LISTED_MS }
    }

    /// Sets how many minutes of a hundred have no trade.
    #[must_use]
    pub fn with_empty_share(mut self, percent: u32) -> Self {
        self.empty_percent = percent;
        self
    }

    /// Sets the decimals of prices, at most 8.
    #[must_use]
    pub fn with_price_decimals(mut self, decimals: u32) -> Self {
        self.price_decimals = decimals.min(SIZE_DECIMALS);
        self
    }

    /// Closes the market in `from_ms..to_ms`: there is no trade then.
    #[must_use]
    pub fn with_closed(mut self, from_ms: i64, to_ms: i64) -> Self {
        self.closed.push((from_ms, to_ms));
        self
    }

    /// Sets the moment of the first trade, 2020-01-01 if it isn't.
    #[must_use]
    pub fn with_listed(mut self, listed_ms: i64) -> Self {
        self.listed_ms = listed_ms;
        self
    }

    /// Returns the canonical names of all symbols.
    pub fn symbols(&self) -> &[String] {
        &self.symbols
    }

    /// Returns the decimals of prices.
    pub fn price_decimals(&self) -> u32 {
        self.price_decimals
    }

    /// Returns the moment before which there is no trade.
    pub fn listed_ms(&self) -> i64 {
        self.listed_ms
    }

    /// Returns whether the market is closed at `time_ms`.
    pub fn is_closed(&self, time_ms: i64) -> bool {
        self.closed_until(time_ms).is_some()
    }

    fn closed_until(&self, time_ms: i64) -> Option<(i64, i64)> {
        self.closed.iter().copied().find(|&(from, to)| (from..to).contains(&time_ms))
    }

    /// Returns the trades in `from_ms..to_ms` in order.
    pub fn trades(&self, symbol: &str, from_ms: i64, to_ms: i64) -> Vec<Trade> {
        let key = self.key(symbol);
        let minutes = from_ms.max(self.listed_ms).div_euclid(MINUTE_MS)..=(to_ms - 1).div_euclid(MINUTE_MS);
        let mut trades = Vec::new();
        for minute in minutes {
            self.minute(key, minute, &mut trades);
        }
        trades.retain(|trade| (from_ms..to_ms).contains(&trade.time_ms) && trade.time_ms >= self.listed_ms);
        trades
    }

    /// Returns one bar for each bucket that starts at `from_ms`, `from_ms + timeframe_ms`, … before `to_ms`, added up
    /// from the trades before `until_ms`; buckets without any are flat at the price before.
    pub fn bars(&self, symbol: &str, timeframe_ms: i64, from_ms: i64, to_ms: i64, until_ms: i64) -> Vec<Bar> {
        let mut bars = Vec::new();
        if from_ms >= to_ms {
            return bars;
        }
        let mut price = self.price_before(symbol, from_ms);
        let end = (from_ms + (to_ms - from_ms + timeframe_ms - 1) / timeframe_ms * timeframe_ms).min(until_ms);
        let mut trades = self.trades(symbol, from_ms, end).into_iter().peekable();
        let mut open_time_ms = from_ms;
        while open_time_ms < to_ms {
            let mut bar = Bar::flat(open_time_ms, timeframe_ms, price);
            while let Some(trade) = trades.next_if(|trade| trade.time_ms < bar.end_ms()) {
                bar.add(&trade);
            }
            price = bar.close;
            bars.push(bar);
            open_time_ms += timeframe_ms;
        }
        bars
    }

    /// Returns the price of the last trade before `time_ms`.
    pub fn price_before(&self, symbol: &str, time_ms: i64) -> i64 {
        let key = self.key(symbol);
        let mut minute = (time_ms - 1).div_euclid(MINUTE_MS);
        let mut trades = Vec::new();
        while minute * MINUTE_MS + MINUTE_MS > self.listed_ms {
            self.minute(key, minute, &mut trades);
            trades.retain(|trade| trade.time_ms < time_ms && trade.time_ms >= self.listed_ms);
            if let Some(last) = trades.last() {
                return last.price;
            }
            let closed_from_ms = self.closed_until(minute * MINUTE_MS).map_or(i64::MAX, |(from_ms, _)| from_ms);
            minute = (minute - 1).min((closed_from_ms - 1).div_euclid(MINUTE_MS));
        }
        price_at(key, self.listed_ms)
    }

    /// Returns the candles that start in `from_ms..to_ms` (aligned to UTC) as the venue's REST API shows them.
    pub fn truth(
        &self,
        kind: VenueKind,
        symbol: &str,
        timeframe_ms: i64,
        from_ms: i64,
        to_ms: i64,
    ) -> Vec<TruthCandle> {
        let from_ms = bucket(from_ms.max(self.listed_ms) + timeframe_ms - 1, timeframe_ms, 0);
        let mut bars = self.bars(symbol, timeframe_ms, from_ms, to_ms, i64::MAX);
        bars.retain(|bar| bar.count > 0 || kind.shows_empty());
        let text = |units| kind.price_text(units, self.price_decimals);
        let candle = |bar: &Bar| TruthCandle {
            open_time_ms: bar.open_time_ms,
            open: text(bar.open),
            high: text(bar.high),
            low: text(bar.low),
            close: text(bar.close),
            volume: kind.volume_text(bar),
        };
        bars.iter().map(candle).collect()
    }

    fn key(&self, symbol: &str) -> u64 {
        symbol.bytes().fold(mix(self.seed), |key, byte| mix(key ^ u64::from(byte)))
    }

    fn minute(&self, key: u64, minute: i64, trades: &mut Vec<Trade>) {
        let dice = at(key, 1, minute);
        if dice % 100 < u64::from(self.empty_percent) {
            return;
        }
        let mut offsets: Vec<i64> = (0..=below(dice >> 8, TRADES_MAX))
            .map(|nth| below(at(key, 2, minute * TRADES_MAX + nth), MINUTE_MS))
            .collect();
        offsets.sort_unstable();
        for (nth, offset_ms) in (0..).zip(offsets) {
            let (id, time_ms) = (minute * TRADES_MAX + nth, minute * MINUTE_MS + offset_ms);
            let dice = at(key, 3, id);
            let smooth = price_at(key, time_ms);
            let jitter = below(dice, smooth / 2_000 + 3) - smooth / 4_000 - 1;
            let size = below(dice >> 24, 150_000_000) + 1;
            let trade = Trade { id, time_ms, price: smooth + jitter, size, taker_buys: dice >> 63 == 1 };
            if !self.is_closed(time_ms) {
                trades.push(trade);
            }
        }
    }
}

/// Returns the smooth part of the price.
fn price_at(key: u64, time_ms: i64) -> i64 {
    let base = 1_000_000 + below(key, 5_000_000);
    let wave = |(nth, (length, parts)): (u64, (i64, i64))| {
        let (point, into) = (time_ms.div_euclid(length), time_ms.rem_euclid(length));
        let height = (base / parts).max(1);
        let corner = |point| below(at(key, 16 + nth, point), 2 * height + 1) - height;
        let (left, right) = (corner(point), corner(point + 1));
        let rise = i128::from(right - left) * i128::from(into) / i128::from(length);
        left + i64::try_from(rise).unwrap_or(0)
    };
    base + (0..).zip(WAVES).map(wave).sum::<i64>()
}

/// Scrambles a number (the finisher of splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn at(key: u64, purpose: u64, point: i64) -> u64 {
    mix(mix(key ^ purpose.wrapping_mul(0x2545_f491_4f6c_dd1d)) ^ point.cast_unsigned())
}

/// Returns a number of `0..limit` from a scrambled one.
fn below(dice: u64, limit: i64) -> i64 {
    i64::try_from(dice % limit.unsigned_abs().max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const START_MS: i64 = 1_790_000_000_000 / HOUR_MS * HOUR_MS;

    fn market() -> Market {
        Market::new(7, &["BTC-USDT", "ETH-USDT"])
    }

    #[test]
    fn any_part_of_the_market_is_the_same_part() {
        let whole = market().trades("BTC-USDT", START_MS, START_MS + HOUR_MS);
        let second_half = market().trades("BTC-USDT", START_MS + HOUR_MS / 2, START_MS + HOUR_MS);
        assert!(whole.ends_with(&second_half) && whole.len() > second_half.len() && second_half.len() > 60);
        assert!(whole.is_sorted_by(|a, b| a.id < b.id && a.time_ms <= b.time_ms));
        assert_ne!(whole, market().trades("ETH-USDT", START_MS, START_MS + HOUR_MS));
    }

    #[test]
    fn timeframes_agree() {
        let hour = market().bars("BTC-USDT", HOUR_MS, START_MS, START_MS + HOUR_MS, i64::MAX)[0];
        for timeframe_ms in [1_000, 5_000, 60_000, 300_000] {
            let parts = market().bars("BTC-USDT", timeframe_ms, START_MS, START_MS + HOUR_MS, i64::MAX);
            assert_eq!(parts.iter().map(|bar| bar.volume).sum::<i64>(), hour.volume);
            assert_eq!(parts.iter().map(|bar| bar.turnover).sum::<i128>(), hour.turnover);
            assert_eq!(parts.iter().map(|bar| bar.count).sum::<i64>(), hour.count);
            let traded: Vec<_> = parts.iter().filter(|bar| bar.count > 0).collect();
            assert_eq!(traded.iter().map(|bar| bar.high).max(), Some(hour.high));
            assert_eq!(traded.iter().map(|bar| bar.low).min(), Some(hour.low));
            assert_eq!(traded.first().map(|bar| bar.open), Some(hour.open));
            assert_eq!(traded.last().map(|bar| bar.close), Some(hour.close));
        }
    }

    #[test]
    fn empty_minutes_are_flat_or_absent() {
        let day_ms = 24 * HOUR_MS;
        let rows = |kind| market().truth(kind, "BTC-USDT", 60_000, START_MS, START_MS + day_ms);
        let (all, traded) = (rows(VenueKind::Binance), rows(VenueKind::Coinbase));
        assert_eq!(all.len(), 1_440);
        assert!((1_200..1_390).contains(&traded.len()), "{}", traded.len());
        for pair in all.windows(2).filter(|pair| pair[1].volume == "0.00000000") {
            assert!([&pair[1].open, &pair[1].high, &pair[1].low, &pair[1].close].iter().all(|p| **p == pair[0].close));
        }
    }

    #[test]
    fn nothing_is_traded_while_closed() {
        let (from, to) = (START_MS + 90_000, START_MS + 48 * HOUR_MS);
        let market = market().with_closed(from, to);
        assert_eq!(market.trades("BTC-USDT", from, to), []);
        let last = market.trades("BTC-USDT", START_MS, from).last().map(|trade| trade.price);
        assert_eq!(Some(market.price_before("BTC-USDT", to)), last);
        assert_eq!(Some(market.price_before("BTC-USDT", from)), last);
    }
}
