//! The summary: what was shown, in numbers, and whether it is what should be.

use std::time::Duration;

use crate::act::{Pace, pace_of};
use crate::alert::Alert;
use crate::cache_ratio::CacheRatio;
use crate::comparison::{Differences, Way, compare, way};
use crate::latency::Latencies;
use crate::ledger::SignalRecord;
use crate::wording::{counted, grouped, span};

/// What was counted and measured.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Candles in the files.
    pub rows: u64,
    /// Candles in the streams.
    pub published: u64,
    /// Candles that the worker says it applied.
    pub applied: f64,
    /// Candles that could not be used.
    pub dead: u64,
    /// All signals of the streams.
    pub signals: Vec<SignalRecord>,
    /// All alerts, in the order of their arrival.
    pub alerts: Vec<Alert>,
    /// Requests with a valid signature.
    pub verified: u64,
    /// Requests without one.
    pub rejected: u64,
    /// The worker's cache.
    pub cache: CacheRatio,
    /// Where the metrics of the worker and the notifier are.
    pub metrics: [String; 2],
    /// From the start to here.
    pub took: Duration,
}

impl Summary {
    /// Returns what is not as it should be, a line for each.
    pub fn faults(&self) -> Vec<String> {
        let Differences { repeated, missing, duplicated, unknown } = compare(&self.signals, &self.alerts);
        let unapplied = self.published as f64 - self.applied;
        let should_be_zero = [
            (repeated, "repeated in the signals streams"),
            (missing, "found but never delivered"),
            (duplicated, "delivered again"),
            (unknown, "delivered but in no signals stream"),
        ];
        let mut faults: Vec<String> = should_be_zero
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", counted(*count, "signal")))
            .collect();
        if self.signals.is_empty() {
            faults.push("no signal was found".to_owned());
        }
        if self.rejected > 0 {
            faults.push(format!("{} with a bad signature", counted(self.rejected, "webhook")));
        }
        if self.dead > 0 {
            faults.push(format!("{} in the dead streams", counted(self.dead, "candle")));
        }
        if unapplied.abs() > 0.5 {
            faults.push(format!(
                "{} published but {} applied by the worker",
                counted(self.published, "candle"),
                grouped(self.applied)
            ));
        }
        faults
    }

    /// Returns the text that ends the demo.
    pub fn text(&self) -> String {
        let Differences { missing, duplicated, .. } = compare(&self.signals, &self.alerts);
        let refused = self.rows.saturating_sub(self.published);
        let [worker, notifier] = &self.metrics;
        let lines = [
            "Summary".to_owned(),
            format!(
                "  candles   {} published, {} refused, {} dead",
                grouped(self.published),
                grouped(refused),
                grouped(self.dead)
            ),
            format!("  signals   {} in the streams", grouped(self.signals.len() as u64)),
            format!(
                "  alerts    {} delivered and verified, {} rejected, {duplicated} duplicate, {missing} missing",
                grouped(self.verified),
                grouped(self.rejected)
            ),
            format!("  cache     {}", self.cache_text()),
            "  latency   publish to                  signal               delivery".to_owned(),
            "                                    p50        p99        p50        p99".to_owned(),
            self.latency_text(Pace::Even, "one candle at a time", ""),
            self.latency_text(Pace::Burst, "replay at full speed", ", mostly waiting in the queue"),
            format!("  metrics   {worker} and {notifier}"),
            format!("  took      {}", span(self.took)),
        ];
        lines.join("\n")
    }

    fn cache_text(&self) -> String {
        match self.cache.percent() {
            None => "never asked".to_owned(),
            Some(percent) => format!(
                "{percent:.2} % of {} state look-ups were hits, in memory or Redis",
                grouped(self.cache.requests)
            ),
        }
    }

    fn latency_text(&self, pace: Pace, name: &str, remark: &str) -> String {
        let Way { to_signal, to_delivery } =
            way(&self.signals, &self.alerts, |signal| pace_of(&signal.series) == Some(pace));
        let cells = [(&to_signal, 50), (&to_signal, 99), (&to_delivery, 50), (&to_delivery, 99)].map(cell);
        format!("    {name:<24}{}   {}{remark}", cells.join(""), counted(to_signal.count(), "signal"))
    }
}

fn cell((latencies, percent): (&Latencies, u8)) -> String {
    let text = latencies.percentile(percent).map_or_else(|| "-".to_owned(), span);
    format!("{text:>11}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{alert, signal};

    fn summary() -> Summary {
        Summary {
            rows: 20_165,
            published: 20_165,
            applied: 20_165.0,
            dead: 0,
            signals: ["a", "b"].map(signal).to_vec(),
            alerts: ["b", "a"].map(alert).to_vec(),
            verified: 2,
            rejected: 0,
            cache: CacheRatio { requests: 20_165.0, hits: 20_157.0 },
            metrics: ["http://127.0.0.1:1/metrics".to_owned(), "http://127.0.0.1:2/metrics".to_owned()],
            took: Duration::from_millis(6_180),
        }
    }

    #[test]
    fn text_tells_what_was_counted_and_measured() {
        let expected = "\
Summary
  candles   20,165 published, 0 refused, 0 dead
  signals   2 in the streams
  alerts    2 delivered and verified, 0 rejected, 0 duplicate, 0 missing
  cache     99.96 % of 20,165 state look-ups were hits, in memory or Redis
  latency   publish to                  signal               delivery
                                    p50        p99        p50        p99
    one candle at a time        2.00 ms    2.00 ms    5.00 ms    5.00 ms   2 signals
    replay at full speed              -          -          -          -   0 signals, mostly waiting in the queue
  metrics   http://127.0.0.1:1/metrics and http://127.0.0.1:2/metrics
  took      6.18 s";
        assert_eq!(summary().text(), expected);
        assert!(summary().faults().is_empty());
    }

    #[test]
    fn each_fault_is_told() {
        let faulty = Summary {
            signals: ["a", "a", "b"].map(signal).to_vec(),
            alerts: ["a", "a", "c"].map(alert).to_vec(),
            rejected: 1,
            dead: 2,
            applied: 20_163.0,
            ..summary()
        };
        let expected = [
            "1 signal repeated in the signals streams",
            "1 signal found but never delivered",
            "1 signal delivered again",
            "1 signal delivered but in no signals stream",
            "1 webhook with a bad signature",
            "2 candles in the dead streams",
            "20,165 candles published but 20,163 applied by the worker",
        ];
        assert_eq!(faulty.faults(), expected);
        let silent = Summary { signals: Vec::new(), alerts: Vec::new(), ..summary() };
        assert_eq!(silent.faults(), ["no signal was found"]);
    }
}
