//! The metric table as a page for people: `docs/METRICS.md`.
//!
//! A test compares the file with what is made here, so that it can't tell anything else than the table.

use std::fmt::Write;

use super::page::PROCESS;
use super::{Kind, Metric, Process, table};

const HEAD: &str = "# Metrics

Each process serves these at `/metrics`, for Prometheus; where, the table `[http]` of the configuration says. This page is made
from the table in the code: `cargo run -p candlewire-common --example metrics-page > docs/METRICS.md`.

All begin with `candlewire_`, but for the figures of the process, which have the names that everybody uses. Units are seconds, bytes and
entries; what ends in `_total` only grows. Series of every known label value are there from the start, at zero. A gauge that
has nothing to tell is NaN. A symbol is never a label, since there may be thousands: logs tell of symbols. The values of
`venue`, `timeframe`, `strategy`, `channel` and `recipient` are those of the configuration; all others are named below.

Every process tells about Redis and the streams as a whole. Where several run, take the `max` of those, never the `sum`.
The **cache hit ratio** is hits of both tiers ÷ requests of the tier `memory`: a request that any tier answers is one hit.
";

/// The whole page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let sections = [
        ("Every process", None),
        ("The ingestor", Some(Process::Ingestor)),
        ("The indicator-worker", Some(Process::IndicatorWorker)),
        ("The notifier", Some(Process::Notifier)),
    ];
    for (title, process) in sections {
        let of_process = table::ALL.iter().filter(|metric| metric.process == process);
        let rows = of_process.map(|metric| (metric.name, kind(metric), labels(metric), metric.help.to_owned()));
        section(&mut page, title, rows);
    }
    let rows = PROCESS.map(|(name, kind, help)| (name, kind, String::new(), help.to_owned()));
    section(&mut page, "Figures of each process", rows);
    buckets(&mut page);
    page
}

fn section<'a>(page: &mut String, title: &str, rows: impl IntoIterator<Item = (&'a str, &'a str, String, String)>) {
    // Writing into a string does not fail.
    let _ = write!(page, "\n## {title}\n\n| metric | type | labels | |\n|---|---|---|---|\n");
    for (name, kind, labels, help) in rows {
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
    }
}

fn buckets(page: &mut String) {
    page.push_str("\n## Buckets\n\nUpper bounds; the last bucket has none.\n\n| bounds | of |\n|---|---|\n");
    let mut known: Vec<(&[f64], Vec<&str>)> = Vec::new();
    for metric in table::ALL {
        let Kind::Histogram(bounds) = metric.kind else { continue };
        match known.iter_mut().find(|(others, _)| *others == bounds) {
            Some((_, names)) => names.push(metric.name),
            None => known.push((bounds, vec![metric.name])),
        }
    }
    for (bounds, names) in known {
        let bounds: Vec<String> = bounds.iter().map(f64::to_string).collect();
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "| {} | {} |", bounds.join(" "), names.join(", "));
    }
}

fn kind(metric: &Metric) -> &'static str {
    match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

fn labels(metric: &Metric) -> String {
    let names: Vec<String> = metric.labels.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_table_says() {
        let there = include_str!("../../../docs/METRICS.md");
        assert_eq!(there, page(), "cargo run -p candlewire-common --example metrics-page > docs/METRICS.md");
    }
}
