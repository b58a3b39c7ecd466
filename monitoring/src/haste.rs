//! Rules in a hurry: the shipped rules, with their spans of time shortened, so that a test of a minute sees hours.
//!
//! Owns the arithmetic: every `for` and every range of every expression is divided by [`Haste::divisor`], but no range
//! becomes shorter than [`Haste::range_min`], which must hold several scrapes. Thresholds stay what they are, those in
//! seconds included, and so do names, labels and texts. There is no second copy of the rules to forget.

use std::time::Duration;

use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::parse_duration;

use crate::rules::{Rule, RuleFile};

/// How much is shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Haste {
    /// What spans are divided by.
    pub divisor: u32,
    /// The shortest range.
    pub range_min: Duration,
}

/// Something that can't be shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HasteError {
    /// It is no PromQL.
    #[error("{0}")]
    Syntax(String),
    /// It is no span of time.
    #[error("for: {0}: {1}")]
    Span(String, String),
    /// An offset or a subquery, which no rule needs so far.
    #[error("{0}: don't know how to shorten this")]
    Unknown(String),
}

impl Haste {
    /// Shortens all rules of a file.
    ///
    /// # Errors
    ///
    /// [`HasteError`] for the first rule that can't be shortened.
    pub fn apply(self, file: &mut RuleFile) -> Result<(), HasteError> {
        file.groups.iter_mut().flat_map(|group| &mut group.rules).try_for_each(|rule| self.shorten(rule))
    }

    fn shorten(self, rule: &mut Rule) -> Result<(), HasteError> {
        if let Some(text) = &rule.holds {
            let span = parse_duration(text).map_err(|reason| HasteError::Span(text.clone(), reason))?;
            rule.holds = Some(format!("{}ms", (span / self.divisor).as_millis()));
        }
        rule.expr = self.expression(&rule.expr)?;
        Ok(())
    }

    fn expression(self, text: &str) -> Result<String, HasteError> {
        let mut expression = parser::parse(text).map_err(HasteError::Syntax)?;
        self.walk(&mut expression)?;
        Ok(expression.to_string())
    }

    fn walk(self, expression: &mut Expr) -> Result<(), HasteError> {
        let shown = expression.to_string();
        match expression {
            Expr::MatrixSelector(selector) => {
                at_once(&selector.vs)?;
                selector.range = (selector.range / self.divisor).max(self.range_min);
                Ok(())
            }
            Expr::VectorSelector(selector) => at_once(selector),
            Expr::Subquery(_) | Expr::Extension(_) => Err(HasteError::Unknown(shown)),
            Expr::Aggregate(aggregate) => {
                aggregate.param.iter_mut().chain([&mut aggregate.expr]).try_for_each(|child| self.walk(child))
            }
            Expr::Unary(unary) => self.walk(&mut unary.expr),
            Expr::Binary(binary) => [&mut binary.lhs, &mut binary.rhs].into_iter().try_for_each(|side| self.walk(side)),
            Expr::Paren(paren) => self.walk(&mut paren.expr),
            Expr::Call(call) => call.args.args.iter_mut().try_for_each(|argument| self.walk(argument)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
        }
    }
}

fn at_once(selector: &VectorSelector) -> Result<(), HasteError> {
    match (&selector.offset, &selector.at) {
        (None, None) => Ok(()),
        _ => Err(HasteError::Unknown(selector.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASTE: Haste = Haste { divisor: 60, range_min: Duration::from_secs(4) };

    fn expression(text: &str) -> Result<String, HasteError> {
        HASTE.expression(text)
    }

    #[test]
    fn spans_are_divided_and_nothing_else() {
        let text = r#"sum by (job) (rate(a_total{x!="1h"}[1h])) / 2.5 > on () (increase(b_total[2m]) or vector(60))"#;
        let short = r#"sum by (job) (rate(a_total{x!="1h"}[1m])) / 2.5 > on () (increase(b_total[4s]) or vector(60))"#;
        assert_eq!(expression(text).as_deref().map(squeezed), Ok(squeezed(short)));
    }

    fn squeezed(text: &str) -> String {
        text.split_whitespace().collect()
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in ["up offset 5m", "max_over_time(up[5m] offset 1h)", "max_over_time(rate(a_total[5m])[1h:1m])"] {
            assert!(matches!(expression(text), Err(HasteError::Unknown(_))), "{text}");
        }
        assert!(matches!(expression("rate("), Err(HasteError::Syntax(_))));
    }

    #[test]
    fn an_alert_keeps_its_name_and_texts() {
        let text = "groups:\n  - name: g\n    rules:\n      - {alert: A, expr: 'up == 0', for: 2m, labels: {severity: page}}\n";
        let mut file: RuleFile = serde_saphyr::from_str(text).unwrap();
        let whole = file.clone();
        HASTE.apply(&mut file).unwrap();
        let rule = &mut file.groups[0].rules[0];
        assert_eq!(rule.holds.as_deref(), Some("2000ms"));
        rule.holds = Some("2m".to_owned());
        assert_eq!(file, whole);
    }
}
