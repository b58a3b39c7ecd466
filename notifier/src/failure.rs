//! Failed attempts, and what follows from them.
//!
//! Owns the one place that decides between another attempt, the dead letters and disabling a
//! recipient. Channels only say what they met.

use std::time::Duration;

use crate::http::{Answer, NoAnswer};
use crate::redaction::Redaction;
use crate::schedule::Schedule;

/// How often an alert is tried that the recipient refuses.
const REFUSED_ATTEMPTS: usize = 3;

/// Why an attempt did not deliver. Its text is the "last answer" that people read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeliverError {
    /// The recipient answered with a status that is no success.
    #[error("{text}")]
    Answered {
        /// The HTTP status.
        status: u16,
        /// How long the recipient asks to be left alone.
        retry_after: Option<Duration>,
        /// The answer, shortened, without secrets.
        text: String,
    },
    /// There was no connection: the alert has not arrived.
    #[error("{0}")]
    NoConnection(String),
    /// There was no answer: whether the alert arrived is unknown.
    #[error("{0}")]
    NoAnswer(String),
    /// This alert will never be accepted, others may.
    #[error("{0}")]
    Rejected(String),
    /// The recipient accepts nothing until a person changes something.
    #[error("{0}")]
    Closed(String),
    /// The chat has another id now.
    #[error("the chat has moved to id {chat_id}")]
    Moved {
        /// The new id.
        chat_id: i64,
        /// Whether it had just moved before.
        is_again: bool,
    },
}

/// What follows from a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt after this long.
    Retry(Duration),
    /// The same attempt again after this long: it does not count.
    Wait(Duration),
    /// The alert is given up on.
    GiveUp,
    /// The alert is given up on, and the recipient is not tried again.
    Disable,
}

impl DeliverError {
    /// What an answer without success means where nothing else is known about the service.
    pub(crate) fn answered(answer: &Answer, redaction: &Redaction) -> Self {
        let body = String::from_utf8_lossy(&answer.body);
        let (status, reason) = (answer.status.as_u16(), answer.status.canonical_reason().unwrap_or_default());
        let text = redaction.show(&format!("{status} {reason} {body}"));
        Self::Answered { status: answer.status.as_u16(), retry_after: answer.retry_after, text }
    }

    /// There was no answer.
    pub(crate) fn no_answer(error: &NoAnswer, redaction: &Redaction) -> Self {
        let text = redaction.show(&error.to_string());
        match error {
            NoAnswer::Connection(_) => Self::NoConnection(text),
            NoAnswer::Unknown(_) => Self::NoAnswer(text),
        }
    }

    /// The one place that decides between retry and dead letter, after `made` attempts, this one included.
    pub(crate) fn next(&self, made: usize, schedule: &Schedule) -> Next {
        let again = |limit: usize, at_least: Option<Duration>| match schedule.delay_before(made) {
            Some(delay) if made < limit => Next::Retry(delay.max(at_least.unwrap_or_default())),
            _ => Next::GiveUp,
        };
        match self {
            Self::Answered { status: 410, .. } | Self::Closed(_) => Next::Disable,
            Self::Answered { status: 408 | 425 | 429 | 500..=599, retry_after, .. } => again(usize::MAX, *retry_after),
            Self::NoConnection(_) | Self::NoAnswer(_) | Self::Moved { is_again: true, .. } => again(usize::MAX, None),
            Self::Answered { retry_after, .. } => again(REFUSED_ATTEMPTS, *retry_after),
            Self::Rejected(_) => Next::GiveUp,
            // One move is free. A chat that moves for ever would otherwise be followed for ever.
            Self::Moved { is_again: false, .. } => Next::Wait(Duration::ZERO),
        }
    }

    /// Whether time may heal it: the metric's `retryable`, else `permanent`.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Answered { status: 408 | 425 | 429 | 500..=599, .. }
            | Self::NoConnection(_)
            | Self::NoAnswer(_)
            | Self::Moved { .. } => true,
            Self::Answered { .. } | Self::Rejected(_) | Self::Closed(_) => false,
        }
    }

    /// Whether the alert may have arrived all the same.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Answered { status: 408 | 500..=599, .. })
    }

    /// Whether the recipient asked for fewer alerts.
    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self, Self::Answered { status: 429, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> DeliverError {
        DeliverError::Answered { status, retry_after: retry_after.map(Duration::from_secs), text: String::new() }
    }

    #[test]
    fn every_failure_has_its_consequence() {
        let schedule = Schedule::exact([0, 5, 30, 120, 600].map(Duration::from_secs));
        let retry = |seconds| Next::Retry(Duration::from_secs(seconds));
        let no_answer = || DeliverError::NoAnswer(String::new());
        for (error, made, expected) in [
            (answered(500, None), 1, retry(5)),
            (answered(503, None), 4, retry(600)),
            (answered(503, None), 5, Next::GiveUp),
            (answered(503, Some(20)), 1, retry(20)),
            (answered(503, Some(2)), 1, retry(5)),
            (answered(429, Some(3_600)), 4, retry(3_600)),
            (answered(429, Some(3_600)), 5, Next::GiveUp),
            (answered(408, None), 2, retry(30)),
            (answered(425, None), 3, retry(120)),
            (no_answer(), 1, retry(5)),
            (no_answer(), 5, Next::GiveUp),
            (DeliverError::NoConnection(String::new()), 1, retry(5)),
            (DeliverError::NoConnection(String::new()), 5, Next::GiveUp),
            (answered(400, None), 1, retry(5)),
            (answered(404, Some(60)), 2, retry(60)),
            (answered(404, None), 3, Next::GiveUp),
            (answered(301, None), 2, retry(30)),
            (answered(308, None), 3, Next::GiveUp),
            (answered(304, None), 4, Next::GiveUp),
            (answered(410, None), 1, Next::Disable),
            (DeliverError::Closed(String::new()), 1, Next::Disable),
            (DeliverError::Rejected(String::new()), 1, Next::GiveUp),
            (DeliverError::Moved { chat_id: -7, is_again: false }, 5, Next::Wait(Duration::ZERO)),
            (DeliverError::Moved { chat_id: -7, is_again: true }, 1, retry(5)),
            (DeliverError::Moved { chat_id: -7, is_again: true }, 5, Next::GiveUp),
        ] {
            assert_eq!(error.next(made, &schedule), expected, "{error:?} after {made}");
        }
    }

    #[test]
    fn an_alert_may_have_arrived_unless_that_is_known() {
        let doubtful = [DeliverError::NoAnswer(String::new()), answered(408, None), answered(500, None)];
        assert!(doubtful.iter().all(DeliverError::is_in_doubt));
        let certain = [DeliverError::NoConnection(String::new()), answered(429, None), answered(404, None)];
        assert!(!certain.iter().any(DeliverError::is_in_doubt));
    }

    #[test]
    fn a_short_schedule_limits_refusals_too() {
        let schedule = Schedule::exact([0, 5].map(Duration::from_secs));
        assert_eq!(answered(404, None).next(2, &schedule), Next::GiveUp);
    }
}
