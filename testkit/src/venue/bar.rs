//! Trades, what they add up to, and how numbers are written.
//!
//! Owns exact integer sums: prices are counted in the market's last decimal, sizes in 1e-8. No floating point touches
//! them, so bars of any timeframe agree with each other and with their trades to the last digit.

/// Decimals of a size.
pub const SIZE_DECIMALS: u32 = 8;

/// One trade; on OANDA one price tick, whose price is the middle of bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Grows with time, unique per symbol, with holes.
    pub id: i64,
    /// When it happened.
    pub time_ms: i64,
    /// In units of the market's last decimal.
    pub price: i64,
    /// In units of 1e-8.
    pub size: i64,
    /// Whether the taker bought.
    pub taker_buys: bool,
}

/// What the trades of one bucket of time add up to; with none, flat at the price before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Start of the bucket.
    pub open_time_ms: i64,
    /// Length of the bucket.
    pub timeframe_ms: i64,
    /// First price.
    pub open: i64,
    /// Highest price.
    pub high: i64,
    /// Lowest price.
    pub low: i64,
    /// Last price.
    pub close: i64,
    /// Sum of the sizes, in 1e-8.
    pub volume: i64,
    /// Sum of price times size.
    pub turnover: i128,
    /// The part of the volume that takers bought.
    pub taker_volume: i64,
    /// The part of the turnover that takers bought.
    pub taker_turnover: i128,
    /// How many trades.
    pub count: i64,
    /// Id of the first trade, −1 without any.
    pub first_id: i64,
    /// Id of the last trade, −1 without any.
    pub last_id: i64,
}

impl Bar {
    /// Returns a bar without trades.
    pub fn flat(open_time_ms: i64, timeframe_ms: i64, price: i64) -> Self {
        Self {
            open_time_ms,
            timeframe_ms,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0,
            turnover: 0,
            taker_volume: 0,
            taker_turnover: 0,
            count: 0,
            first_id: -1,
            last_id: -1,
        }
    }

    /// Takes in the next trade.
    pub fn add(&mut self, trade: &Trade) {
        if self.count == 0 {
            (self.open, self.high, self.low, self.first_id) = (trade.price, trade.price, trade.price, trade.id);
        }
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        (self.close, self.last_id) = (trade.price, trade.id);
        let turnover = i128::from(trade.price) * i128::from(trade.size);
        self.volume += trade.size;
        self.turnover += turnover;
        if trade.taker_buys {
            self.taker_volume += trade.size;
            self.taker_turnover += turnover;
        }
        self.count += 1;
    }

    /// Returns the first millisecond after the bucket.
    pub fn end_ms(&self) -> i64 {
        self.open_time_ms + self.timeframe_ms
    }
}

/// Returns the start of the bucket that contains `time_ms`, of buckets that start `offset_ms` after UTC's.
pub(crate) fn bucket(time_ms: i64, timeframe_ms: i64, offset_ms: i64) -> i64 {
    (time_ms - offset_ms).div_euclid(timeframe_ms) * timeframe_ms + offset_ms
}

/// Writes `units` of 10^-`decimals` with all decimals.
pub(crate) fn fixed(units: i128, decimals: u32) -> String {
    if decimals == 0 {
        return units.to_string();
    }
    let scale = 10_u128.pow(decimals);
    let (whole, part) = (units.unsigned_abs() / scale, units.unsigned_abs() % scale);
    let sign = if units < 0 { "-" } else { "" };
    format!("{sign}{whole}.{part:0width$}", width = decimals as usize)
}

/// Writes `units` of 10^-`decimals` without zeros at the end.
pub(crate) fn trimmed(units: i128, decimals: u32) -> String {
    let text = fixed(units, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_exactly() {
        assert_eq!(fixed(-7, 2), "-0.07");
        assert_eq!(fixed(6_068_522_000_000, 8), "60685.22000000");
        assert_eq!(trimmed(6_631_240, 2), "66312.4");
        assert_eq!(trimmed(1_000, 2), "10");
        assert_eq!(trimmed(0, 8), "0");
        assert_eq!(trimmed(100, 0), "100");
    }

    #[test]
    fn buckets_start_where_they_are_told() {
        assert_eq!(bucket(119_999, 60_000, 0), 60_000);
        assert_eq!(bucket(-1, 60_000, 0), -60_000);
        assert_eq!(bucket(0, 86_400_000, -28_800_000), -28_800_000);
    }
}
