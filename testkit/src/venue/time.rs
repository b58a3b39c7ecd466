//! Moments as text.

use chrono::{DateTime, SecondsFormat};

/// Writes a moment with nanoseconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    let moment = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// Writes a moment with microseconds.
pub(crate) fn rfc3339_micros(ms: i64) -> String {
    let moment = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads a moment that is RFC 3339 or Unix seconds.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.timestamp_millis());
    }
    let (secs, part) = text.split_once('.').unwrap_or((text, ""));
    let millis: String = part.chars().chain("000".chars()).take(3).collect();
    Some(secs.parse::<i64>().ok()?.checked_mul(1_000)? + millis.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_lead_back() {
        for ms in [0, 1_476_732_900_123, 1_790_000_000_000] {
            assert_eq!(parse_ms(&rfc3339(ms)), Some(ms));
            assert_eq!(parse_ms(&rfc3339_micros(ms)), Some(ms));
        }
        assert_eq!(rfc3339(1_476_732_900_000), "2016-10-17T19:35:00.000000000Z");
        assert_eq!((parse_ms("1476732900.5"), parse_ms("today")), (Some(1_476_732_900_500), None));
    }
}
