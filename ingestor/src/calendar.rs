//! When a market is open.
//!
//! Owns the trading week and its holidays. A candle that is missing while its market is shut is missing rightly, and
//! warming up over a weekend has to reach farther back. The few minutes around 17:00 New York in which foreign
//! exchange rests every day are no closing. Pure: the time is an argument.

use std::time::Duration;

use candlewire_common::time::UnixMillis;
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::America::New_York;

use crate::venue::profile::Hours;

/// The end of what is computed: the year 9999. Later, and before the epoch, every market is open.
const END_MS: i64 = 253_402_300_800_000;

/// One day of trading, named by the date on which it ends, at 17:00 New York; it began at 17:00 on the day before.
/// At that hour no clock has ever been changed.
#[derive(Clone, Copy)]
struct TradingDay {
    date: NaiveDate,
    begin: UnixMillis,
    end: UnixMillis,
}

impl Hours {
    /// Whether the market is open at an instant.
    pub fn is_open(self, time: UnixMillis) -> bool {
        self.opens_after(time) == time
    }

    /// The first instant from `time` on at which the market is open: `time` itself if it is.
    #[must_use]
    pub fn opens_after(self, time: UnixMillis) -> UnixMillis {
        let mut time = time;
        while let Some(day) = self.day(time).filter(|day| !day.is_open()) {
            time = day.end;
        }
        time
    }

    /// Since when the market has been open at an instant: the epoch where it never shuts, `None` while it is shut.
    pub fn open_since(self, time: UnixMillis) -> Option<UnixMillis> {
        let Some(mut day) = self.day(time) else { return Some(UnixMillis(0)) };
        if !day.is_open() {
            return None;
        }
        while let Some(before) = self.day(UnixMillis(day.begin.0 - 1)).filter(TradingDay::is_open) {
            day = before;
        }
        Some(day.begin)
    }

    /// The first instant from `time` on at which the market is shut: `time` itself if it is; `None` where it never is.
    pub fn shuts_after(self, time: UnixMillis) -> Option<UnixMillis> {
        let mut time = time;
        while self.day(time)?.is_open() {
            time = self.day(time)?.end;
        }
        Some(time)
    }

    /// Whether the market is open at no instant from `from` on and before `to`.
    pub fn is_shut(self, from: UnixMillis, to: UnixMillis) -> bool {
        self.opens_after(from) >= to
    }

    /// The instant from which on until `from` the market is open for `open_time`.
    #[must_use]
    pub fn back(self, from: UnixMillis, open_time: Duration) -> UnixMillis {
        let mut from = from;
        let mut left_ms = i64::try_from(open_time.as_millis()).unwrap_or(i64::MAX);
        while left_ms > 0 {
            let Some(day) = self.day(UnixMillis(from.0.saturating_sub(1))) else { break };
            if day.is_open() {
                let open_ms = from.0.saturating_sub(day.begin.0);
                if left_ms <= open_ms {
                    break;
                }
                left_ms -= open_ms;
            }
            from = day.begin;
        }
        UnixMillis(from.0.saturating_sub(left_ms))
    }

    /// The day of trading that holds an instant; `None` where there are no days but one trades always.
    fn day(self, time: UnixMillis) -> Option<TradingDay> {
        match self {
            Self::Always => None,
            Self::ForeignExchange => TradingDay::holding(time),
        }
    }
}

impl TradingDay {
    fn holding(time: UnixMillis) -> Option<Self> {
        let time = (0..END_MS).contains(&time.0).then_some(time)?;
        let local = DateTime::<Utc>::from_timestamp_millis(time.0)?.with_timezone(&New_York).naive_local();
        let close = NaiveTime::from_hms_opt(17, 0, 0)?;
        let date = if local.time() < close { local.date() } else { local.date().succ_opt()? };
        let at_close = |date: NaiveDate| {
            let instant = New_York.from_local_datetime(&date.and_time(close)).earliest()?;
            Some(UnixMillis(instant.timestamp_millis()))
        };
        Some(Self { date, begin: at_close(date.checked_sub_signed(TimeDelta::days(1))?)?, end: at_close(date)? })
    }

