//! How a recipient stands: the log lines when that changes, and only then.

use crate::attempt::Report;
use crate::queue::Settlement;

/// How a recipient stands, as far as this process knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It accepts alerts, or nothing is known yet.
    #[default]
    Good,
    /// Attempts fail.
    Failing,
    /// Attempts fail, and alerts were given up on.
    Losing,
    /// It is disabled.
    Disabled,
}

impl Standing {
    /// Notes how an attempt ended, and says so where that changes something.
    pub(crate) fn note(&mut self, name: &str, report: &Report) {
        let after = self.after(report);
        if after == *self {
            return;
        }
        let (id, why) = (&report.id, report.refusal.as_deref().unwrap_or("unknown"));
        match after {
            Self::Good => tracing::info!(recipient = name, "{name} accepts alerts again"),
            Self::Failing => tracing::warn!(recipient = name, "{name} does not accept alerts, trying again: {why}"),
            Self::Losing => {
                tracing::error!(recipient = name, "{name}: gave up on alert {id}, see its dead letters: {why}");
            }
            Self::Disabled => {
                tracing::error!(recipient = name, "{name} is disabled until its configuration changes: {why}");
            }
        }
        *self = after;
    }

    fn after(self, report: &Report) -> Self {
        match (&report.settlement, &report.refusal) {
            (Settlement::Delivered, _) => Self::Good,
            (Settlement::Dead { disables: true, .. }, _) => Self::Disabled,
            // An attempt that began before another disabled the recipient says nothing new.
            _ if self == Self::Disabled => self,
            (Settlement::Dead { .. }, _) => Self::Losing,
            (Settlement::Again { .. }, Some(_)) if self == Self::Good => Self::Failing,
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_changes_are_told() {
        let report = |settlement: Settlement, refused: bool| Report {
            id: "sig_1".to_owned(),
            settlement,
            refusal: refused.then(|| "503".to_owned()),
        };
        let again = || Settlement::Again { delay: Duration::ZERO, attempts: 1, in_doubt: false };
        let dead = |disables| Settlement::Dead { answer: String::new(), attempts: 3, disables };
        let mut standing = Standing::Good;
        for (report, expected) in [
            (report(Settlement::Delivered, false), Standing::Good),
            (report(Settlement::Expired, false), Standing::Good),
            (report(again(), false), Standing::Good),
            (report(again(), true), Standing::Failing),
            (report(Settlement::Expired, false), Standing::Failing),
            (report(dead(false), true), Standing::Losing),
            (report(again(), true), Standing::Losing),
            (report(Settlement::Delivered, false), Standing::Good),
            (report(dead(true), true), Standing::Disabled),
            (report(again(), true), Standing::Disabled),
        ] {
            standing.note("desk", &report);
            assert_eq!(standing, expected, "{report:?}");
        }
    }
}
