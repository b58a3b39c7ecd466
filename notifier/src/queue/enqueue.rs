//! Queueing alerts: the second half of the fan-out.

use std::time::Duration;

use candlewire_common::signal::Signal;
use candlewire_common::stream::EntryId;
use redis::{Cmd, Pipeline};

use super::QueueKeys;
use crate::schedule::Schedule;
use crate::script::ENQUEUE;

/// How many recipients one script serves: with more, it would hold up other users of Redis.
const RECIPIENTS_MAX: usize = 200;

/// Queues alerts. Queueing one again changes nothing, for as long as it is remembered.
#[derive(Clone, Debug)]
pub(crate) struct Enqueue {
    keys: QueueKeys,
    schedule: Schedule,
    remembered: Duration,
}

impl Enqueue {
    /// Queues alerts for their first attempt of `schedule`, and remembers them.
    pub(crate) fn new(keys: QueueKeys, schedule: Schedule, remembered: Duration) -> Self {
        Self { keys, schedule, remembered }
    }

    /// What has to precede the scripts in a pipeline: the server may have forgotten them.
    pub(crate) fn load() -> Cmd {
        ENQUEUE.load()
    }

    /// Adds to a pipeline what queues `signal`, of this entry in its stream, for `recipients`.
    pub(crate) fn add(&self, pipeline: &mut Pipeline, signal: &Signal, entry: EntryId, recipients: &[&str]) {
        let id = signal.id.as_str();
        let delay = self.schedule.delay_before(0).unwrap_or_default();
        for chunk in recipients.chunks(RECIPIENTS_MAX) {
            let mut keys = vec![self.keys.alert(id), self.keys.seen(id)];
            keys.extend(chunk.iter().map(|name| self.keys.due(name)));
            keys.extend(chunk.iter().map(|name| self.keys.dead(name)));
            let remembered = self.remembered.as_secs();
            let mut args = vec![id.to_owned(), delay.as_millis().to_string(), remembered.to_string(), found(entry)];
            args.extend(chunk.iter().map(|&name| name.to_owned()));
            args.extend(signal.encode().into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
            let call = ENQUEUE.call(keys, args);
            pipeline.add_command(call.run).ignore();
        }
    }
}

/// When a signal was found, in ms; entries of the same one keep their order.
fn found(entry: EntryId) -> String {
    format!("{}.{:03}", entry.ms, entry.seq.min(999))
}
