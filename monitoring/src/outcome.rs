//! What comes out of a PromQL expression: which labels its result has.
//!
//! Owns the following of labels through aggregations, functions and operators, so that a legend can be held against
//! it, and finds the places where labels are asked for that are gone by then, or where two sides can never match.
//! Whether metrics exist, and whether they are looked at as they should be, is [`promql`]'s to say. Variables of
//! dashboards have to be replaced before.

use std::collections::BTreeSet;

use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    self, AggregateExpr, BinModifier, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
};

use crate::promql;

/// Names of labels.
pub type Labels = BTreeSet<String>;

/// What an expression gives.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The labels that its result can have.
    pub labels: Labels,
    /// Where labels are lost on the way; empty if nowhere.
    pub faults: Vec<String>,
}

impl Outcome {
    /// Follows the labels through an expression. One that is no PromQL has none.
    pub fn of(expression: &str) -> Self {
        let mut outcome = Self::default();
        if let Ok(parsed) = parser::parse(expression) {
            outcome.labels = outcome.follow(&parsed);
        }
        outcome
    }

    fn follow(&mut self, expression: &Expr) -> Labels {
        match expression {
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Unary(unary) => self.follow(&unary.expr),
            Expr::Binary(binary) => self.binary(binary),
            Expr::Paren(paren) => self.follow(&paren.expr),
            Expr::Subquery(subquery) => self.follow(&subquery.expr),
            Expr::VectorSelector(selector) => selected(selector),
            Expr::MatrixSelector(range) => selected(&range.vs),
            Expr::Call(call) => self.call(call),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Labels::new(),
        }
    }

    fn call(&mut self, call: &Call) -> Labels {
        let mut labels = Labels::new();
        for argument in &call.args.args {
            labels.extend(self.follow(argument));
        }
        match call.func.name {
            "histogram_quantile" => {
                self.expect(&labels, "le", || "histogram_quantile: no label".to_owned());
                labels.remove("le");
                labels
            }
            // A scalar has no labels, whatever it was made of.
            "vector" => Labels::new(),
            _ if call.func.return_type == ValueType::Vector => labels,
            _ => Labels::new(),
        }
    }

    fn aggregate(&mut self, aggregate: &AggregateExpr) -> Labels {
        let of = self.follow(&aggregate.expr);
        match &aggregate.modifier {
            None => Labels::new(),
            Some(LabelModifier::Include(by)) => {
                for label in &by.labels {
                    self.expect(&of, label, || format!("{}: no label", aggregate.op));
                }
                by.labels.iter().cloned().collect()
            }
            Some(LabelModifier::Exclude(_)) => {
                self.faults.push("\"without\" hides which labels are left: say \"by\"".to_owned());
                of
            }
        }
    }

    fn binary(&mut self, binary: &BinaryExpr) -> Labels {
        let (left, right) = (self.follow(&binary.lhs), self.follow(&binary.rhs));
        match (binary.lhs.value_type(), binary.rhs.value_type()) {
            (_, ValueType::Scalar) => return left,
            (ValueType::Scalar, _) => return right,
            _ => {}
        }
        let operator = binary.op.id();
        match binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref()) {
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
            self.expect(&one, label, || "the side of which there is one: no label".to_owned());
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

fn selected(selector: &VectorSelector) -> Labels {
    let labels = selector.name.as_deref().and_then(promql::labels);
    labels.into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(expression: &str) -> String {
        Outcome::of(expression).faults.join("; ")
    }

    #[test]
    fn labels_are_followed() {
        for (expression, labels) in [
            ("histogram_quantile(0.5, sum by (le) (rate(candlewire_end_to_end_seconds_bucket[1m])))", &[][..]),
            ("histogram_quantile(0.5, rate(candlewire_queue_wait_seconds_bucket[1m]))", &["instance", "job"]),
            ("candlewire_redis_up == 0", &["instance", "job"]),
            ("60 * sum by (venue) (rate(candlewire_gaps_total[1m]))", &["venue"]),
            ("sum(candlewire_redis_up) or vector(0)", &[]),
            ("time() - max by (recipient) (candlewire_dead_alerts)", &["recipient"]),
            ("sum by (job) (candlewire_redis_up) * on (job) max by (job) (candlewire_redis_up)", &["job"]),
            (
                "max by (venue, timeframe) (candlewire_last_close_timestamp_seconds) \
                 / on (timeframe) group_left () max by (timeframe) (candlewire_timeframe_seconds)",
                &["timeframe", "venue"],
            ),
            ("max by (job) (candlewire_redis_up) * on (job) group_right () candlewire_redis_up", &["instance", "job"]),
        ] {
            let outcome = Outcome::of(expression);
            assert_eq!(outcome.faults, Vec::<String>::new(), "{expression}");
            assert!(outcome.labels.iter().eq(labels), "{expression}: {:?}", outcome.labels);
        }
    }

    #[test]
    fn labels_that_are_gone_are_missed() {
        let gone = faults("sum by (venue) (sum by (timeframe) (rate(candlewire_gaps_total[1m])))");
        assert_eq!(gone, "sum: no label venue");
        assert_eq!(
            faults("candlewire_dead_alerts / on (recipient) candlewire_redis_up"),
            "right of /: no label recipient"
        );
        let quantile = faults("histogram_quantile(0.5, sum(rate(candlewire_end_to_end_seconds_bucket[1m])))");
        assert_eq!(quantile, "histogram_quantile: no label le");
        let taken = "candlewire_dead_alerts * on (job) group_left (venue) max by (job) (candlewire_redis_up)";
        assert_eq!(faults(taken), "the side of which there is one: no label venue");
    }

    #[test]
    fn sides_that_never_match_are_found() {
        assert!(faults("candlewire_dead_alerts / candlewire_redis_up").contains("never match"));
        assert!(faults("candlewire_redis_up and sum(candlewire_redis_up)").contains("never match"));
    }

    #[test]
    fn hidden_labels_are_refused() {
        assert!(faults("sum without (job) (candlewire_redis_up)").contains("without"));
        assert!(faults("candlewire_redis_up / ignoring (job) candlewire_redis_up").contains("ignoring"));
    }
}
