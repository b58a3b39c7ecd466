//! Candles built of trades, as Kraken builds its own: those without a trade stay at the price before.
//!
//! A candle comes out once it is whole, in order and without holes from the first known price on. Nothing here knows
//! of pages.

use candlewire_common::candle::Bar;
use candlewire_common::decimal::Decimal;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use super::trades::Trade;
use crate::venue::answer::{Row, RowState};

/// The candles of a range, as far as trades have told them.
#[derive(Debug)]
pub(super) struct Candles {
    timeframe_ms: i64,
    /// The open time of the first candle of the range.
    first_ms: i64,
    /// The open time of the first candle that has not come out.
    next_ms: i64,
    /// The open time of the first candle after the range.
    end_ms: i64,
    /// The last price before `next_ms`.
    previous: Option<Decimal>,
    /// The numbers so far of the candle that opened at `next_ms`, where it has a trade.
    forming: Option<Bar>,
    /// Whether candles were left out, as no price was known.
    left_out: bool,
}

impl Candles {
    /// Begins at the first candle that is not before `first`; ends before the one that holds `end`.
    pub(super) fn new(timeframe: Timeframe, first: UnixMillis, end: UnixMillis) -> Self {
        let timeframe_ms = timeframe.millis();
        let first_ms = floor(first.0.saturating_add(timeframe_ms - 1), timeframe_ms);
        Self {
            timeframe_ms,
            first_ms,
            next_ms: first_ms,
            end_ms: floor(end.0, timeframe_ms),
            previous: None,
            forming: None,
            left_out: false,
        }
    }

    /// Whether all have come out.
    pub(super) fn is_through(&self) -> bool {
        self.next_ms >= self.end_ms
    }

    /// Whether a candle lacks a price that older trades may tell.
    pub(super) fn lacks_price(&self) -> bool {
        self.left_out || (self.previous.is_none() && self.forming.is_none() && !self.is_through())
    }

    /// Takes the next trade.
    pub(super) fn take(&mut self, trade: Trade, rows: &mut Vec<Row>) {
        self.whole_until(trade.time, rows);
        let open_ms = floor(trade.time.0, self.timeframe_ms);
        let Trade { price, volume, .. } = trade;
        if open_ms < self.first_ms {
            self.previous = Some(price);
        } else if open_ms == self.next_ms && !self.is_through() {
            // Any other trade lies after the range, or comes late: its candle is out.
            let Some(bar) = &mut self.forming else {
                self.forming = Some(Bar { volume, ..flat(price) });
                return;
            };
            bar.high = bar.high.max(price);
            bar.low = bar.low.min(price);
            bar.close = price;
            bar.volume = bar.volume.add_cut(volume);
        }
    }

    /// All trades before `time` were taken: candles that ended by then are whole.
    pub(super) fn whole_until(&mut self, time: UnixMillis, rows: &mut Vec<Row>) {
        let until_ms = floor(time.0, self.timeframe_ms).min(self.end_ms);
        while self.next_ms < until_ms {
            match self.forming.take().or_else(|| self.previous.map(flat)) {
                Some(bar) => {
                    self.previous = Some(bar.close);
                    rows.push(Row { open_time: UnixMillis(self.next_ms), bar, state: RowState::Closed });
                }
                None => self.left_out = true,
            }
            self.next_ms = self.next_ms.saturating_add(self.timeframe_ms);
        }
    }
}

/// The open time of the candle that holds `time`: weeks too are counted from the epoch.
fn floor(time_ms: i64, timeframe_ms: i64) -> i64 {
    time_ms.saturating_sub(time_ms.rem_euclid(timeframe_ms))
}

fn flat(price: Decimal) -> Bar {
    Bar { open: price, high: price, low: price, close: price, volume: Decimal::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: i64 = 1_762_777_140;

    /// The candles of 4 minutes from `FIRST`, of trades told by second and price.
    fn built(trades: &[(i64, &str)]) -> (Vec<(i64, String)>, Candles) {
        let end = UnixMillis((FIRST + 240) * 1_000);
        let mut candles = Candles::new(Timeframe::M1, UnixMillis(FIRST * 1_000), end);
        let mut rows = Vec::new();
        for (second, price) in trades {
            let (price, volume) = (price.parse().unwrap(), "0.1".parse().unwrap());
            candles.take(Trade { time: UnixMillis((FIRST + second) * 1_000), price, volume, id: 0 }, &mut rows);
        }
        let told = |Row { open_time, bar, .. }: &Row| {
            let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
            ((open_time.0 / 1_000 - FIRST) / 60, numbers.join(" "))
        };
        (rows.iter().map(told).collect(), candles)
    }

    fn told(rows: &[(i64, &str)]) -> Vec<(i64, String)> {
        rows.iter().map(|(minute, numbers)| (*minute, (*numbers).to_owned())).collect()
    }

    #[test]
    fn a_candle_comes_out_once_a_later_trade_was_seen() {
        let (rows, candles) = built(&[(0, "5"), (10, "7"), (20, "4"), (59, "6"), (60, "8"), (59, "9")]);
        assert_eq!(rows, told(&[(0, "5 7 4 6 0.4")]));
        assert!(!candles.is_through() && !candles.lacks_price());
    }

    #[test]
    fn minutes_without_trades_stay_at_the_price_before() {
        let (rows, candles) = built(&[(-1, "3"), (61, "5"), (240, "9"), (241, "9")]);
        assert_eq!(rows, told(&[(0, "3 3 3 3 0"), (1, "5 5 5 5 0.1"), (2, "5 5 5 5 0"), (3, "5 5 5 5 0")]));
        assert!(candles.is_through() && !candles.lacks_price());
    }

    #[test]
    fn nothing_is_made_up_before_the_first_price() {
        let (rows, candles) = built(&[(61, "5"), (130, "6")]);
        assert_eq!(rows, told(&[(1, "5 5 5 5 0.1")]));
        assert!(candles.lacks_price());
        assert!(built(&[]).1.lacks_price() && !built(&[(0, "5")]).1.lacks_price());
    }

    #[test]
    fn what_is_known_to_be_over_is_whole() {
        let (_, mut candles) = built(&[(10, "5")]);
        for (second, whole) in [(59, 0), (60, 1), (61, 0), (1_000, 3)] {
            let mut rows = Vec::new();
            candles.whole_until(UnixMillis((FIRST + second) * 1_000), &mut rows);
            assert_eq!(rows.len(), whole, "{second}");
        }
        assert!(candles.is_through());
    }
}
