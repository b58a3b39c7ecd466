//! `[delivery]`: deadlines, the schedule of attempts, and how old an alert may be.

use std::time::Duration;

use serde::Deserialize;

use super::duration::{span, span_within};
use super::error::{Key, Problem};
use super::lenient::Texts;
use crate::timeframe::Timeframe;

const ATTEMPTS_MAX: usize = 50;
/// Below this no alert is too old.
const AUTO_LEAST: Duration = Duration::from_mins(5);

/// How alerts are delivered.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// One deadline for connect, request and the answer's body.
    pub timeout: Duration,
    /// The delay before each attempt; its length is the number of attempts.
    pub schedule: Vec<Duration>,
    /// From which age on a signal is not sent any more.
    pub max_age: MaxAge,
}

/// From which age on, counted from the candle's close, a signal is not sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// One candle, at least five minutes.
    Auto,
    /// This long.
    Span(Duration),
    /// Never.
    Off,
}

impl MaxAge {
    /// The limit for signals of a timeframe, if there is one.
    pub fn limit(self, timeframe: Timeframe) -> Option<Duration> {
        match self {
            Self::Auto => Some(timeframe.duration().max(AUTO_LEAST)),
            Self::Span(span) => Some(span),
            Self::Off => None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawDelivery {
    timeout: Option<String>,
    schedule: Option<Texts>,
    max_age: Option<String>,
}

impl RawDelivery {
    pub(super) fn check(self, key: &Key) -> Result<DeliveryConfig, Problem> {
        let timeout = span_within(
            &key.child("timeout"),
            self.timeout.as_ref(),
            Duration::from_secs(15),
            Duration::from_millis(100),
            Duration::from_mins(2),
        )?;
        let schedule_key = key.child("schedule");
        let schedule = match self.schedule {
            None => [0, 5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800].map(Duration::from_secs).to_vec(),
            Some(texts) => {
                let spans = texts.0.iter().enumerate().map(|(at, text)| span(&schedule_key.item(at), text));
                spans.collect::<Result<Vec<_>, _>>()?
            }
        };
        if schedule.is_empty() || schedule.len() > ATTEMPTS_MAX {
            return Err(schedule_key.problem(format_args!("not 1 to {ATTEMPTS_MAX} delays")));
        }
        let max_age = match self.max_age.as_deref().map(str::trim) {
            None | Some("auto") => MaxAge::Auto,
            Some("off") => MaxAge::Off,
            Some(text) => {
                let key = key.child("max_age");
                let age = span(&key, text)
                    .map_err(|_| key.problem("not \"auto\", \"off\" or a span of time such as \"10m\""))?;
                MaxAge::Span(age)
            }
        };
        Ok(DeliveryConfig { timeout, schedule, max_age })
    }
}
