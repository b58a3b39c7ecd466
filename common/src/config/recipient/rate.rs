//! How many messages a recipient wants: `20/1m`.

use std::time::Duration;

use crate::config::error::{Key, Problem};

const COUNT_MAX: u32 = 1_000;
const SPAN_MIN: Duration = Duration::from_millis(100);
const SPAN_MAX: Duration = Duration::from_hours(24);

/// At most so many messages within any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least one.
    pub count: u32,
    /// Within how long.
    pub span: Duration,
}

impl Rate {
    /// Reads `20/1m`, or `1/s` for `1/1s`.
    pub(super) fn read(key: &Key, text: &str) -> Result<Self, Problem> {
        let read = || {
            let (count, span) = text.split_once('/')?;
            let span = span.trim();
            let span =
                if span.starts_with(|c: char| c.is_ascii_digit()) { span.to_owned() } else { format!("1{span}") };
            let count = count.trim().parse().ok().filter(|count| (1..=COUNT_MAX).contains(count))?;
            let span = humantime::parse_duration(&span).ok().filter(|span| (SPAN_MIN..=SPAN_MAX).contains(span))?;
            Some(Self { count, span })
        };
        read().ok_or_else(|| key.problem("not 1 to 1000 messages within 100ms to 24h, such as \"20/1m\""))
    }
}
