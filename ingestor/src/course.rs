//! How far a walk through a range of candles is, counted in the candles that the market can have.
//!
//! A candle all of whose time the market is shut is none: a weekend of foreign exchange is nothing that is missing.

use candlewire_common::time::UnixMillis;

use crate::grid::Grid;
use crate::venue::Span;
use crate::venue::profile::Hours;

/// A walk through a range.
#[derive(Debug)]
pub struct Course {
    grid: Grid,
    hours: Hours,
    total: u64,
    passed: u64,
    /// The first candle that is not passed.
    next: UnixMillis,
}

impl Course {
    /// Begins before the first candle of `span`.
    pub fn new(grid: Grid, hours: Hours, span: Span) -> Self {
        let total = open_candles(grid, hours, span.first, span.last);
        Self { grid, hours, total, passed: 0, next: span.first }
    }

    /// How many candles there can be in the range.
    pub fn total(&self) -> usize {
        usize::try_from(self.total).unwrap_or(usize::MAX)
    }

    /// How many of them have come so far, or are not there, once the one of `open_time` has come.
    pub fn reach(&mut self, open_time: UnixMillis) -> usize {
        if self.next <= open_time {
            self.passed += open_candles(self.grid, self.hours, self.next, open_time);
            self.next = self.grid.after(open_time);
        }
        usize::try_from(self.passed).unwrap_or(usize::MAX)
    }
}

/// How many candles begin in `first..=last`, without those that the market is shut for.
fn open_candles(grid: Grid, hours: Hours, first: UnixMillis, last: UnixMillis) -> u64 {
    let (mut count, mut at) = (grid.count(first, last), first);
    while let Some(shut) = hours.shuts_after(at).filter(|shut| *shut <= last) {
        let opens = hours.opens_after(shut);
        let end = grid.before(grid.floor(opens)).min(last);
        count = count.saturating_sub(grid.count(grid.ceil(shut).max(first), end));
        at = opens;
    }
    count
}

#[cfg(test)]
mod tests {
    use candlewire_common::timeframe::Timeframe;

    use super::*;
    use crate::venue::profile::Week;

    const HOUR_MS: i64 = 3_600_000;
    /// Monday 2026-11-16 00:00 UTC, in winter: the market shuts on Friday at 22:00.
    const MONDAY: i64 = 1_794_787_200_000;

    fn course(timeframe: Timeframe, hours: Hours, first: i64, last: i64) -> Course {
        let span = Span { first: UnixMillis(MONDAY + first * HOUR_MS), last: UnixMillis(MONDAY + last * HOUR_MS) };
        Course::new(Grid::new(timeframe, Week::Monday), hours, span)
    }

    #[test]
    fn weekends_are_not_counted() {
        let fx = Hours::ForeignExchange;
        for (timeframe, first, last, open) in [
            (Timeframe::H1, 0, 2 * 168 - 1, 2 * 120),
            (Timeframe::H1, 4 * 24 + 21, 4 * 24 + 22, 1),
            (Timeframe::H1, 5 * 24, 6 * 24 + 21, 0),
            (Timeframe::H1, 5 * 24, 6 * 24 + 22, 1),
            (Timeframe::M1, 0, 168 - 1, 120 * 60 - 59),
            (Timeframe::H4, 4 * 24 + 20, 6 * 24 + 20, 2),
            (Timeframe::D1, 0, 13 * 24, 12),
            (Timeframe::W1, 0, 168, 2),
        ] {
            assert_eq!(course(timeframe, fx, first, last).total(), open, "{timeframe} {first} {last}");
        }
        assert_eq!(course(Timeframe::H1, Hours::Always, 0, 167).total(), 168);
    }

    #[test]
    fn what_is_passed_adds_up_to_the_total() {
        for step in [1, 7, 50, 335] {
            let mut course = course(Timeframe::H1, Hours::ForeignExchange, 0, 335);
            let mut passed = 0;
            for hour in (0..=335).step_by(step).chain([335]) {
                let now = course.reach(UnixMillis(MONDAY + hour * HOUR_MS));
                assert!(now >= passed, "{hour}");
                passed = now;
            }
            assert_eq!((passed, course.reach(UnixMillis(MONDAY))), (240, 240));
        }
    }
}
