//! The grid of a series: the open times its candles can have.

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use crate::venue::profile::Week;

/// Equally long candles, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    timeframe: Timeframe,
    origin: UnixMillis,
}

impl Grid {
    /// The grid of a timeframe, where weeks begin as the venue counts them.
    pub fn new(timeframe: Timeframe, week: Week) -> Self {
        Self { timeframe, origin: week.origin(timeframe) }
    }

    /// The length of its candles.
    pub fn timeframe(self) -> Timeframe {
        self.timeframe
    }

    /// When the candle that holds `time` began.
    pub fn floor(self, time: UnixMillis) -> UnixMillis {
        let into = time.0.saturating_sub(self.origin.0).rem_euclid(self.timeframe.millis());
        UnixMillis(time.0.saturating_sub(into))
    }

    /// The first candle that does not begin before `time`.
    pub fn ceil(self, time: UnixMillis) -> UnixMillis {
        if self.holds(time) { time } else { self.after(self.floor(time)) }
    }

    /// Whether a candle begins at `time`.
    pub fn holds(self, time: UnixMillis) -> bool {
        self.floor(time) == time
    }

    /// The candle after that of `open_time`, which is also its end.
    pub fn after(self, open_time: UnixMillis) -> UnixMillis {
        self.timeframe.close_time(open_time)
    }

    /// The candle before that of `open_time`.
    pub fn before(self, open_time: UnixMillis) -> UnixMillis {
        UnixMillis(open_time.0.saturating_sub(self.timeframe.millis()))
    }

    /// The newest candle that is over at `time`.
    pub fn newest_over(self, time: UnixMillis) -> UnixMillis {
        self.before(self.floor(time))
    }

    /// How many candles begin in `first..=last`.
    pub fn count(self, first: UnixMillis, last: UnixMillis) -> u64 {
        if last < first {
            return 0;
        }
        u64::try_from((last.0 - first.0) / self.timeframe.millis() + 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn minutes_and_weeks_have_their_grid() {
        let minutes = Grid::new(Timeframe::M1, Week::Monday);
        assert_eq!(minutes.floor(UnixMillis(119_999)), UnixMillis(60_000));
        assert_eq!(minutes.newest_over(UnixMillis(119_999)), UnixMillis(0));
        assert_eq!(minutes.newest_over(UnixMillis(120_000)), UnixMillis(60_000));
        assert_eq!([60_000, 60_001].map(|time| minutes.ceil(UnixMillis(time)).0), [60_000, 120_000]);
        assert!(minutes.holds(UnixMillis(60_000)) && !minutes.holds(UnixMillis(60_001)));
        assert_eq!(minutes.count(UnixMillis(60_000), UnixMillis(180_000)), 3);
        assert_eq!(minutes.count(UnixMillis(60_000), UnixMillis(0)), 0);
        let (monday, thursday) = (UnixMillis(4 * 24 * HOUR), UnixMillis(0));
        assert!(Grid::new(Timeframe::W1, Week::Monday).holds(monday));
        assert!(Grid::new(Timeframe::W1, Week::Epoch).holds(thursday));
        assert_eq!(Grid::new(Timeframe::W1, Week::Monday).floor(UnixMillis(11 * 24 * HOUR - 1)), monday);
    }
}
