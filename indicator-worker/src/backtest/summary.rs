//! The summary of one strategy on one series, for programs: a JSON object with full precision.
//!
//! Shares and returns are fractions of 1. How it is worded for people is said elsewhere.

use candlewire_common::time::UnixMillis;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::ledger::Balance;

/// The candles that were computed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// How many.
    pub(super) candles: u64,
    /// When the first one opened and the last one closed.
    pub(super) ends: Option<(UnixMillis, UnixMillis)>,
}

/// Crossings that filters held back, by reason.
pub(super) type FilteredCounts = Vec<(&'static str, u64)>;

/// What a strategy did on a series.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    /// The strategy.
    pub(super) strategy: String,
    /// The series.
    pub(super) series: String,
    /// The candles.
    pub(super) span: Span,
    /// Crossings that are no signals.
    pub(super) filtered: FilteredCounts,
    /// The signals and their results.
    pub(super) balance: Balance,
    /// Whether every average had a value in the end.
    pub(super) is_ready: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    strategy: &'a str,
    series: &'a str,
    candles: u64,
    first_open_time: Option<i64>,
    last_close_time: Option<i64>,
    signals: u64,
    buys: u64,
    sells: u64,
    #[serde(serialize_with = "as_map")]
    filtered: &'a [(&'static str, u64)],
    candles_between_signals: Option<f64>,
    closed: u64,
    open: u64,
    unmeasured: u64,
    gains: u64,
    losses: u64,
    hit_rate: Option<f64>,
    mean_return: Option<f64>,
    stop_first: Option<u64>,
    target_first: Option<u64>,
    neither: Option<u64>,
    losing_run: u64,
    losing_run_return: f64,
    worst_drawdown: f64,
}

impl Summary {
    /// The summary as a JSON object.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let Self { strategy, series, span, filtered, balance, .. } = self;
        let (returns, exits) = (&balance.returns, balance.exits);
        serde_json::to_string(&Line {
            r#type: "summary",
            strategy,
            series,
            candles: span.candles,
            first_open_time: span.ends.map(|(first, _)| first.0),
            last_close_time: span.ends.map(|(_, last)| last.0),
            signals: balance.buys + balance.sells,
            buys: balance.buys,
            sells: balance.sells,
            filtered,
            candles_between_signals: balance.candles_apart,
            closed: returns.count(),
            open: balance.open,
            unmeasured: balance.unmeasured,
            gains: returns.gains(),
            losses: returns.losses(),
            hit_rate: returns.hit_rate(),
            mean_return: returns.mean(),
            stop_first: exits.map(|exits| exits.stop),
            target_first: exits.map(|exits| exits.target),
            neither: exits.map(|exits| exits.neither),
            losing_run: returns.worst_run().signals,
            losing_run_return: returns.worst_run().compounded(),
            worst_drawdown: returns.worst_fall(),
        })
    }
}

fn as_map<S: Serializer>(counts: &&[(&'static str, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(counts.len()))?;
    for (reason, count) in *counts {
        map.serialize_entry(reason, count)?;
    }
    map.end()
}
