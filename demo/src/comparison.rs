//! Signals against alerts, one by one.
//!
//! Owns the claim that each signal arrived exactly once, and the latencies that follow from the pairs.

use std::collections::HashMap;
use std::time::Duration;

use crate::alert::Alert;
use crate::latency::Latencies;
use crate::ledger::SignalRecord;

/// How signals and alerts differ, by their ids. All zero is what should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Signals that stand in the streams more than once.
    pub repeated: u64,
    /// Signals that never arrived.
    pub missing: u64,
    /// Arrivals beyond the first of a signal.
    pub duplicated: u64,
    /// Alerts without a signal.
    pub unknown: u64,
}

/// What a candle's way took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// From publishing to the signal's commit.
    pub to_signal: Latencies,
    /// From publishing to the alert's arrival.
    pub to_delivery: Latencies,
}

/// Finds the differences.
pub fn compare(signals: &[SignalRecord], alerts: &[Alert]) -> Differences {
    let mut arrivals: HashMap<&str, u64> = HashMap::new();
    let mut differences = Differences::default();
    for signal in signals {
        differences.repeated += u64::from(arrivals.insert(&signal.id, 0).is_some());
    }
    for alert in alerts {
        match arrivals.get_mut(alert.id.as_str()) {
            None => differences.unknown += 1,
            Some(count) => *count += 1,
        }
    }
    differences.missing = arrivals.values().map(|count| u64::from(*count == 0)).sum();
    differences.duplicated = arrivals.values().map(|count| count.saturating_sub(1)).sum();
    differences
}

/// Measures the way of the signals that `chosen` accepts.
pub fn way(signals: &[SignalRecord], alerts: &[Alert], chosen: impl Fn(&SignalRecord) -> bool) -> Way {
    let mut first_arrivals = HashMap::new();
    for alert in alerts {
        first_arrivals.entry(alert.id.as_str()).or_insert(alert.arrived);
    }
    let chosen: Vec<&SignalRecord> = signals.iter().filter(|signal| chosen(signal)).collect();
    let delivery = |signal: &&SignalRecord| -> Option<Duration> {
        Some(first_arrivals.get(signal.id.as_str())?.since(signal.sent))
    };
    Way {
        to_signal: chosen.iter().map(|signal| signal.emitted.since(signal.sent)).collect(),
        to_delivery: chosen.iter().filter_map(delivery).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{alert, signal};

    #[test]
    fn each_difference_is_counted_once() {
        let signals = ["a", "b", "c", "c"].map(signal);
        let alerts = ["a", "a", "a", "c", "d"].map(alert);
        let expected = Differences { repeated: 1, missing: 1, duplicated: 2, unknown: 1 };
        assert_eq!(compare(&signals, &alerts), expected);
        assert_eq!(compare(&signals[..2], &["b", "a"].map(alert)), Differences::default());
    }

    #[test]
    fn way_is_measured_to_the_first_arrival_of_what_is_chosen() {
        let signals = ["a", "b"].map(signal);
        let mut alerts = vec![alert("a"), alert("a"), alert("b")];
        alerts[1].arrived.0 += 1_000_000;
        let way = way(&signals, &alerts, |signal| signal.id == "a");
        assert_eq!(way.to_signal.percentile(99), Some(Duration::from_millis(2)));
        assert_eq!((way.to_delivery.count(), way.to_delivery.percentile(99)), (1, Some(Duration::from_millis(5))));
    }
}
