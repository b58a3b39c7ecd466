//! `PromQL` that is held against the metric table.
//!
//! Owns the reading of one expression: whether it parses, whether each metric exists and has the labels that are asked
//! of it, whether what only grows is looked at by its rate, and which labels the result has. Variables have to be
//! replaced before. It runs nothing.

use std::collections::BTreeSet;

use promql_parser::label::Matcher;
use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    self, AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
};

use crate::known_metric::{Growth, KnownMetric};

/// Functions that make something of a series that only grows.
const RATES: [&str; 2] = ["rate", "increase"];

/// Names of labels.
pub type Labels = BTreeSet<String>;

/// An expression, with what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Expression {
    /// What is wrong; empty if nothing is.
    pub faults: Vec<String>,
    /// The labels that its result can have.
    pub labels: Labels,
    /// The metrics of the table that it asks for.
    pub metrics: BTreeSet<&'static str>,
}

impl Expression {
    /// Reads an expression.
    pub fn read(text: &str) -> Self {
        let mut read = Self::default();
        match parser::parse(text) {
            Ok(expr) => read.labels = read.expr(&expr, None),
            Err(error) => read.faults.push(format!("no PromQL: {error}")),
        }
        read
    }

    /// Reads a part; `rate` is the function that takes it as a range. Returns the labels of its result.
    fn expr(&mut self, expr: &Expr, rate: Option<&str>) -> Labels {
        match expr {
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Unary(unary) => self.expr(&unary.expr, None),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Paren(paren) => self.expr(&paren.expr, None),
            Expr::Subquery(subquery) => self.expr(&subquery.expr, None),
            Expr::VectorSelector(selector) => self.selector(selector, None),
            Expr::MatrixSelector(matrix) => self.selector(&matrix.vs, rate),
            Expr::Call(call) => self.call(call),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Labels::new(),
        }
    }

    fn selector(&mut self, selector: &VectorSelector, rate: Option<&str>) -> Labels {
        let name = selector.name.as_deref().unwrap_or_default();
        let Some(metric) = KnownMetric::named(name) else {
            self.faults.push(format!("nothing exposes {name:?}"));
            return Labels::new();
        };
        self.metrics.extend(metric.declared);
        let is_rate = rate.is_some_and(|function| RATES.contains(&function));
        match metric.growth {
            Growth::Up if !is_rate => self.faults.push(format!("{name} only grows: look at its rate or increase")),
            Growth::UpAndDown if is_rate => self.faults.push(format!("{name} is a gauge and has no rate")),
            _ => {}
        }
        let labels: Labels = metric.labels.into_iter().map(str::to_owned).collect();
        for Matcher { name: label, .. } in &selector.matchers.matchers {
            self.expect(&labels, label, || format!("{name} has no label"));
        }
        if !selector.matchers.or_matchers.is_empty() {
            self.faults.push(format!("{name}: \"or\" between matchers is not Prometheus's"));
        }
        labels
    }

    fn call(&mut self, call: &Call) -> Labels {
        let function = call.func.name;
        if function == "irate" {
            self.faults.push("irate looks at two samples only: take rate".to_owned());
        }
        let mut labels = Labels::new();
        for argument in &call.args.args {
            labels.extend(self.expr(argument, Some(function)));
        }
        if function == "histogram_quantile" {
            let why = || "histogram_quantile needs buckets, and has no label".to_owned();
            self.expect(&labels, "le", why);
            labels.remove("le");
        }
        // `vector(s)` has no labels, and a scalar has none either.
        if call.func.return_type == ValueType::Vector && function != "vector" { labels } else { Labels::new() }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr) -> Labels {
        let of = self.expr(&aggregate.expr, None);
        let by = match &aggregate.modifier {
            None => return Labels::new(),
            Some(LabelModifier::Include(by)) => by,
            Some(LabelModifier::Exclude(_)) => {
                self.faults.push("\"without\" hides which labels are left: say \"by\"".to_owned());
                return of;
            }
        };
        for label in &by.labels {
            self.expect(&of, label, || format!("{} by a label that is not there:", aggregate.op));
        }
        by.labels.iter().cloned().collect()
    }

    fn binary(&mut self, binary: &BinaryExpr) -> Labels {
        let (left, right) = (self.expr(&binary.lhs, None), self.expr(&binary.rhs, None));
        match (binary.lhs.value_type(), binary.rhs.value_type()) {
            (_, ValueType::Scalar) => return left,
            (ValueType::Scalar, _) => return right,
            _ => {}
        }
        let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
        let operator = binary.op.id();
        match matching {
            Some(LabelModifier::Include(on)) => {
                for label in &on.labels {
                    self.expect(&left, label, || format!("left of {}: no label", binary.op));
                    self.expect(&right, label, || format!("right of {}: no label", binary.op));
                }
            }
            Some(LabelModifier::Exclude(_)) => {
                self.faults.push("\"ignoring\" hides which labels match: say \"on\"".to_owned());
            }
            None if operator != T_LOR && left != right => {
                self.faults.push(format!("{left:?} {} {right:?} never match", binary.op));
            }
            None => {}
        }
        match operator {
            T_LOR => left.union(&right).cloned().collect(),
            T_LAND | T_LUNLESS => left,
            _ => match &binary.modifier {
                Some(modifier) => self.joined(modifier, left, right),
                None => left,
            },
        }
    }

