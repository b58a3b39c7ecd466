//! The dead letters of a recipient: looking at them, and sending them again.

use std::sync::Arc;

use candlewire_common::signal::{Signal, SignalError};
use candlewire_common::stream::{Fields, StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use redis::{ErrorKind, RedisError, Value};

use super::QueueKeys;
use super::settlement::{ANSWER, ATTEMPTS, GIVEN_UP, IN_DOUBT};
use crate::link::Link;
use crate::script::REDRIVE;

/// How many entries are read or put back in one round trip.
const AT_ONCE: usize = 100;

/// An alert that was given up on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeadLetter {
    /// The alert's id, where it can be read.
    pub(crate) id: String,
    /// When it was given up on.
    pub(crate) given_up: UnixMillis,
    /// How many attempts were made.
    pub(crate) attempts: u64,
    /// The last answer.
    pub(crate) answer: String,
    /// Whether it may have arrived all the same.
    pub(crate) in_doubt: bool,
    /// The signal.
    pub(crate) signal: Result<Signal, SignalError>,
}

/// The dead letters of one recipient.
pub(crate) struct DeadLetters {
    keys: QueueKeys,
    link: Arc<Link>,
    recipient: String,
}

impl DeadLetters {
    /// The dead letters of `recipient`.
    pub(crate) fn new(keys: QueueKeys, link: Arc<Link>, recipient: &str) -> Self {
        Self { keys, link, recipient: recipient.to_owned() }
    }

    /// Reads some that follow `after`, the oldest first. Answers with them and the last one's entry, where there may be
    /// more.
    pub(crate) async fn read(&self, after: Option<String>) -> Result<(Vec<DeadLetter>, Option<String>), RedisError> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut read = redis::cmd("XRANGE");
        read.arg(self.keys.dead(&self.recipient)).arg(from).arg("+").arg("COUNT").arg(AT_ONCE);
        let reply: Value = self.link.run(&read).await?;
        let malformed = |_| RedisError::from((ErrorKind::UnexpectedReturnType, "dead letters of an unknown shape"));
        let entries = range_reply(reply).map_err(malformed)?;
        let last = entries.last().map(|entry| entry.id.to_string()).filter(|_| entries.len() == AT_ONCE);
        Ok((entries.iter().map(DeadLetter::of).collect(), last))
    }

    /// Puts all that are there now back into the queue. Answers how many those were.
    pub(crate) async fn redrive(&self) -> Result<u64, RedisError> {
        let mut newest = redis::cmd("XREVRANGE");
        newest.arg(self.keys.dead(&self.recipient)).arg("+").arg("-").arg("COUNT").arg(1);
        // What fails again meanwhile comes after this one: it is not put back for ever.
        let newest: Vec<(String, Value)> = self.link.run(&newest).await?;
        let Some((to, _)) = newest.into_iter().next() else { return Ok(0) };
        let (mut queued, mut from) = (0, "-".to_owned());
        loop {
            let keys = [
                self.keys.dead(&self.recipient),
                self.keys.due(&self.recipient),
                self.keys.jobs(&self.recipient),
                self.keys.leases(&self.recipient),
            ];
            let mut args = vec![self.keys.alert(""), from, to.clone(), AT_ONCE.to_string()];
            args.extend([ANSWER, ATTEMPTS, GIVEN_UP, IN_DOUBT].map(str::to_owned));
            let (some, last): (u64, String) = self.link.call(&REDRIVE.call(keys, args)).await?;
            queued += some;
            if last.is_empty() || last == to {
                return Ok(queued);
            }
            from = format!("({last}");
        }
    }
}

impl DeadLetter {
    fn of(entry: &StreamEntry) -> Self {
        let StreamEntry { id, fields } = entry;
        let text = |name| fields.text(name).unwrap_or_default().to_owned();
        let written = i64::try_from(id.ms).unwrap_or(i64::MAX);
        Self {
            id: text("id"),
            given_up: UnixMillis(text(GIVEN_UP).parse().unwrap_or(written)),
            attempts: text(ATTEMPTS).parse().unwrap_or_default(),
            answer: text(ANSWER),
            in_doubt: fields.get(IN_DOUBT).is_some(),
            signal: Signal::decode(&Fields(fields.0.clone())),
        }
    }
}
