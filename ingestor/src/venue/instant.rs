//! Instants as venues write them in text.

use candlewire_common::time::UnixMillis;
use chrono::DateTime;

/// Reads RFC 3339 of any precision; what is finer than a millisecond is cut off.
pub(super) fn rfc3339(text: &str) -> Option<UnixMillis> {
    DateTime::parse_from_rfc3339(text).ok().map(|instant| UnixMillis(instant.timestamp_millis()))
}

/// Reads Unix seconds with decimals; what is finer than a millisecond is cut off.
pub(super) fn seconds(text: &str) -> Option<UnixMillis> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let millis = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let millis = millis.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
    whole.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(millis).map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_to_the_millisecond() {
        for (text, millis) in [
            ("2024-05-17T11:12:00.000000000Z", Some(1_715_944_320_000)),
            ("2016-10-27T08:38:45.664613867Z", Some(1_477_557_525_664)),
            ("2016-10-27T08:38:45+00:00", Some(1_477_557_525_000)),
            ("2016-10-27", None),
            ("", None),
        ] {
            assert_eq!(rfc3339(text).map(|instant| instant.0), millis, "{text}");
        }
        for (text, millis) in [
            ("1762777139.9999999", Some(1_762_777_139_999)),
            ("1762777140.05", Some(1_762_777_140_050)),
            ("1762777140", Some(1_762_777_140_000)),
            ("1762777140.", Some(1_762_777_140_000)),
            ("-1.5", None),
            ("1e9", None),
            ("1.2.3", None),
            (".5", None),
            ("99999999999999999999", None),
            ("9223372036854775807", None),
        ] {
            assert_eq!(seconds(text).map(|instant| instant.0), millis, "{text}");
        }
    }
}