    fn is_open(&self) -> bool {
        let is_weekend = matches!(self.date.weekday(), Weekday::Sat | Weekday::Sun);
        let is_holiday = matches!((self.date.month(), self.date.day()), (12, 25) | (1, 1));
        !is_weekend && !is_holiday
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const FX: Hours = Hours::ForeignExchange;

    fn at(text: &str) -> UnixMillis {
        UnixMillis(DateTime::parse_from_rfc3339(&format!("{text}:00Z")).unwrap().timestamp_millis())
    }

    fn open_minutes(from: UnixMillis, to: UnixMillis) -> usize {
        let minutes = (from.0 / MINUTE_MS)..(to.0 / MINUTE_MS);
        minutes.filter(|minute| FX.is_open(UnixMillis(minute * MINUTE_MS))).count()
    }

    #[test]
    fn the_week_follows_new_yorks_clock() {
        for (shuts, opens) in [
            // Summer, winter, and the weekends of both changes of the clock.
            ("2017-07-07T21:00", "2017-07-09T21:00"),
            ("2017-01-13T22:00", "2017-01-15T22:00"),
            ("2017-03-10T22:00", "2017-03-12T21:00"),
            ("2017-11-03T21:00", "2017-11-05T22:00"),
            // Christmas and New Year; 2020's Christmas ends with the week, 2022's lies in the weekend.
            ("2019-12-24T22:00", "2019-12-25T22:00"),
            ("2019-12-31T22:00", "2020-01-01T22:00"),
            ("2020-12-24T22:00", "2020-12-27T22:00"),
            ("2022-12-23T22:00", "2022-12-25T22:00"),
            ("2017-12-22T22:00", "2017-12-25T22:00"),
        ] {
            let (shuts, opens) = (at(shuts), at(opens));
            let before = |time: UnixMillis| UnixMillis(time.0 - 1);
            let found = [before(shuts), shuts, before(opens), opens].map(|time| FX.is_open(time));
            assert_eq!(found, [true, false, false, true], "{}", shuts.rfc3339());
            assert_eq!((FX.opens_after(shuts), FX.opens_after(opens)), (opens, opens));
            let since =
                [shuts, before(opens), opens, opens.after(Duration::from_hours(30))].map(|at| FX.open_since(at));
            assert_eq!(since, [None, None, Some(opens), Some(opens)]);
            assert!(FX.is_shut(shuts, opens) && !FX.is_shut(before(shuts), opens));
            assert!(!FX.is_shut(shuts, UnixMillis(opens.0 + 1)));
            assert_eq!(FX.back(opens, Duration::from_millis(1)), before(shuts));
        }
    }

    #[test]
    fn the_hour_of_rest_of_a_day_is_no_closing() {
        assert!(FX.is_open(at("2017-01-11T22:00")) && FX.is_open(at("2017-01-11T21:59")));
    }

    #[test]
    fn a_market_may_always_be_open() {
        let saturday = at("2017-07-08T12:00");
        assert!(Hours::Always.is_open(saturday) && !FX.is_open(saturday));
        assert_eq!(Hours::Always.open_since(saturday), Some(UnixMillis(0)));
        assert!(!Hours::Always.is_shut(saturday, saturday.after(Duration::from_hours(1))));
        assert_eq!(Hours::Always.back(saturday, Duration::from_hours(12)), at("2017-07-08T00:00"));
    }

    #[test]
    fn no_instant_is_too_far() {
        for time in [i64::MIN, -1, 0, END_MS - 1, END_MS, i64::MAX].map(UnixMillis) {
            let _ = (FX.is_open(time), FX.opens_after(time), FX.back(time, Duration::from_secs(1)));
        }
        assert!(FX.back(at("2017-07-08T12:00"), Duration::MAX) < UnixMillis(0));
    }

    proptest! {
        #[test]
        fn a_range_is_shut_if_no_minute_of_it_is_open(start in 0_i64..3_000_000, minutes in 1_i64..4_000) {
            let from = UnixMillis(at("2015-01-01T00:00").0 + start * MINUTE_MS);
            let to = UnixMillis(from.0 + minutes * MINUTE_MS);
            prop_assert_eq!(FX.is_shut(from, to), open_minutes(from, to) == 0);
        }

        #[test]
        fn back_leaves_exactly_so_many_open_hours(start in 0_i64..3_000_000, hours in 0_u64..300) {
            let from = UnixMillis(at("2015-01-01T00:00").0 + start * MINUTE_MS);
            let back = FX.back(from, Duration::from_hours(hours));
            prop_assert_eq!(open_minutes(back, from) as u64, hours * 60);
        }
    }
}
