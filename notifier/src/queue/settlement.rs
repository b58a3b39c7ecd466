//! How a job is settled.

use std::time::Duration;

use candlewire_common::time::UnixMillis;
use serde_json::json;

use super::oldest_kept;

/// What a dead letter has beside the alert's own fields: the last answer,
pub(super) const ANSWER: &str = "answer";
/// how many attempts were made,
pub(super) const ATTEMPTS: &str = "attempts";
/// when, in Unix ms, it was given up on,
pub(super) const GIVEN_UP: &str = "given_up_ms";
/// and, where it is there, that it may have arrived.
pub(super) const IN_DOUBT: &str = "in_doubt";

/// What an attempt tells of the recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Experience {
    /// Nothing: none was made, or another job of it has told.
    Nothing,
    /// It accepts alerts.
    Accepted,
    /// It refused this one, and answered this.
    Refused(String),
    /// It does not work, which time may heal.
    Failed(String),
}

impl Experience {
    /// The arguments of the script that settles.
    pub(super) fn args(&self) -> [String; 2] {
        let (name, answer) = match self {
            Self::Nothing => ("nothing", ""),
            Self::Accepted => ("accepted", ""),
            Self::Refused(answer) => ("refused", answer.as_str()),
            Self::Failed(answer) => ("failed", answer.as_str()),
        };
        [name.to_owned(), answer.to_owned()]
    }
}

/// What becomes of a job after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// The recipient has it.
    Delivered,
    /// It was too old to be sent.
    Expired,
    /// It was not tried, and has its place in the queue back.
    Back,
    /// It is due again later.
    Again {
        /// In how long.
        delay: Duration,
        /// How many attempts have ended.
        attempts: usize,
        /// Whether it may have arrived.
        in_doubt: bool,
    },
    /// It is given up on and goes to the recipient's dead letters.
    Dead {
        /// The last answer, fit to be shown.
        answer: String,
        /// How many attempts were made.
        attempts: usize,
        /// Whether it may have arrived.
        in_doubt: bool,
        /// Whether the recipient is disabled with it.
        disables: bool,
    },
}

impl Settlement {
    /// The arguments of the script that settles, from the verdict on.
    pub(super) fn args(&self, recipient: &str, fingerprint: &str, dead_retention: Duration) -> Vec<String> {
        let now = UnixMillis::now();
        match self {
            Self::Delivered => vec!["delivered".to_owned()],
            Self::Expired => vec!["expired".to_owned()],
            Self::Back => vec!["back".to_owned()],
            Self::Again { delay, attempts, in_doubt } => vec![
                "again".to_owned(),
                delay.as_millis().to_string(),
                attempts.to_string(),
                u8::from(*in_doubt).to_string(),
            ],
            Self::Dead { answer, attempts, in_doubt, disables } => {
                let oldest = oldest_kept(dead_retention);
                let note = json!({ "fingerprint": fingerprint, "reason": answer, "at": now.0 });
                let note = if *disables { note.to_string() } else { String::new() };
                let mut args = vec!["dead".to_owned(), oldest.to_string(), recipient.to_owned(), note];
                let added = [(ANSWER, answer.clone()), (ATTEMPTS, attempts.to_string()), (GIVEN_UP, now.to_string())];
                let doubt = in_doubt.then(|| (IN_DOUBT, "1".to_owned()));
                args.extend(added.into_iter().chain(doubt).flat_map(|(name, value)| [name.to_owned(), value]));
                args
            }
        }
    }
}
