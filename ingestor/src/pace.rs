//! When each candle of a replay is due.
//!
//! The first is due at once, and so is the history that goes before it, if there is any; each other one after the gap
//! between the open times, divided by the speed. A gap is waited for in full, a weekend too: it is part of what is replayed.

use std::ops::Range;
use std::time::Duration;

use candlewire_common::candle::ClosedCandle;
use tokio::time::Instant;

use crate::speed::Speed;

/// The time table of a replay.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    speed: Speed,
    start: Instant,
    history: usize,
}

impl Pace {
    /// Lets the candle after the first `history` ones be due at `start`, as those are.
    pub fn new(speed: Speed, start: Instant, history: usize) -> Self {
        Self { speed, start, history }
    }

    /// When the candle at `index` is due; `None` once all are through.
    pub fn due(&self, candles: &[ClosedCandle], index: usize) -> Option<Instant> {
        let (first, candle) = (candles.get(self.history).or(candles.last())?, candles.get(index)?);
        let gap = candle.open_time().since(first.open_time());
        let far = Duration::from_secs(u64::from(u32::MAX) * 1_000);
        Some(self.start + self.speed.lasting(gap).min(far))
    }

    /// The candles from `next` on that are due at `now`, at most `count_max`; never none, for the
    /// first was waited for.
    pub fn due_batch(&self, candles: &[ClosedCandle], next: usize, count_max: usize, now: Instant) -> Range<usize> {
        let window = &candles[next..candles.len().min(next + count_max)];
        let is_due = |index: &usize| self.due(candles, *index).is_some_and(|due| due <= now);
        let count = (next..next + window.len()).take_while(is_due).count().max(1);
        next..next + count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle::Bar;
    use candlewire_common::decimal::Decimal;
    use candlewire_common::time::UnixMillis;

    fn candles(minutes: &[i64]) -> Vec<ClosedCandle> {
        let zero = Decimal::ZERO;
        let bar = Bar { open: zero, high: zero, low: zero, close: zero, volume: zero };
        let candle = |minute| ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now()).ok();
        minutes.iter().copied().filter_map(candle).collect()
    }

    #[test]
    fn gaps_are_divided_by_the_speed() -> Result<(), crate::speed::SpeedError> {
        let (candles, start) = (candles(&[10, 11, 13, 2890]), Instant::now());
        let pace = Pace::new("60x".parse()?, start, 0);
        let due = |index| pace.due(&candles, index).map(|due| (due - start).as_secs());
        assert_eq!([due(0), due(1), due(2), due(3), due(4)], [Some(0), Some(1), Some(3), Some(2880), None]);
        let batch =
            |next, count_max, secs| pace.due_batch(&candles, next, count_max, start + Duration::from_secs(secs));
        assert_eq!([batch(0, 500, 0), batch(0, 500, 1), batch(1, 500, 5), batch(1, 1, 5)], [0..1, 0..2, 1..3, 1..2]);
        Ok(())
    }

    #[test]
    fn history_is_due_at_once_and_the_pace_begins_after_it() {
        let (candles, start) = (candles(&[10, 11, 13, 2890]), Instant::now());
        let due = |history, index| {
            let pace = Pace::new("60x".parse().ok()?, start, history);
            pace.due(&candles, index).map(|due| (due - start).as_secs())
        };
        assert_eq!([due(2, 0), due(2, 1), due(2, 2), due(2, 3)], [Some(0), Some(0), Some(0), Some(2877)]);
        assert_eq!(due(9, 3), Some(0));
    }

    #[test]
    fn at_full_speed_all_is_due_at_once() {
        let (candles, start) = (candles(&[10, 11, 13, 2890]), Instant::now());
        assert_eq!(Pace::new(Speed::MAX, start, 0).due_batch(&candles, 0, 3, start), 0..3);
        assert_eq!(Pace::new(Speed::MAX, start, 0).due_batch(&candles, 3, 3, start), 3..4);
    }
}
