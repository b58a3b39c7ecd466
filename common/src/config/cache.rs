//! `[cache]`: the indicator state in Redis and the history it is rebuilt from.

use std::time::Duration;

use serde::Deserialize;

use super::duration::span_within;
use super::error::{Key, Problem};
use super::lenient::Scalar;
use crate::timeframe::Timeframe;

const DAY: Duration = Duration::from_hours(24);
/// The most candles a history keeps.
const HISTORY_MAX: u32 = 5_000;
/// Friday evening to Monday morning with a holiday on either side, which FX series must outlive.
const LONG_WEEKEND: Duration = Duration::from_hours(96);

/// The indicator cache.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Whether states are cached at all; else every batch recomputes them from the history.
    pub enabled: bool,
    /// Candles kept for each series: what is configured, or what the strategies need if that is more.
    pub history: usize,
    state_ttl: Duration,
}

impl CacheConfig {
    /// How long an untouched state of a series of this timeframe and venue lives.
    pub fn state_ttl(&self, timeframe: Timeframe, venue: &str) -> Duration {
        let floor = if venue == "oanda" { LONG_WEEKEND } else { Duration::ZERO };
        self.state_ttl.max(timeframe.duration() * 3).max(floor)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCache {
    enabled: Option<Scalar<bool>>,
    ma_state_ttl: Option<String>,
    history: Option<Scalar<u32>>,
}

impl RawCache {
    /// `needed` is how many candles the configured indicators need to be rebuilt to 8 digits.
    pub(super) fn check(self, key: &Key, needed: usize) -> Result<CacheConfig, Problem> {
        let ttl = span_within(
            &key.child("ma_state_ttl"),
            self.ma_state_ttl.as_ref(),
            30 * DAY,
            Duration::from_secs(1),
            3_650 * DAY,
        )?;
        let history = self.history.map_or(500, |history| history.0);
        if !(1..=HISTORY_MAX).contains(&history) {
            return Err(key.child("history").problem(format_args!("not a whole number from 1 to {HISTORY_MAX}")));
        }
        let enabled = self.enabled.is_none_or(|enabled| enabled.0);
        if !enabled && needed > HISTORY_MAX as usize {
            let what =
                format_args!("the indicators need {needed} candles to be recomputed, a history keeps {HISTORY_MAX}");
            return Err(key.child("enabled").problem(what));
        }
        let history = (history as usize).max(needed).min(HISTORY_MAX as usize);
        Ok(CacheConfig { enabled, history, state_ttl: ttl })
    }
}
