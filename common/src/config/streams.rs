//! `[streams]`: how long entries are kept, and how many candles.

use std::time::Duration;

use serde::Deserialize;

use super::duration::span_within;
use super::error::{Key, Problem};
use super::lenient::Scalar;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// The fewest candles a partition may be limited to: more than the largest batch.
const CANDLES_MAX_LEAST: u32 = 20_000;

/// How long the entries of each kind of stream are kept.
#[derive(Clone, Copy, Debug)]
pub struct StreamsConfig {
    /// Candles.
    pub candles: Duration,
    /// Candles in one partition's stream: what every group has finished is trimmed beyond it, and while
    /// that does not help, publishers wait.
    pub candles_max: u64,
    /// Signals.
    pub signals: Duration,
    /// Candles that could not be used.
    pub dead: Duration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawStreams {
    #[serde(rename = "candles_retention")]
    candles: Option<String>,
    candles_max: Option<Scalar<u32>>,
    #[serde(rename = "signals_retention")]
    signals: Option<String>,
    #[serde(rename = "dead_retention")]
    dead: Option<String>,
}

impl RawStreams {
    pub(super) fn check(self, key: &Key) -> Result<StreamsConfig, Problem> {
        let retention = |name: &str, text: Option<String>, default| {
            span_within(&key.child(name), text.as_ref(), default, MINUTE, 3_650 * DAY)
        };
        let candles_max = self.candles_max.map_or(1_000_000, |count| count.0);
        if candles_max < CANDLES_MAX_LEAST {
            return Err(key.child("candles_max").problem(format_args!("less than {CANDLES_MAX_LEAST}")));
        }
        Ok(StreamsConfig {
            candles_max: u64::from(candles_max),
            candles: retention("candles_retention", self.candles, DAY)?,
            signals: retention("signals_retention", self.signals, 30 * DAY)?,
            dead: retention("dead_retention", self.dead, 30 * DAY)?,
        })
    }
}
