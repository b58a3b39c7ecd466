//! How a recipient stands: the log lines when that changes, and only then.
//!
//! A recipient that fails every now and then is told of once a minute at most.

use std::time::Duration;

use tokio::time::Instant;

use crate::attempt::Report;
use crate::queue::Settlement;

/// How long the same trouble is not told again.
const QUIET: Duration = Duration::from_mins(1);

/// How a recipient stands, as far as this process knows. What is worse is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum State {
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

/// How a recipient stands, and what was told of it.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    state: State,
    told: State,
    /// The last trouble that was told, and when.
    trouble: Option<(State, Instant)>,
}

impl Standing {
    /// Notes that the recipient was found disabled.
    pub(crate) fn disabled(&mut self, name: &str, why: &str) {
        tracing::error!(
            recipient = name,
            "{name} is disabled until its configuration changes, or until `notifier enable {name}`: {why}"
        );
        (self.state, self.told) = (State::Disabled, State::Disabled);
    }

    /// Notes how an attempt ended, and says so where that changes something.
    pub(crate) fn note(&mut self, name: &str, report: &Report, now: Instant) {
        let (id, why) = (&report.id, report.refusal.as_deref().unwrap_or("unknown"));
        match self.news(report, now) {
            None => {}
            Some(State::Good) => tracing::info!(recipient = name, "{name} accepts alerts again"),
            Some(State::Failing) => {
                tracing::warn!(recipient = name, "{name} does not accept alerts, trying again: {why}");
            }
            Some(State::Losing) => {
                tracing::error!(signal.id = %id, recipient = name, "{name}: gave up on alert {id}, see its dead letters: {why}");
            }
            Some(State::Disabled) => self.disabled(name, why),
        }
    }

    /// The state to be told of, if there is one.
    fn news(&mut self, report: &Report, now: Instant) -> Option<State> {
        self.state = match (&report.settlement, &report.refusal) {
            (Settlement::Delivered, _) => State::Good,
            (Settlement::Dead { disables: true, .. }, _) => State::Disabled,
            (Settlement::Dead { .. }, _) => self.state.max(State::Losing),
            (Settlement::Again { .. }, Some(_)) => self.state.max(State::Failing),
            _ => self.state,
        };
        let is_known = |(trouble, at): (State, Instant)| trouble >= self.state && now.duration_since(at) < QUIET;
        if self.state == self.told || (self.state != State::Good && self.trouble.is_some_and(is_known)) {
            return None;
        }
        self.told = self.state;
        if self.state != State::Good {
            self.trouble = Some((self.state, now));
        }
        Some(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(settlement: Settlement, refused: bool) -> Report {
        Report { id: "sig_1".to_owned(), token: 1, settlement, refusal: refused.then(|| "503".to_owned()) }
    }

    fn delivered() -> Report {
        report(Settlement::Delivered, false)
    }

    fn failed() -> Report {
        report(Settlement::Again { delay: Duration::ZERO, attempts: 1, in_doubt: false }, true)
    }

    fn dead(disables: bool) -> Report {
        report(Settlement::Dead { answer: String::new(), attempts: 3, in_doubt: false, disables }, true)
    }

    #[test]
    fn only_changes_are_told() {
        let held = report(Settlement::Again { delay: Duration::ZERO, attempts: 0, in_doubt: false }, false);
        let (mut standing, now) = (Standing::default(), Instant::now());
        for (at, (report, expected)) in [
            (delivered(), None),
            (report(Settlement::Expired, false), None),
            (held, None),
            (failed(), Some(State::Failing)),
            (failed(), None),
            (dead(false), Some(State::Losing)),
            (failed(), None),
            (dead(false), None),
            (delivered(), Some(State::Good)),
            (dead(true), Some(State::Disabled)),
            (failed(), None),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(standing.news(&report, now), expected, "report {at}");
        }
    }

    #[test]
    fn trouble_that_comes_and_goes_is_told_once_a_minute() {
        let (mut standing, start) = (Standing::default(), Instant::now());
        let told = (0..180).flat_map(|second| {
            let now = start + Duration::from_secs(second);
            [standing.news(&failed(), now), standing.news(&delivered(), now)]
        });
        assert_eq!(told.flatten().count(), 6);
    }
}
