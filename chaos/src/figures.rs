//! What is counted and measured, and what of it is not as it should be.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::schedule::Kind;

/// How long a hand-over may take, as the contract promises.
const HAND_OVER_MAX: Duration = Duration::from_secs(1);
/// What a take-over may take beyond the lease.
const TAKE_OVER_MARGIN: Duration = Duration::from_secs(1);
/// How long after Redis' return, or the last fault of a storm, every partition must be alive.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// How long after workers came or were healed shares must be even.
pub const EVEN_MAX: Duration = Duration::from_secs(10);

/// Spans that were measured, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Spans(Vec<u64>);

impl Spans {
    /// Adds one.
    pub fn add(&mut self, span: Duration) {
        self.0.push(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    }

    /// Returns how many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the longest.
    pub fn max(&self) -> Option<Duration> {
        self.0.iter().max().copied().map(Duration::from_millis)
    }

    /// Returns the one in the middle, the lower of two.
    pub fn median(&self) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().map(Duration::from_millis)
    }
}

/// How the signals that were found differ from those expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// Expected and not there.
    pub lost: u64,
    /// There more than once: each further time.
    pub doubled: u64,
    /// There, after one that it should precede.
    pub out_of_order: u64,
    /// There and not expected.
    pub unexpected: u64,
    /// There, with a field that is wrong.
    pub wrong: u64,
}

/// All figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The schedule's seed.
    pub seed: u64,
    /// Faults by kind.
    pub faults: BTreeMap<Kind, u64>,
    /// The lease in milliseconds.
    pub lease_ttl_ms: u64,
    /// Different candles.
    pub candles: u64,
    /// Entries that were acknowledged, repetitions included.
    pub entries: u64,
    /// Signals that must be there.
    pub expected: u64,
    /// How those that are there differ.
    pub signals: Differences,
    /// Series whose state hash is wrong.
    pub wrong_states: u64,
    /// Series whose history is wrong.
    pub wrong_histories: u64,
    /// Entries in the dead streams.
    pub dead: u64,
    /// From the loss of a worker to the last of its partitions having another owner.
    pub take_overs_ms: Spans,
    /// The same from SIGTERM.
    pub hand_overs_ms: Spans,
    /// From Redis' return to a probe being applied in every partition.
    pub recoveries_ms: Spans,
    /// The same from the end of a storm.
    pub after_storms_ms: Spans,
    /// From the last coming or healing of a worker to even shares.
    pub even_ms: Spans,
    /// Bytes cut off the append-only file.
    pub cut_bytes: u64,
    /// Replies of commits that were lost after the commit was carried out.
    pub lost_replies: u64,
    /// Commits that were half sent.
    pub halved_requests: u64,
    /// Commits that were refused because the partition had changed hands, as far as the workers told.
    pub fenced: u64,
    /// How long it all took, in milliseconds.
    pub took_ms: u64,
    /// What stood still when its time was up, a line for each.
    pub late: Vec<String>,
    /// What else went wrong, a line for each.
    pub incidents: Vec<String>,
}

impl Figures {
    /// Returns how many faults there were.
    pub fn fault_count(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Returns what is not as it should be, a line for each.
    pub fn failures(&self) -> Vec<String> {
        let Differences { lost, doubled, out_of_order, unexpected, wrong } = self.signals;
        let counts = [
            (lost, "signals lost"),
            (doubled, "signals doubled"),
            (out_of_order, "signals out of order"),
            (unexpected, "signals unexpected"),
            (wrong, "signals with wrong fields"),
            (self.wrong_states, "states wrong"),
            (self.wrong_histories, "histories wrong"),
            (self.dead, "candles in the dead streams"),
        ];
        let lease = Duration::from_millis(self.lease_ttl_ms);
        let limits = [
            (&self.take_overs_ms, lease + TAKE_OVER_MARGIN, "a take-over"),
            (&self.hand_overs_ms, HAND_OVER_MAX, "a hand-over"),
            (&self.recoveries_ms, recovery_max(lease), "the recovery after redis was back"),
            (&self.after_storms_ms, recovery_max(lease), "the recovery after a storm"),
            (&self.even_ms, EVEN_MAX, "sharing evenly"),
        ];
        let wrong = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let late = limits.iter().filter_map(|(spans, limit, what)| {
            let longest = spans.max().filter(|longest| longest > limit)?;
            Some(format!("{what} took {} ms, {} ms are allowed", longest.as_millis(), limit.as_millis()))
        });
        let nothing = (self.expected == 0).then(|| "no signal was expected: nothing was tested".to_owned());
        wrong.chain(late).chain(nothing).chain(self.late.iter().chain(&self.incidents).cloned()).collect()
    }
}

/// How long a recovery may take. A worker may have died just before: what it had comes back with its lease.
pub fn recovery_max(lease_ttl: Duration) -> Duration {
    RECOVERY_MAX.max(lease_ttl + TAKE_OVER_MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(millis: &[u64]) -> Spans {
        let mut spans = Spans::default();
        for millis in millis {
            spans.add(Duration::from_millis(*millis));
        }
        spans
    }

    #[test]
    fn longest_and_middle_are_found() {
        let found =
            |millis: &[u64]| [spans(millis).max(), spans(millis).median()].map(|span| span.map(|s| s.as_millis()));
        assert_eq!(found(&[]), [None, None]);
        assert_eq!(found(&[5]), [Some(5), Some(5)]);
        assert_eq!(found(&[9, 1, 4, 2]), [Some(9), Some(2)]);
    }

    #[test]
    fn each_failure_is_told() {
        let fine = Figures { lease_ttl_ms: 1_000, expected: 1, take_overs_ms: spans(&[1_999]), ..Figures::default() };
        assert!(fine.failures().is_empty());
        let bad = Figures {
            signals: Differences { lost: 1, doubled: 2, out_of_order: 3, unexpected: 4, wrong: 5 },
            dead: 6,
            take_overs_ms: spans(&[2_001]),
            hand_overs_ms: spans(&[1_200, 20]),
            incidents: vec!["a worker fell".to_owned()],
            ..fine
        };
        let expected = [
            "1 signals lost",
            "2 signals doubled",
            "3 signals out of order",
            "4 signals unexpected",
            "5 signals with wrong fields",
            "6 candles in the dead streams",
            "a take-over took 2001 ms, 2000 ms are allowed",
            "a hand-over took 1200 ms, 1000 ms are allowed",
            "a worker fell",
        ];
        assert_eq!(bad.failures(), expected);
    }
}
