//! Candles of a higher timeframe, built from the closed candles of a lower one.
//!
//! Owns which bucket a candle falls into and when a bucket is over: buckets are aligned to the Unix
//! epoch, weeks to Monday 00:00 UTC. Nothing is known early: a bucket is told about when the candle that ends
//! with it has come, or else the first candle of a later bucket; the last, unfinished one never. Candles are not
//! invented: a bucket without candles is none.

use std::time::Duration;

use crate::candle::{Bar, ClosedCandle};
use crate::decimal::Decimal;
use crate::time::UnixMillis;
use crate::timeframe::Timeframe;

/// 1970-01-05, the first Monday: weeks are counted from it.
const FIRST_MONDAY: Duration = Duration::from_hours(4 * 24);

/// Why candles of one timeframe can't be built from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("candles of {target} can't be built from candles of {base}: it must be a multiple")]
pub struct NotAMultiple {
    /// The timeframe of the candles that come.
    pub base: Timeframe,
    /// The timeframe of the candles that were to be built.
    pub target: Timeframe,
}

/// A candle that does not open after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("candle of {open_time} does not follow that of {last}")]
pub struct OutOfOrder {
    /// The candle's open time.
    pub open_time: UnixMillis,
    /// The open time of the one before.
    pub last: UnixMillis,
}

/// Builds candles of one timeframe.
///
/// ```
/// use candlewire_common::aggregate::Aggregator;
/// use candlewire_common::timeframe::Timeframe;
///
/// assert!(Aggregator::new(Timeframe::H1, Timeframe::H4).is_ok());
/// assert!(Aggregator::new(Timeframe::M3, Timeframe::M5).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct Aggregator {
    base: Timeframe,
    target: Timeframe,
    last: Option<UnixMillis>,
    bucket: Option<Bucket>,
}

/// The candles of a bucket so far, as one.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    start: UnixMillis,
    bar: Bar,
}

impl Aggregator {
    /// Begins without candles.
    ///
    /// # Errors
    ///
    /// [`NotAMultiple`] unless `target` is longer than `base` by a whole factor.
    pub fn new(base: Timeframe, target: Timeframe) -> Result<Self, NotAMultiple> {
        let (short, long) = (base.duration().as_millis(), target.duration().as_millis());
        if short < long && long % short == 0 {
            Ok(Self { base, target, last: None, bucket: None })
        } else {
            Err(NotAMultiple { base, target })
        }
    }

    /// Takes in the next candle, and answers with the candles that are closed now, in their order: two where
    /// the candle shows that an earlier bucket is over and ends its own. All of them close no later than it does.
    ///
    /// Volumes are summed up exactly as long as 18 significant digits do, and cut to those beyond; see
    /// [`crate::decimal::Decimal::add_cut`]. A candle that does not lie on the grid of its own timeframe counts where
    /// it opens. The bucket that begins at the epoch itself is none, because no candle may open then.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`], and nothing has changed.
    pub fn push(&mut self, candle: &ClosedCandle) -> Result<impl Iterator<Item = ClosedCandle> + use<>, OutOfOrder> {
        let open_time = candle.open_time();
        if let Some(last) = self.last.filter(|last| open_time <= *last) {
            return Err(OutOfOrder { open_time, last });
        }
        self.last = Some(open_time);
        let start = bucket_start(open_time, self.target);
        let earlier = self.bucket.take_if(|bucket| bucket.start != start);
        let bucket = self.bucket.get_or_insert(Bucket { start, bar: Bar { volume: Decimal::ZERO, ..candle.bar() } });
        bucket.add(candle);
        let is_over = self.base.close_time(open_time) >= self.target.close_time(start);
        let own = self.bucket.take_if(|_| is_over);
        Ok([earlier, own].into_iter().flatten().filter_map(Bucket::close))
    }
}

impl Bucket {
    fn add(&mut self, candle: &ClosedCandle) {
        let Bar { open, high, low, volume, .. } = self.bar;
        self.bar = Bar {
            open,
            high: high.max(candle.high()),
            low: low.min(candle.low()),
            close: candle.close(),
            volume: volume.add_cut(candle.volume()),
        };
    }

    fn close(self) -> Option<ClosedCandle> {
        // The candles in it were let in by the clock.
        ClosedCandle::new(self.start, self.bar, self.start).ok()
    }
}

