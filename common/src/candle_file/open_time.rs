//! Reading of open times as people and programs write them.
//!
//! ISO 8601 and Unix seconds or milliseconds; which one is told by each value alone. What can't be
//! told for certain, or is finer than a millisecond, is refused: nothing is rounded.

use crate::candle_entry::shortened;
use crate::decimal::Decimal;
use crate::time::UnixMillis;
use chrono::{FixedOffset, NaiveDate, NaiveTime, Timelike};

/// Numbers below are seconds (until the year 5138), others milliseconds (since the year 1973).
const SECONDS_BELOW: i128 = 100_000_000_000;

/// Why a text is no open time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenTimeError {
    /// Neither a date nor a number.
    #[error("open_time {0:?} is neither ISO 8601 nor Unix seconds or milliseconds")]
    Unreadable(String),
    /// Finer than a millisecond.
    #[error("open_time {0:?} is not a whole millisecond")]
    Fraction(String),
}

/// Reads an open time. Without a zone it is UTC; a date alone is its midnight.
///
/// # Errors
///
/// [`OpenTimeError`], quoting the text.
pub fn read(text: &str) -> Result<UnixMillis, OpenTimeError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_number = unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match basic_date(text) {
        Some(date) => Ok(UnixMillis(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())),
        None if is_number => unix(text),
        None => calendar(text),
    }
}

/// Eight digits that form a date are one: as seconds they would be one of a few weeks of 1970.
fn basic_date(text: &str) -> Option<NaiveDate> {
    let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| NaiveDate::parse_from_str(text, "%Y%m%d").ok()).flatten()
}

fn unix(text: &str) -> Result<UnixMillis, OpenTimeError> {
    let unreadable = || OpenTimeError::Unreadable(shortened(text));
    let number = Decimal::read(text.as_bytes()).map_err(|_| unreadable())?;
    // At least the three decimals that make milliseconds of seconds.
    let scale = number.scale().max(3);
    let ticks = number.ticks(scale).ok_or_else(unreadable)?;
    let ticks_a_unit = 10_i128.pow(u32::from(scale));
    let is_seconds = ticks.abs() < SECONDS_BELOW * ticks_a_unit;
    let ticks_a_milli = if is_seconds { ticks_a_unit / 1_000 } else { ticks_a_unit };
    if ticks % ticks_a_milli != 0 {
        return Err(OpenTimeError::Fraction(shortened(text)));
    }
    i64::try_from(ticks / ticks_a_milli).map(UnixMillis).map_err(|_| unreadable())
}

fn calendar(text: &str) -> Result<UnixMillis, OpenTimeError> {
    let unreadable = || OpenTimeError::Unreadable(shortened(text));
    let (date, clock) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00:00"));
    let date = first_match(date, &["%Y-%m-%d", "%Y%m%d"], NaiveDate::parse_from_str).ok_or_else(unreadable)?;
    let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let formats = ["%H:%M:%S%.f", "%H:%M", "%H%M%S%.f", "%H%M"];
    let clock = first_match(clock, &formats, NaiveTime::parse_from_str).ok_or_else(unreadable)?;
    let offset = zone_offset(zone).ok_or_else(unreadable)?;
    if clock.nanosecond() % 1_000_000 != 0 {
        return Err(OpenTimeError::Fraction(shortened(text)));
    }
    let local = date.and_time(clock).and_utc().timestamp_millis();
    Ok(UnixMillis(local - i64::from(offset.local_minus_utc()) * 1_000))
}

fn first_match<T, E>(text: &str, formats: &[&str], parse: impl Fn(&str, &str) -> Result<T, E>) -> Option<T> {
    formats.iter().find_map(|format| parse(text, format).ok())
}

/// Reads `Z`, `+hh`, `+hhmm` or `+hh:mm`; nothing is UTC.
fn zone_offset(text: &str) -> Option<FixedOffset> {
    if matches!(text, "" | "Z" | "z") {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits.replacen(':', "", 1)),
        ("-", digits) => (-1, digits.replacen(':', "", 1)),
        _ => return None,
    };
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits.get(2..4).filter(|minutes| !minutes.is_empty()).map_or(Ok(0), str::parse).ok()?;
    let valid = hours < 24 && minutes < 60;
    valid.then(|| FixedOffset::east_opt(sign * (hours * 60 + minutes) * 60)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOMENT: i64 = 1_483_333_200_000;

    #[test]
    fn one_moment_has_many_spellings() {
        for text in [
            "2017-01-02T05:00:00Z",
            "2017-01-02T05:00:00.000Z",
            "2017-01-02t05:00:00z",
            "2017-01-02T05:00:00",
            "2017-01-02 05:00:00",
            "2017-01-02 05:00",
            "2017-01-02T07:00:00+02:00",
            "2017-01-02 07:00:00+0200",
            "2017-01-02T00:00-05",
            "20170102T050000Z",
            "1483333200",
            "+1483333200",
            "1483333200.0",
            "1483333200.000",
            "1483333200000",
            "1483333200000.0",
        ] {
            assert_eq!(read(text), Ok(UnixMillis(MOMENT)), "{text}");
        }
    }

    #[test]
    fn dates_milliseconds_and_the_border_of_seconds() {
        for (text, millis) in [
            ("2017-01-02", 1_483_315_200_000),
            ("20170102", 1_483_315_200_000),
            ("2017-01-02T05:00:00.250Z", MOMENT + 250),
            ("1483333200.25", MOMENT + 250),
            ("0", 0),
            ("60", 60_000),
            ("-5", -5_000),
            ("20171402", 20_171_402_000),
            ("99999999999", 99_999_999_999_000),
            ("100000000000", 100_000_000_000),
            ("-100000000000", -100_000_000_000),
        ] {
            assert_eq!(read(text), Ok(UnixMillis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_finer_than_a_millisecond_is_refused() {
        for text in ["1483333200.0001", "1483333200000.5", "2017-01-02T05:00:00.0005Z"] {
            assert_eq!(read(text), Err(OpenTimeError::Fraction(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "now",
            "1.48e9",
            "2017-13-01",
            "2017-02-29",
            "2017-01-02T25:00",
            "2017-01-02T",
            "2017-01-02Z",
            "2017-01-02T05:00:00+2:00",
            "2017-01-02T05:00:00+25:00",
            "2017-01-02T05:00:00 CET",
            "02.01.2017",
            "01/02/2017",
            "9999999999999999999",
            "١٢٣",
            "2017-01-02T05:00:00+aä",
        ] {
            assert!(matches!(read(text), Err(OpenTimeError::Unreadable(_))), "{text}: {:?}", read(text));
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_or_is_refused(text in ".{0,40}", digits in "[-+0-9T: Z.]{0,30}") {
            let _ = (read(&text), read(&digits));
        }

        #[test]
        fn own_spellings_read_back(millis in 100_000_000_000..4_102_444_800_000_i64) {
            let time = UnixMillis(millis);
            prop_assert_eq!(read(&time.rfc3339()), Ok(time));
            prop_assert_eq!(read(&time.to_string()), Ok(time));
        }
    }
}
