//! Instants as the wire carries them: Unix milliseconds and microseconds.
//!
//! The only place that reads the system clock; everything else is handed the time.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

/// Microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(pub i64);

impl UnixMillis {
    /// Reads the system clock.
    pub fn now() -> Self {
        UnixMicros::now().millis()
    }

    /// The instant `span` later; saturates.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was, zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC: whole seconds where the instant has no milliseconds.
    pub fn rfc3339(self) -> String {
        let format = if self.0 % 1_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Millis };
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(moment) => moment.to_rfc3339_opts(format, true),
            None => format!("{} ms", self.0),
        }
    }
}

impl UnixMicros {
    /// Reads the system clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The whole millisecond that holds the instant.
    pub fn millis(self) -> UnixMillis {
        UnixMillis(self.0.div_euclid(1_000))
    }

    /// How long ago `earlier` was, zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds.
    pub fn rfc3339(self) -> String {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(moment) => moment.to_rfc3339_opts(SecondsFormat::Millis, true),
            None => format!("{} us", self.0),
        }
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UnixMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_as_people_write_them() {
        assert_eq!(UnixMillis(1_763_758_800_000).rfc3339(), "2025-11-21T21:00:00Z");
        assert_eq!(UnixMillis(1_763_758_800_123).rfc3339(), "2025-11-21T21:00:00.123Z");
        assert_eq!(UnixMicros(1_763_758_800_004_999).rfc3339(), "2025-11-21T21:00:00.004Z");
    }

    #[test]
    fn a_clock_that_runs_back_gives_no_negative_span() {
        assert_eq!(UnixMillis(5).since(UnixMillis(9)), Duration::ZERO);
        assert_eq!(UnixMicros(9).since(UnixMicros(5)), Duration::from_micros(4));
    }
}
