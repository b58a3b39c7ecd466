//! PromQL expressions, checked against the metric table.
//!
//! Owns the question whether an expression could ever have a sample: its metrics are in the table, its labels are ones
//! that they carry, a bucket that it names exists, and counters are only looked at as rates. It evaluates nothing and
//! judges no threshold. Variables of dashboards have to be replaced before.

use candlewire_common::metrics::{Kind, Metric, table};
use promql_parser::label::{Labels, MatchOp, Matchers};
use promql_parser::parser::{self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};

/// What the crate `metrics-process` adds to every page: name, whether it is a counter.
const PROCESS_METRICS: [(&str, bool); 6] = [
    ("process_cpu_seconds_total", true),
    ("process_open_fds", false),
    ("process_max_fds", false),
    ("process_resident_memory_bytes", false),
    ("process_start_time_seconds", false),
    ("process_threads", false),
];

/// What Prometheus itself adds: gauges, about each scrape and about alerts.
const SCRAPE_METRICS: [&str; 6] =
    ["up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_series_added", "ALERTS", "ALERTS_FOR_STATE"];

/// Labels that every series has.
const TARGET_LABELS: [&str; 2] = ["job", "instance"];

/// Labels of [`SCRAPE_METRICS`] on alerts.
const ALERT_LABELS: [&str; 3] = ["alertname", "alertstate", "severity"];

/// Functions that take a range of a counter. `irate` is not among them: it looks at two samples of a range and hides
/// the rest.
const RATES: [&str; 3] = ["rate", "increase", "resets"];

/// Functions that make no sense on a counter, but on a gauge.
const OVER_GAUGES: [&str; 12] = [
    "avg_over_time",
    "changes",
    "delta",
    "deriv",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "predict_linear",
    "present_over_time",
    "count_over_time",
    "quantile_over_time",
    "sum_over_time",
];

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    /// It is no PromQL.
    #[error("{0}")]
    Syntax(String),
    /// A selector without a metric's name would scan everything.
    #[error("{0}: no metric is named")]
    Nameless(String),
    /// Nobody exposes it.
    #[error("{0}: no such metric")]
    UnknownMetric(String),
    /// A histogram has no series of its own name.
    #[error("{0}: a histogram has _bucket, _sum and _count")]
    WholeHistogram(String),
    /// The metric does not carry the label.
    #[error("{metric}: no label {label}")]
    UnknownLabel {
        /// The metric, or the whole expression where the label is one of a grouping.
        metric: String,
        /// The label.
        label: String,
    },
    /// No bucket ends there.
    #[error("{metric}: no bucket le={bound:?}")]
    UnknownBucket {
        /// The metric.
        metric: String,
        /// The bound.
        bound: String,
    },
    /// A counter's value says nothing: it begins anew with each process.
    #[error("{0}: a counter outside of rate and increase")]
    BareCounter(String),
    /// A gauge goes down without a reset.
    #[error("{0}: a gauge inside of rate or increase")]
    RateOfGauge(String),
}

/// Checks one expression; an empty list is approval.
///
/// `recorded` are the names that recording rules give; what labels those have is not looked at.
pub fn complaints(expression: &str, recorded: &[&str]) -> Vec<Complaint> {
    let parsed = match parser::parse(expression) {
        Ok(parsed) => parsed,
        Err(reason) => return vec![Complaint::Syntax(reason)],
    };
    let mut check =
        Check { recorded, labels: Vec::new(), open_labels: false, groupings: Vec::new(), found: Vec::new() };
    check.expression(&parsed, None);
    check.groupings();
    check.found
}

/// The labels that the samples of a metric can have, of a bucket with `le`; `None`: nobody exposes it.
pub fn labels(name: &str) -> Option<Vec<&'static str>> {
    series(name).ok().map(|series| series.labels)
}

/// The names of all metrics that an expression selects, in its order.
///
/// # Errors
///
/// [`Complaint::Syntax`] if it is no PromQL.
pub fn selected(expression: &str) -> Result<Vec<String>, Complaint> {
    let parsed = parser::parse(expression).map_err(Complaint::Syntax)?;
    let mut names = Vec::new();
    collect_names(&parsed, &mut names);
    Ok(names)
}

fn collect_names(expression: &Expr, names: &mut Vec<String>) {
    match expression {
        Expr::VectorSelector(selector) => names.extend(selector.name.clone()),
        Expr::MatrixSelector(range) => names.extend(range.vs.name.clone()),
        _ => children(expression).into_iter().for_each(|child| collect_names(child, names)),
    }
}

