//! `[streams]`: how long entries are kept.

use std::time::Duration;

use serde::Deserialize;

use super::duration::span_within;
use super::error::{Key, Problem};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// How long the entries of each kind of stream are kept.
#[derive(Clone, Copy, Debug)]
pub struct StreamsConfig {
    /// Candles.
    pub candles: Duration,
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
        Ok(StreamsConfig {
            candles: retention("candles_retention", self.candles, DAY)?,
            signals: retention("signals_retention", self.signals, 30 * DAY)?,
            dead: retention("dead_retention", self.dead, 30 * DAY)?,
        })
    }
}
