//! What the times come to.

use std::collections::HashMap;
use std::fmt;

/// The distribution of the alerts' times, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    sorted: Vec<f64>,
    /// From the first signal to the last arrival.
    span: f64,
}

impl Latency {
    /// Compares when signals were published with when their alerts arrived, both in Unix ms and by the signal's id.
    /// `None` for an alert without a signal, or without any.
    pub(crate) fn of(signals: &HashMap<String, f64>, arrivals: &[(String, f64)]) -> Option<Self> {
        let times: Option<Vec<f64>> = arrivals.iter().map(|(id, at)| Some(at - signals.get(id)?)).collect();
        let mut sorted = times?;
        sorted.sort_by(f64::total_cmp);
        let first = signals.values().copied().min_by(f64::total_cmp)?;
        let last = arrivals.iter().map(|(_, at)| *at).max_by(f64::total_cmp)?;
        Some(Self { sorted, span: last - first })
    }

    /// Returns the time that this share of the alerts, in thousandths, took at most.
    fn quantile(&self, thousandths: usize) -> f64 {
        let rank = (self.sorted.len() * thousandths).div_ceil(1_000).saturating_sub(1);
        self.sorted.get(rank).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, max) = (self.quantile(500), self.quantile(990), self.quantile(1_000));
        write!(f, "{:>7} {p50:>8.1} {p99:>8.1} {max:>8.1}   {:.1} s", self.sorted.len(), self.span / 1_000.0)
    }
}
