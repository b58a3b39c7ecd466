//! The metrics that an expression may name.
//!
//! Owns the way from a name in `PromQL` to a declaration: the table of `candlewire-common`, a histogram's parts, and the
//! few metrics that the processes and Prometheus itself expose beside it. It reads no expression.

use std::collections::BTreeSet;

use candlewire_common::metrics::{Kind, table};

/// Labels that Prometheus gives everything it scrapes.
const OF_THE_TARGET: [&str; 2] = ["instance", "job"];

/// What is exposed beside the table: by Prometheus of each target, and by the crate `metrics-process`.
const BESIDE: [(&str, Growth); 8] = [
    ("up", Growth::UpAndDown),
    ("process_cpu_seconds_total", Growth::Up),
    ("process_open_fds", Growth::UpAndDown),
    ("process_max_fds", Growth::UpAndDown),
    ("process_resident_memory_bytes", Growth::UpAndDown),
    ("process_virtual_memory_bytes", Growth::UpAndDown),
    ("process_start_time_seconds", Growth::UpAndDown),
    ("process_threads", Growth::UpAndDown),
];

/// How a series behaves, which decides what may be asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It only grows, but for restarts: only its rate says something.
    Up,
    /// Its value says something.
    UpAndDown,
}

/// A series that may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMetric {
    /// How it behaves.
    pub growth: Growth,
    /// The labels that its samples have.
    pub labels: BTreeSet<&'static str>,
    /// The table's name, without a histogram's suffix; `None` beside the table.
    pub declared: Option<&'static str>,
}

impl KnownMetric {
    /// Finds what `name` is; `None`: nothing exposes it.
    pub fn named(name: &str) -> Option<Self> {
        let labels = |own: &[&'static str]| own.iter().copied().chain(OF_THE_TARGET).collect::<BTreeSet<_>>();
        if let Some((_, growth)) = BESIDE.iter().find(|(known, _)| *known == name) {
            return Some(Self { growth: *growth, labels: labels(&[]), declared: None });
        }
        table::ALL.iter().find_map(|metric| {
            let suffix = name.strip_prefix(metric.name)?;
            let known = |growth| Self { growth, labels: labels(metric.labels), declared: Some(metric.name) };
            match (metric.kind, suffix) {
                (Kind::Counter, "") | (Kind::Histogram(_), "_sum" | "_count") => Some(known(Growth::Up)),
                (Kind::Gauge, "") => Some(known(Growth::UpAndDown)),
                (Kind::Histogram(_), "_bucket") => {
                    let mut bucket = known(Growth::Up);
                    bucket.labels.insert("le");
                    Some(bucket)
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_histogram_are_known_and_the_whole_is_not() {
        let bucket = KnownMetric::named("candlewire_end_to_end_seconds_bucket").expect("a bucket");
        assert_eq!(bucket.labels, BTreeSet::from(["channel", "instance", "job", "le"]));
        let count = KnownMetric::named("candlewire_end_to_end_seconds_count").expect("a count");
        assert_eq!((count.growth, count.declared), (Growth::Up, Some("candlewire_end_to_end_seconds")));
        assert_eq!(KnownMetric::named("candlewire_end_to_end_seconds"), None);
    }

    #[test]
    fn suffixes_belong_to_histograms_only() {
        assert_eq!(KnownMetric::named("candlewire_redis_up_bucket"), None);
        assert_eq!(KnownMetric::named("candlewire_gaps_total_count"), None);
        assert_eq!(KnownMetric::named("redis_up"), None);
    }

    #[test]
    fn targets_and_processes_are_known_beside_the_table() {
        let up = KnownMetric::named("up").expect("up");
        assert_eq!((up.growth, up.declared), (Growth::UpAndDown, None));
        assert_eq!(KnownMetric::named("process_cpu_seconds_total").map(|cpu| cpu.growth), Some(Growth::Up));
    }
}
