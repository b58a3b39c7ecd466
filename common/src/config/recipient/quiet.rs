//! When a recipient wants to be left alone: `22:00-07:00` of its own clock, every day.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::config::error::{Key, Problem};
use crate::time::UnixMillis;

/// A longer stretch is not looked through for quiet hours: no alert is held for so long.
const DAYS_MAX: usize = 400;

/// No clock skips more at once, but for the days that some islands have skipped.
const SKIPPED_MAX_MIN: i64 = 180;

/// What becomes of alerts in quiet hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuietManner {
    /// They are sent without a sound.
    Silent,
    /// They wait, and are sent one by one afterwards.
    Hold,
    /// They wait, and are sent as one message afterwards.
    Digest,
}

/// Hours of every day, and what becomes of alerts within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: NaiveTime,
    to: NaiveTime,
    zone: Tz,
    /// What becomes of alerts.
    pub manner: QuietManner,
}

impl QuietManner {
    /// Reads a manner's name.
    pub(super) fn read(key: &Key, text: &str) -> Result<Self, Problem> {
        match text.trim() {
            "silent" => Ok(Self::Silent),
            "hold" => Ok(Self::Hold),
            "digest" => Ok(Self::Digest),
            _ => Err(key.problem("neither \"silent\", \"hold\" nor \"digest\"")),
        }
    }
}

impl QuietHours {
    /// Reads `22:00-07:00`, times of the clocks of `zone`.
    pub(super) fn read(key: &Key, hours: &str, zone: Tz, manner: QuietManner) -> Result<Self, Problem> {
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        let read = || {
            let (from, to) = hours.split_once('-')?;
            Some(Self { from: time(from)?, to: time(to)?, zone, manner })
        };
        let quiet = read().filter(|quiet| quiet.from != quiet.to);
        quiet.ok_or_else(|| key.problem("not two different times of a day, such as \"22:00-07:00\""))
    }

    /// The end of the quiet hours that `time` is in; `None` outside of them.
    pub fn ends_after(&self, time: UnixMillis) -> Option<UnixMillis> {
        self.spells(time, time).find(|(from, to)| *from <= time && time < *to).map(|(_, to)| to)
    }

    /// How much of the time between two instants is quiet.
    pub fn within(&self, from: UnixMillis, to: UnixMillis) -> Duration {
        self.spells(from, to).map(|(begin, end)| end.min(to).since(begin.max(from))).sum()
    }

    /// The quiet hours that may touch a stretch of time.
    fn spells(&self, from: UnixMillis, to: UnixMillis) -> impl Iterator<Item = (UnixMillis, UnixMillis)> {
        let first = self.date(from).and_then(|date| date.checked_sub_days(Days::new(1)));
        let last = self.date(to);
        let dates = first.into_iter().flat_map(|date| date.iter_days()).take(DAYS_MAX);
        let dates = dates.take_while(move |date| last.is_some_and(|last| *date <= last));
        dates.filter_map(|date| {
            let end_date = if self.from < self.to { date } else { date.succ_opt()? };
            Some((self.instant(date, self.from)?, self.instant(end_date, self.to)?))
        })
    }

    fn date(&self, time: UnixMillis) -> Option<NaiveDate> {
        let utc = DateTime::<Utc>::from_timestamp_millis(time.0)?;
        Some(utc.with_timezone(&self.zone).date_naive())
    }

    /// The first instant at which the clocks show this, or, where they skip it, that at which they do.
    fn instant(&self, date: NaiveDate, time: NaiveTime) -> Option<UnixMillis> {
        let local = date.and_time(time);
        let shown = |minutes: i64| self.zone.from_local_datetime(&(local + TimeDelta::minutes(minutes))).earliest();
        let instant = (0..=SKIPPED_MAX_MIN).find_map(shown)?;
        Some(UnixMillis(instant.timestamp_millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(hours: &str, zone: &str) -> QuietHours {
        let key = Key::root("quiet_hours");
        match QuietHours::read(&key, hours, zone.parse().unwrap(), QuietManner::Hold) {
            Ok(quiet) => quiet,
            Err(problem) => panic!("{}", problem.what),
        }
    }

    fn at(text: &str) -> UnixMillis {
        UnixMillis(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn a_night_ends_on_the_next_day() {
        let night = quiet("22:00-07:00", "Europe/Berlin");
        for (now, end) in [
            ("2026-11-24T21:00:00Z", Some("2026-11-25T06:00:00Z")),
            ("2026-11-24T20:59:59Z", None),
            ("2026-11-25T05:59:59Z", Some("2026-11-25T06:00:00Z")),
            ("2026-11-25T06:00:00Z", None),
            // In summer the clocks are an hour ahead.
            ("2026-07-01T20:30:00Z", Some("2026-07-02T05:00:00Z")),
        ] {
            assert_eq!(night.ends_after(at(now)), end.map(at), "{now}");
        }
        let noon = quiet("12:00-13:30", "UTC");
        assert_eq!(noon.ends_after(at("2026-11-24T12:00:00Z")), Some(at("2026-11-24T13:30:00Z")));
        assert_eq!(noon.ends_after(at("2026-11-24T13:30:00Z")), None);
    }

    #[test]
    fn quiet_time_of_a_stretch_is_summed() {
        let night = quiet("22:00-07:00", "UTC");
        let minutes = |from: &str, to: &str| night.within(at(from), at(to)).as_secs() / 60;
        let sums = [
            minutes("2026-11-24T21:00:00Z", "2026-11-24T21:30:00Z"),
            minutes("2026-11-24T21:00:00Z", "2026-11-25T08:00:00Z"),
            minutes("2026-11-24T23:30:00Z", "2026-11-25T00:30:00Z"),
            minutes("2026-11-24T12:00:00Z", "2026-11-26T12:00:00Z"),
            minutes("2026-11-24T12:00:00Z", "2026-11-24T11:00:00Z"),
        ];
        assert_eq!(sums, [0, 540, 60, 1_080, 0]);
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_when_they_do() {
        let skipped = quiet("02:30-06:00", "Europe/Berlin");
        assert_eq!(skipped.ends_after(at("2026-03-29T01:00:00Z")), Some(at("2026-03-29T04:00:00Z")));
        assert_eq!(skipped.ends_after(at("2026-03-29T00:59:59Z")), None);
        let ends = quiet("22:00-02:30", "Europe/Berlin");
        assert_eq!(ends.ends_after(at("2026-03-29T00:59:59Z")), Some(at("2026-03-29T01:00:00Z")));
        assert_eq!(ends.ends_after(at("2026-03-29T01:00:00Z")), None);
        // In autumn 02:30 is shown twice: the first one counts.
        assert_eq!(ends.ends_after(at("2026-10-25T00:29:59Z")), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(ends.ends_after(at("2026-10-25T00:30:00Z")), None);
        // The end of time: nothing panics.
        assert_eq!(skipped.ends_after(UnixMillis(i64::MAX)), None);
        assert_eq!(skipped.within(UnixMillis(i64::MIN), UnixMillis(i64::MAX)), Duration::ZERO);
    }
}