/// The expressions right below one, a parameter such as `topk`'s number included.
pub(crate) fn children(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Aggregate(AggregateExpr { expr, param, .. }) => param.iter().chain([expr]).map(AsRef::as_ref).collect(),
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(BinaryExpr { lhs, rhs, .. }) => vec![lhs, rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(AsRef::as_ref).collect(),
        Expr::Extension(extension) => extension.expr.children().iter().collect(),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::VectorSelector(_) | Expr::MatrixSelector(_) => {
            Vec::new()
        }
    }
}

/// One series that a metric has, of a histogram one of three.
struct Series {
    labels: Vec<&'static str>,
    bounds: Option<&'static [f64]>,
    counter: bool,
}

struct Check<'a> {
    recorded: &'a [&'a str],
    /// Labels that anything selected so far carries.
    labels: Vec<&'static str>,
    /// Something was selected whose labels are not known.
    open_labels: bool,
    groupings: Vec<(String, Labels)>,
    found: Vec<Complaint>,
}

impl Check<'_> {
    /// `function` is the one whose argument the expression is.
    fn expression(&mut self, expression: &Expr, function: Option<&str>) {
        match expression {
            Expr::VectorSelector(selector) => self.selector(selector, None),
            Expr::MatrixSelector(range) => self.selector(&range.vs, function),
            Expr::Call(Call { func, .. }) => {
                self.written_labels(func.name, expression);
                for argument in children(expression) {
                    self.expression(argument, Some(func.name));
                }
            }
            _ => {
                self.grouped(expression);
                for child in children(expression) {
                    self.expression(child, None);
                }
            }
        }
    }

    /// `label_replace` and `label_join` make labels of any name.
    fn written_labels(&mut self, function: &str, call: &Expr) {
        if function.starts_with("label_") {
            self.open_labels |= !children(call).is_empty();
        }
    }

    fn grouped(&mut self, expression: &Expr) {
        let modifiers: Vec<&Labels> = match expression {
            Expr::Aggregate(aggregate) => aggregate.modifier.iter().map(LabelModifier::labels).collect(),
            Expr::Binary(BinaryExpr { modifier: Some(modifier), .. }) => {
                let matching = modifier.matching.iter().map(LabelModifier::labels);
                matching.chain(modifier.card.labels()).collect()
            }
            _ => Vec::new(),
        };
        for labels in modifiers {
            self.groupings.push((expression.to_string(), labels.clone()));
        }
    }

    /// Looks at the groupings once all labels are known.
    fn groupings(&mut self) {
        if self.open_labels {
            return;
        }
        for (expression, labels) in std::mem::take(&mut self.groupings) {
            for label in labels.labels.iter().filter(|label| !self.labels.contains(&label.as_str())) {
                self.found.push(Complaint::UnknownLabel { metric: expression.clone(), label: label.clone() });
            }
        }
    }

    /// `function` is the one that takes the range, if it is a range.
    fn selector(&mut self, selector: &VectorSelector, function: Option<&str>) {
        let Some(name) = selector.name.as_deref() else {
            self.found.push(Complaint::Nameless(selector.to_string()));
            return;
        };
        if self.recorded.contains(&name) {
            self.open_labels = true;
            return;
        }
        match series(name) {
            Ok(series) => {
                self.labels.extend(&series.labels);
                self.matchers(name, &selector.matchers, &series);
                match function {
                    Some(function) if RATES.contains(&function) && !series.counter => {
                        self.found.push(Complaint::RateOfGauge(name.to_owned()));
                    }
                    Some(function) if RATES.contains(&function) => {}
                    Some(function) if OVER_GAUGES.contains(&function) && !series.counter => {}
                    None if !series.counter => {}
                    _ => self.found.push(Complaint::BareCounter(name.to_owned())),
                }
            }
            Err(complaint) => self.found.push(complaint),
        }
    }

    fn matchers(&mut self, name: &str, matchers: &Matchers, series: &Series) {
        let alternatives = matchers.or_matchers.iter().flatten();
        for matcher in matchers.matchers.iter().chain(alternatives) {
            if !series.labels.contains(&matcher.name.as_str()) {
                let label = matcher.name.clone();
                self.found.push(Complaint::UnknownLabel { metric: name.to_owned(), label });
            }
            if let (Some(bounds), "le", MatchOp::Equal) = (series.bounds, matcher.name.as_str(), &matcher.op) {
                let there = matcher.value == "+Inf" || matcher.value.parse().is_ok_and(|bound| bounds.contains(&bound));
                if !there {
                    let bound = matcher.value.clone();
                    self.found.push(Complaint::UnknownBucket { metric: name.to_owned(), bound });
                }
            }
        }
    }
}