    /// The labels of what arithmetic or a comparison between two vectors gives.
    fn joined(&mut self, modifier: &BinModifier, left: Labels, right: Labels) -> Labels {
        let (mut many, one, taken) = match &modifier.card {
            VectorMatchCardinality::ManyToOne(taken) => (left, right, taken),
            VectorMatchCardinality::OneToMany(taken) => (right, left, taken),
            _ => {
                return match &modifier.matching {
                    Some(LabelModifier::Include(on)) => on.labels.iter().cloned().collect(),
                    _ => left,
                };
            }
        };
        for label in &taken.labels {
            self.expect(&one, label, || "nothing to take from the side of which there is one:".to_owned());
        }
        many.extend(taken.labels.iter().cloned());
        many
    }

    fn expect(&mut self, labels: &Labels, label: &str, complaint: impl Fn() -> String) {
        if !labels.contains(label) {
            self.faults.push(format!("{} {label}", complaint()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> String {
        Expression::read(text).faults.join("; ")
    }

    fn labels(text: &str) -> Vec<String> {
        let read = Expression::read(text);
        assert_eq!(read.faults, Vec::<String>::new(), "{text}");
        read.labels.into_iter().collect()
    }

    #[test]
    fn labels_of_the_result_are_followed() {
        let quantile = "histogram_quantile(0.5, sum by (le, channel) (rate(candlewire_end_to_end_seconds_bucket[1m])))";
        assert_eq!(labels(quantile), ["channel"]);
        assert_eq!(labels("candlewire_redis_up == 0"), ["instance", "job"]);
        assert_eq!(labels("60 * sum(rate(candlewire_gaps_total[1m]))"), [""; 0]);
        assert_eq!(labels("sum(up) or vector(0)"), [""; 0]);
        let age = "(time() - max by (venue, timeframe) (candlewire_last_close_timestamp_seconds)) \
                   / on (timeframe) group_left () max by (timeframe) (candlewire_timeframe_seconds)";
        assert_eq!(labels(age), ["timeframe", "venue"]);
        assert_eq!(labels("sum by (job) (up) * on (job) max by (job) (up)"), ["job"]);
    }

    #[test]
    fn unknown_names_and_labels_are_found() {
        assert_eq!(faults("candlewire_redis_upp"), "nothing exposes \"candlewire_redis_upp\"");
        assert_eq!(faults("candlewire_redis_up{channel=\"a\"}"), "candlewire_redis_up has no label channel");
        assert_eq!(faults("sum by (symbol) (candlewire_redis_up)"), "sum by a label that is not there: symbol");
        let on = faults("candlewire_dead_alerts / on (recipient) candlewire_redis_up");
        assert_eq!(on, "right of /: no label recipient");
        assert!(faults("sum by (").starts_with("no PromQL"));
    }

    #[test]
    fn counters_without_rate_and_rates_of_gauges_are_found() {
        assert!(faults("sum(candlewire_gaps_total)").contains("only grows"));
        assert!(faults("changes(candlewire_gaps_total[1m])").contains("only grows"));
        assert!(faults("rate(candlewire_redis_up[1m])").contains("no rate"));
        assert!(faults("irate(candlewire_gaps_total[1m])").contains("take rate"));
        assert_eq!(faults("increase(candlewire_gaps_total[1m])"), "");
        assert_eq!(faults("max_over_time(candlewire_redis_up[1m])"), "");
    }

    #[test]
    fn quantiles_without_buckets_are_found() {
        let fault = faults("histogram_quantile(0.5, sum(rate(candlewire_end_to_end_seconds_bucket[1m])))");
        assert_eq!(fault, "histogram_quantile needs buckets, and has no label le");
        assert!(faults("rate(candlewire_end_to_end_seconds[1m])").contains("nothing exposes"));
    }

    #[test]
    fn vectors_that_never_match_are_found() {
        assert!(faults("candlewire_dead_alerts / candlewire_redis_up").contains("never match"));
        assert!(faults("up and sum(up)").contains("never match"));
    }

    #[test]
    fn hidden_labels_are_refused() {
        assert!(faults("sum without (job) (up)").contains("without"));
        assert!(faults("up / ignoring (job) up").contains("ignoring"));
    }
}
