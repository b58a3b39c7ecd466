//! Some entries of the signal streams, and the commands that queue their alerts.

use std::collections::BTreeSet;

use candlewire_common::signal::Signal;
use candlewire_common::stream::{EntryId, Fields, StreamEntry};
use redis::{Cmd, Pipeline};

use crate::audience::Audience;
use crate::queue::Enqueue;

/// The largest entry that is taken for a signal, in bytes.
const ENTRY_MAX: usize = 16 * 1024;
/// How many unreadable entries are kept.
const UNREADABLE_KEPT: usize = 10_000;
/// How much of each field of an unreadable entry is kept, in bytes.
const FIELD_KEPT: usize = 1_024;
/// How many fields of an unreadable entry are kept.
const FIELDS_KEPT: usize = 64;

/// An entry and the stream it came from.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// The stream's place in the group.
    pub(crate) stream: usize,
    /// The stream's key.
    pub(crate) key: String,
    /// The entry.
    pub(crate) entry: StreamEntry,
}

/// What some entries come to.
pub(crate) struct Batch {
    /// What queues their alerts and sets aside what is no signal.
    pub(crate) commands: Pipeline,
    /// Listeners that have new alerts.
    pub(crate) woken: BTreeSet<usize>,
    /// How many entries are no signals.
    pub(crate) unreadable: u64,
}

impl Batch {
    /// Reads the entries and picks each signal's recipients.
    pub(crate) fn of(entries: &[Incoming], audience: &Audience, unreadable_key: &str) -> Self {
        let mut batch = Self { commands: redis::pipe(), woken: BTreeSet::new(), unreadable: 0 };
        batch.commands.add_command(Enqueue::load()).ignore();
        for Incoming { key, entry, .. } in entries {
            match read(&entry.fields) {
                Ok(signal) => batch.add(&signal, entry.id, audience),
                Err(_) if entry.fields.0.is_empty() => {
                    tracing::warn!(stream = %key, entry_id = %entry.id, "a signal was trimmed from {key} before it was delivered");
                }
                Err(reason) => {
                    tracing::warn!(stream = %key, entry_id = %entry.id, "entry {} of {key} is no signal: {reason}", entry.id);
                    batch.unreadable += 1;
                    batch.commands.add_command(set_aside(unreadable_key, key, entry, &reason)).ignore();
                }
            }
        }
        batch
    }

    fn add(&mut self, signal: &Signal, entry: EntryId, audience: &Audience) {
        let Audience { listeners, enqueue } = audience;
        let wanting: Vec<usize> = (0..listeners.len()).filter(|&at| listeners[at].recipient.wants(signal)).collect();
        let names: Vec<&str> = wanting.iter().map(|&at| listeners[at].recipient.name()).collect();
        enqueue.add(&mut self.commands, signal, entry, &names);
        let (id, series) = (&signal.id, &signal.series);
        tracing::debug!(signal.id = %id, series = %series, "{id} is queued for [{}]", names.join(", "));
        self.woken.extend(wanting);
    }
}

fn read(fields: &Fields) -> Result<Signal, String> {
    if fields.size() > ENTRY_MAX {
        return Err(format!("{} bytes are more than {ENTRY_MAX}", fields.size()));
    }
    Signal::decode(fields).map_err(|error| error.to_string())
}

/// Keeps an entry that is no signal for people to look at, as far as that is reasonable.
fn set_aside(into: &str, stream: &str, entry: &StreamEntry, reason: &str) -> Cmd {
    let cut = |bytes: &[u8]| bytes[..bytes.len().min(FIELD_KEPT)].to_vec();
    let mut command = redis::cmd("XADD");
    command.arg(into).arg("MAXLEN").arg("~").arg(UNREADABLE_KEPT).arg("*");
    for (name, value) in entry.fields.0.iter().take(FIELDS_KEPT) {
        command.arg(cut(name)).arg(cut(value));
    }
    command.arg("reason").arg(reason).arg("stream").arg(stream).arg("entry_id").arg(entry.id.to_string());
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn fields(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Fields {
        Fields(pairs.into_iter().map(|(name, value)| (name.into(), value.into_bytes())).collect())
    }

    #[test]
    fn a_signal_is_read_and_an_oversized_one_is_not() {
        let sample = || sample::FIELDS.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(read(&fields(sample())), Ok(sample::signal()));
        let large = sample().into_iter().chain([("note", "x".repeat(ENTRY_MAX))]);
        assert!(read(&fields(large)).is_err_and(|reason| reason.contains("bytes")));
        let broken = sample().into_iter().filter(|(name, _)| *name != "series");
        assert_eq!(read(&fields(broken)), Err("signal field series is missing".to_owned()));
    }

    #[test]
    fn what_is_set_aside_is_cut_to_size() {
        let entry = StreamEntry { id: "5-1".parse().unwrap_or_default(), fields: fields([("a", "x".repeat(5_000))]) };
        let packed = set_aside("u", "s", &entry, "why").get_packed_command();
        assert!(packed.len() < 1_300, "{}", packed.len());
    }
}