/// Looks a series' name up in the table, and among what `metrics-process` and Prometheus add.
fn series(name: &str) -> Result<Series, Complaint> {
    let own = |name: &str| table::ALL.iter().find(|metric| metric.name == name);
    let labels = |metric: &Metric| TARGET_LABELS.iter().chain(metric.labels).copied().collect::<Vec<_>>();
    if let Some(metric) = own(name) {
        return match metric.kind {
            Kind::Histogram(_) => Err(Complaint::WholeHistogram(name.to_owned())),
            kind => Ok(Series { labels: labels(metric), bounds: None, counter: kind == Kind::Counter }),
        };
    }
    let part = ["_bucket", "_sum", "_count"].iter().find_map(|end| Some((*end, own(name.strip_suffix(end)?)?)));
    if let Some((end, Metric { kind: Kind::Histogram(bounds), .. })) = part {
        let mut labels = part.map(|(_, metric)| labels(metric)).unwrap_or_default();
        if end == "_bucket" {
            labels.push("le");
        }
        return Ok(Series { labels, bounds: Some(bounds), counter: true });
    }
    if let Some((_, counter)) = PROCESS_METRICS.iter().find(|(process, _)| *process == name) {
        return Ok(Series { labels: TARGET_LABELS.to_vec(), bounds: None, counter: *counter });
    }
    if SCRAPE_METRICS.contains(&name) {
        let labels = TARGET_LABELS.iter().chain(&ALERT_LABELS).copied().collect();
        return Ok(Series { labels, bounds: None, counter: false });
    }
    Err(Complaint::UnknownMetric(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(expression: &str) -> Vec<String> {
        complaints(expression, &["candlewire:share:rate5m"]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_table_has_is_approved() {
        for expression in [
            "candlewire_redis_up == 0",
            r#"sum by (channel) (rate(candlewire_end_to_end_seconds_bucket{le="2.5"}[5m]))"#,
            "histogram_quantile(0.99, sum by (le) (rate(candlewire_queue_wait_seconds_bucket[5m])))",
            r#"max by (stream, group) (candlewire_stream_lag_entries{group="notifier"}) > 0"#,
            "time() - candlewire_last_close_timestamp_seconds > on (timeframe) group_left () candlewire_timeframe_seconds",
            "deriv(candlewire_publish_buffer_candles[5m]) > 0 and up == 1",
            "rate(process_cpu_seconds_total[5m])",
            r#"candlewire:share:rate5m{channel="telegram"} > 0"#,
            r#"topk(3, sum by (part) (label_replace(candlewire_redis_up, "part", "$1", "job", "(.*)")))"#,
            "vector(1)",
        ] {
            assert_eq!(seen(expression), Vec::<String>::new(), "{expression}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (expression, complaint) in [
            (r#"{job="notifier"}"#, r#"{job="notifier"}: no metric is named"#),
            ("candlewire_redis_upp", "candlewire_redis_upp: no such metric"),
            ("candlewire_redis_up_bucket", "candlewire_redis_up_bucket: no such metric"),
            (
                "candlewire_queue_wait_seconds",
                "candlewire_queue_wait_seconds: a histogram has _bucket, _sum and _count",
            ),
            (r#"candlewire_source_up{vnue="a"}"#, "candlewire_source_up: no label vnue"),
            (
                r#"rate(candlewire_queue_wait_seconds_sum{le="1"}[5m])"#,
                "candlewire_queue_wait_seconds_sum: no label le",
            ),
            (
                r#"rate(candlewire_end_to_end_seconds_bucket{le="2"}[5m])"#,
                r#"candlewire_end_to_end_seconds_bucket: no bucket le="2""#,
            ),
            ("candlewire_commits_total > 1", "candlewire_commits_total: a counter outside of rate and increase"),
            (
                "max_over_time(candlewire_commits_total[5m])",
                "candlewire_commits_total: a counter outside of rate and increase",
            ),
            ("irate(candlewire_commits_total[5m])", "candlewire_commits_total: a counter outside of rate and increase"),
            ("rate(candlewire_redis_up[5m])", "candlewire_redis_up: a gauge inside of rate or increase"),
            ("sum by (venue) (candlewire_redis_up)", "sum by (venue) (candlewire_redis_up): no label venue"),
        ] {
            assert_eq!(seen(expression), [complaint], "{expression}");
        }
        assert!(matches!(complaints("rate(", &[])[..], [Complaint::Syntax(_)]));
    }

    #[test]
    fn selected_metrics_are_listed_in_order() {
        let expression = "quantile(scalar(up), rate(candlewire_commits_total[1m])) / candlewire_redis_up";
        assert_eq!(
            selected(expression).ok(),
            Some(vec!["up".to_owned(), "candlewire_commits_total".to_owned(), "candlewire_redis_up".to_owned()])
        );
    }
}
