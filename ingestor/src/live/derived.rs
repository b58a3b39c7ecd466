//! Longer candles, built from a series' own as they go out.
//!
//! Only a candle all of whose parts went by is told; the others, such as the one that is under way when the process
//! starts, come from the venue.

use candlewire_common::aggregate::{Aggregator, NotAMultiple};
use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

/// Builds candles of one longer timeframe.
#[derive(Debug)]
pub struct Derived {
    /// The number of the series they belong to.
    pub series: usize,
    base: Timeframe,
    target: Timeframe,
    aggregator: Aggregator,
    last: Option<UnixMillis>,
    /// From here on every candle went by.
    complete_from: Option<UnixMillis>,
}

impl Derived {
    /// Begins without candles.
    ///
    /// # Errors
    ///
    /// [`NotAMultiple`] where `target` can't be built from `base`.
    pub fn new(series: usize, base: Timeframe, target: Timeframe) -> Result<Self, NotAMultiple> {
        let aggregator = Aggregator::new(base, target)?;
        Ok(Self { series, base, target, aggregator, last: None, complete_from: None })
    }

    /// Notes that the series goes on after `held`, as after a restart or a hole: what lies between did not go by, and what
    /// would hold any of it is not told.
    pub fn resume(&mut self, held: UnixMillis) {
        if self.last.is_none_or(|last| held > last)
            && let Ok(fresh) = Self::new(self.series, self.base, self.target)
        {
            *self = Self { complete_from: Some(self.base.close_time(held)), ..fresh };
        }
    }

    /// Takes the next candle of the series. One that went by before changes nothing.
    pub fn push(&mut self, candle: &ClosedCandle) -> Vec<ClosedCandle> {
        let open_time = candle.open_time();
        let Ok(closed) = self.aggregator.push(candle) else { return Vec::new() };
        self.last = Some(open_time);
        let from = *self.complete_from.get_or_insert(open_time);
        closed.filter(|closed| closed.open_time() >= from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle::Bar;
    use candlewire_common::decimal::Decimal;

    fn push(derived: &mut Derived, minutes: std::ops::Range<i64>) -> Vec<(i64, String)> {
        let candle = |minute: i64| {
            let price: Decimal = minute.to_string().parse().unwrap();
            let bar = Bar { open: price, high: price, low: price, close: price, volume: "0.1".parse().unwrap() };
            ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis(minute * 60_000)).unwrap()
        };
        let built = minutes.flat_map(|minute| derived.push(&candle(minute)));
        built.map(|candle| (candle.open_time().0 / 60_000, candle.volume().to_string())).collect()
    }

    #[test]
    fn only_whole_candles_are_told() {
        let mut derived = Derived::new(1, Timeframe::M1, Timeframe::M5).unwrap();
        assert_eq!(push(&mut derived, 13..26), [(15, "0.5".to_owned()), (20, "0.5".to_owned())]);
        // A repeat changes nothing.
        assert_eq!(push(&mut derived, 23..31), [(25, "0.5".to_owned())]);
        // Behind what went by, the series goes on where it was; ahead of it, something is missing.
        derived.resume(UnixMillis(28 * 60_000));
        assert_eq!(push(&mut derived, 29..36), [(30, "0.5".to_owned())]);
        derived.resume(UnixMillis(37 * 60_000));
        assert_eq!(push(&mut derived, 38..46), [(40, "0.5".to_owned())]);
        derived.resume(UnixMillis(49 * 60_000));
        assert_eq!(push(&mut derived, 50..57), [(50, "0.5".to_owned())]);
        derived.resume(UnixMillis(57 * 60_000));
        assert_eq!(push(&mut derived, 58..65), [(60, "0.5".to_owned())]);
    }
}
