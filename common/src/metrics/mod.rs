//! Metrics: one table of what there is, and the handles that processes record on.
//!
//! Every metric is declared once in [`table`], with its unit, labels and buckets; a handle can only
//! be made from a declaration. Handles are made at start for every known label value, so that each
//! series begins at zero. Symbols are never labels.

mod catalogue;
mod latency;
mod page;
mod registry;
mod shared;
pub mod table;
mod tally;

pub use catalogue::page as catalogue;
pub use latency::Latency;
pub use page::Page;
pub use registry::{InstallError, install};
pub use shared::{Command, RedisMetrics, Stopwatch};
pub use tally::{Quantiles, Spans, Tally};

use metrics::{Counter, Gauge, Histogram, Label};

/// The processes that expose metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Publishes candles.
    Ingestor,
    /// Computes indicators and signals.
    IndicatorWorker,
    /// Delivers alerts.
    Notifier,
}

/// What a metric measures, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One declared metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The whole name, prefix and unit included.
    pub name: &'static str,
    /// How it measures.
    pub kind: Kind,
    /// The labels' names, in the order in which handles take their values.
    pub labels: &'static [&'static str],
    /// One sentence for the reader of the page.
    pub help: &'static str,
    /// The process that exposes it; `None`: every one.
    pub process: Option<Process>,
}

impl Metric {
    /// A counter with these label values.
    pub fn counter(&self, values: &[&str]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        metrics::with_recorder(|recorder| recorder.register_counter(&self.key(values), &METADATA))
    }

    /// A gauge with these label values.
    pub fn gauge(&self, values: &[&str]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        metrics::with_recorder(|recorder| recorder.register_gauge(&self.key(values), &METADATA))
    }

    /// A histogram with these label values.
    pub fn histogram(&self, values: &[&str]) -> Histogram {
        debug_assert!(matches!(self.kind, Kind::Histogram(_)), "{}", self.name);
        metrics::with_recorder(|recorder| recorder.register_histogram(&self.key(values), &METADATA))
    }

    fn key(&self, values: &[&str]) -> metrics::Key {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let labels: Vec<Label> =
            self.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
        metrics::Key::from_parts(self.name, labels)
    }
}

static METADATA: metrics::Metadata<'static> = metrics::Metadata::new("candlewire", metrics::Level::INFO, None);