/// When the bucket begins that holds `time`.
fn bucket_start(time: UnixMillis, target: Timeframe) -> UnixMillis {
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let origin = if target == Timeframe::W1 { millis(FIRST_MONDAY) } else { 0 };
    UnixMillis(time.0 - (time.0 - origin).rem_euclid(millis(target.duration())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    /// Monday 2024-01-01 00:00 UTC.
    const MONDAY: i64 = 1_704_067_200_000;

    fn candle(open_time: i64, prices: [&str; 5]) -> ClosedCandle {
        let [open, high, low, close, volume] = prices.map(|text| text.parse().unwrap());
        let bar = Bar { open, high, low, close, volume };
        ClosedCandle::new(UnixMillis(open_time), bar, UnixMillis(open_time)).unwrap()
    }

    fn at(open_time: i64) -> ClosedCandle {
        candle(open_time, ["1", "1", "1", "1", "1"])
    }

    fn built(base: Timeframe, target: Timeframe, candles: &[ClosedCandle]) -> Vec<(usize, ClosedCandle)> {
        let mut aggregator = Aggregator::new(base, target).unwrap();
        let push =
            |(index, candle)| aggregator.push(candle).unwrap().map(move |closed| (index, closed)).collect::<Vec<_>>();
        candles.iter().enumerate().flat_map(push).collect()
    }

    fn starts(base: Timeframe, target: Timeframe, opens: &[i64]) -> Vec<(usize, i64)> {
        let candles: Vec<ClosedCandle> = opens.iter().copied().map(at).collect();
        built(base, target, &candles).iter().map(|(index, closed)| (*index, closed.open_time().0)).collect()
    }

    #[test]
    fn four_hours_make_one_candle() {
        let candles = [
            candle(MONDAY, ["1.5", "1.7", "1.4", "1.60", "10.5"]),
            candle(MONDAY + HOUR, ["1.6", "2.0", "1.5", "1.9", "0.25"]),
            candle(MONDAY + 2 * HOUR, ["1.9", "1.9", "1.1", "1.2", "0"]),
            candle(MONDAY + 3 * HOUR, ["1.2", "1.3", "1.2", "1.25", "4.9064"]),
        ];
        let expected = candle(MONDAY, ["1.5", "2", "1.1", "1.25", "15.6564"]);
        assert_eq!(built(Timeframe::H1, Timeframe::H4, &candles), [(3, expected)]);
        assert_eq!(built(Timeframe::H1, Timeframe::H4, &candles[..3]), []);
    }

    #[test]
    fn a_gap_closes_a_bucket_late_and_empty_buckets_are_none() {
        let opens = [0, 1, 9, 11, 12].map(|hour| MONDAY + hour * HOUR);
        // 00–04 is known to be over at 09:00, 04–08 has nothing, 08–12 ends with its last hour.
        assert_eq!(starts(Timeframe::H1, Timeframe::H4, &opens), [(2, MONDAY), (3, MONDAY + 8 * HOUR)]);
        // The candle of 07:00 says that 00–04 is over, and ends 04–08.
        let opens = [0, 7].map(|hour| MONDAY + hour * HOUR);
        assert_eq!(starts(Timeframe::H1, Timeframe::H4, &opens), [(1, MONDAY), (1, MONDAY + 4 * HOUR)]);
    }

    #[test]
    fn weeks_begin_on_monday_and_a_weekend_is_waited_for() {
        let day = 24 * HOUR;
        let weekdays = [0, 1, 2, 3, 4, 7, 8].map(|days| MONDAY + days * day);
        assert_eq!(starts(Timeframe::D1, Timeframe::W1, &weekdays), [(5, MONDAY)]);
        let whole_week = [0, 1, 2, 3, 4, 5, 6].map(|days| MONDAY + days * day);
        assert_eq!(starts(Timeframe::D1, Timeframe::W1, &whole_week), [(6, MONDAY)]);
        let sunday = [MONDAY - HOUR, MONDAY];
        assert_eq!(starts(Timeframe::H1, Timeframe::W1, &sunday), [(0, MONDAY - 7 * day)]);
        assert_eq!(starts(Timeframe::H1, Timeframe::D1, &[MONDAY - HOUR, MONDAY]), [(0, MONDAY - day)]);
    }

    #[test]
    fn what_no_candle_can_be_is_not_told() {
        // The first hour of 1970 and the week that began in 1969.
        assert_eq!(starts(Timeframe::M1, Timeframe::H1, &[60_000, HOUR]), []);
        assert_eq!(starts(Timeframe::H1, Timeframe::W1, &[HOUR, 5 * 24 * HOUR]), []);
    }

    #[test]
    fn candles_beside_the_grid_count_where_they_open() {
        let half = HOUR / 2;
        let opens = [MONDAY + half, MONDAY + 3 * HOUR + half, MONDAY + 4 * HOUR + half];
        assert_eq!(starts(Timeframe::H1, Timeframe::H4, &opens), [(1, MONDAY)]);
    }

    #[test]
    fn what_does_not_follow_changes_nothing() {
        let mut aggregator = Aggregator::new(Timeframe::H1, Timeframe::H2).unwrap();
        assert_eq!(aggregator.push(&at(MONDAY)).map(Iterator::count), Ok(0));
        for open_time in [MONDAY, MONDAY - HOUR] {
            let refused = aggregator.push(&candle(open_time, ["9", "9", "9", "9", "9"])).err();
            assert_eq!(refused, Some(OutOfOrder { open_time: UnixMillis(open_time), last: UnixMillis(MONDAY) }));
        }
        let closed: Vec<ClosedCandle> = aggregator.push(&at(MONDAY + HOUR)).unwrap().collect();
        assert_eq!(closed, [candle(MONDAY, ["1", "1", "1", "1", "2"])]);
    }

    #[test]
    fn a_timeframe_must_be_a_longer_multiple() {
        let whole = |base: &str, target: &str| Aggregator::new(base.parse().unwrap(), target.parse().unwrap()).is_ok();
        for (base, target) in [("1s", "1w"), ("3m", "15m"), ("1h", "2h"), ("4h", "12h"), ("12h", "1d"), ("1d", "1w")] {
            assert!(whole(base, target) && !whole(target, base), "{base} {target}");
        }
        for (base, target) in [("1h", "1h"), ("3m", "5m"), ("4h", "6h"), ("6h", "8h"), ("8h", "12h")] {
            assert!(!whole(base, target), "{base} {target}");
        }
        let refused = Aggregator::new(Timeframe::H8, Timeframe::H12).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(refused, Err("candles of 12h can't be built from candles of 8h: it must be a multiple".to_owned()));
    }

    /// Groups all candles by the start of their bucket, each computed anew.
    fn grouped(target: Timeframe, candles: &[ClosedCandle]) -> Vec<ClosedCandle> {
        let mut groups: BTreeMap<i64, Vec<&ClosedCandle>> = BTreeMap::new();
        let length = i64::try_from(target.duration().as_millis()).unwrap();
        for candle in candles {
            let mut start = if target == Timeframe::W1 { MONDAY } else { 0 };
            start += (candle.open_time().0 - start).div_euclid(length) * length;
            groups.entry(start).or_default().push(candle);
        }
        let whole = |(start, group): (i64, Vec<&ClosedCandle>)| {
            let volumes: i128 = group.iter().map(|candle| candle.volume().ticks(4).unwrap()).sum();
            let bar = Bar {
                open: group[0].open(),
                high: group.iter().map(|candle| candle.high()).max().unwrap(),
                low: group.iter().map(|candle| candle.low()).min().unwrap(),
                close: group[group.len() - 1].close(),
                volume: format!("{volumes}e-4").parse().unwrap(),
            };
            ClosedCandle::new(UnixMillis(start), bar, UnixMillis(start)).unwrap()
        };
        groups.into_iter().map(whole).collect()
    }

    fn walk() -> impl Strategy<Value = Vec<ClosedCandle>> {
        // Hours since the last candle: mostly one, at times a gap or a weekend.
        let step = prop_oneof![8 => Just(1_i64), 2 => 1..12_i64, 1 => 40..60_i64];
        let row = (step, 0..1_000_i64, 0..1_000_i64, 0..1_000_i64, 0..99_999_i64);
        (0..200_i64, proptest::collection::vec(row, 1..80)).prop_map(|(first, rows)| {
            let mut open_time = MONDAY + first * HOUR;
            let candle = |(step, open, close, reach, volume): (i64, i64, i64, i64, i64)| {
                open_time += step * HOUR;
                let price = |ticks: i64| format!("{ticks}e-2").parse::<Decimal>().unwrap();
                let bar = Bar {
                    open: price(open),
                    high: price(open.max(close) + reach),
                    low: price(open.min(close) - reach),
                    close: price(close),
                    volume: format!("{volume}e-4").parse().unwrap(),
                };
                ClosedCandle::new(UnixMillis(open_time), bar, UnixMillis(open_time)).unwrap()
            };
            rows.into_iter().map(candle).collect()
        })
    }

    proptest! {
        #[test]
        fn it_is_the_grouping_of_all_candles(
            candles in walk(),
            target in proptest::sample::select(vec![Timeframe::H2, Timeframe::H4, Timeframe::D1, Timeframe::W1]),
        ) {
            let built = built(Timeframe::H1, target, &candles);
            let mut expected = grouped(target, &candles);
            let last = candles[candles.len() - 1].open_time();
            let end = target.close_time(bucket_start(last, target));
            // The last bucket is told about only if its last hour has come.
            if Timeframe::H1.close_time(last) < end {
                expected.pop();
            }
            prop_assert_eq!(built.iter().map(|(_, closed)| *closed).collect::<Vec<_>>(), expected);
            for (index, closed) in built {
                let now = Timeframe::H1.close_time(candles[index].open_time());
                let known = target.close_time(closed.open_time());
                prop_assert!(known <= now, "told before its end");
                let before = index.checked_sub(1).map(|before| Timeframe::H1.close_time(candles[before].open_time()));
                prop_assert!(before.is_none_or(|before| before < known), "told later than it could be");
            }
        }
    }
}
