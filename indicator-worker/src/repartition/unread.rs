//! Unread candles: to the end of the stream of their series' new partition, in the order they were written.
//!
//! Those that stay in their partition are appended again, too, and the position steps over the old part:
//! so all partitions are read as one stream by the entries' ids, and the candles of an instrument keep
//! their order even where its producer changed to the new partition early. The position of a stream moves
//! after its entries are copied; an interrupted run repeats one chunk at most, which workers drop as
//! duplicates. Where each stream ended before anything was appended is kept in a key until the move is done.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use candlewire_common::candle_entry::ENTRY_BYTES_MAX;
use candlewire_common::keys::WORKER_GROUP;
use candlewire_common::series::{Partition, Partitions, Series};
use candlewire_common::stream::{EntryId, Fields, StreamEntry, range_reply};
use redis::{ErrorKind, Pipeline, RedisError, Value};

use super::change::Change;
use super::halt::Halt;
use super::hold::Hold;
use crate::engine::position::{self, Position};

/// How many entries are copied at once.
const COPIED_AT_ONCE: usize = 1_000;
/// How many entries are read ahead from all streams together, and at least from each.
const AHEAD: usize = 20_000;
const AHEAD_LEAST: usize = 16;
const SENT: &str = "sent_us";

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) candles: u64,
    /// Entries that name no series, for the worker to move into `dead`.
    pub(super) unreadable: u64,
}

/// A stream that is read up to its old end.
struct Source {
    partition: Partition,
    position: Position,
    end: EntryId,
    /// Read and not yet copied.
    ahead: VecDeque<StreamEntry>,
}

/// Notes where each stream that is appended to ends now, unless that is noted already.
pub(super) async fn note_ends(change: Change, hold: &mut Hold<'_>) -> Result<(), Halt> {
    for partition in change.all().filter(|partition| change.keeps(*partition)) {
        hold.go_on()?;
        let end = last_entry(partition, hold).await?.unwrap_or_default();
        let mut note = redis::pipe();
        note.atomic().cmd("SET").arg(hold.keys.repartition(partition)).arg(end.to_string()).arg("NX").ignore();
        hold.write(partition, &note).await?;
    }
    Ok(())
}

/// Copies what is unread in all partitions.
pub(super) async fn carry(change: Change, hold: &mut Hold<'_>) -> Result<Copied, Halt> {
    let mut sources = Vec::new();
    for partition in change.all() {
        let end = if change.keeps(partition) {
            let key = hold.keys.repartition(partition);
            let end: Option<String> = redis::cmd("GET").arg(&key).query_async(&mut hold.to(&key).await?).await?;
            end.and_then(|end| end.parse().ok()).filter(|end| *end != EntryId::default())
        } else {
            last_entry(partition, hold).await?
        };
        if let Some(end) = end {
            sources.push(source(partition, end, hold).await?);
        }
    }
    copy(sources, change.to, hold).await
}

/// Copies what is unread in a partition that nothing is appended to, up to the end it has now, which is
/// answered with what was copied.
pub(super) async fn carry_rest(
    partition: Partition,
    to: Partitions,
    hold: &mut Hold<'_>,
) -> Result<(Option<EntryId>, Copied), Halt> {
    let Some(end) = last_entry(partition, hold).await? else { return Ok((None, Copied::default())) };
    let source = source(partition, end, hold).await?;
    Ok((Some(end), copy(vec![source], to, hold).await?))
}

async fn last_entry(partition: Partition, hold: &mut Hold<'_>) -> Result<Option<EntryId>, Halt> {
    let stream = hold.keys.candles(partition);
    let mut read = redis::cmd("XREVRANGE");
    read.arg(&stream).arg("+").arg("-").arg("COUNT").arg(1);
    let entries = entries(read.query_async(&mut hold.to(&stream).await?).await?)?;
    Ok(entries.first().map(|entry| entry.id))
}

async fn source(partition: Partition, end: EntryId, hold: &mut Hold<'_>) -> Result<Source, Halt> {
    let (stream, kept) = (hold.keys.candles(partition), hold.keys.position(partition));
    let mut connection = hold.to(&stream).await?;
    position::ensure_group(&stream, &kept, &mut connection).await?;
    let position = position::read(&stream, &mut connection).await?;
    Ok(Source { partition, position, end, ahead: VecDeque::new() })
}

/// Merges the sources by id, chunk by chunk.
async fn copy(mut sources: Vec<Source>, to: Partitions, hold: &mut Hold<'_>) -> Result<Copied, Halt> {
    let ahead = (AHEAD / sources.len().max(1)).max(AHEAD_LEAST);
    let mut copied = Copied::default();
    // The next entry of each source. What is read ahead goes on from the last one read, not from the
    // position, which moves when a chunk is copied.
    let mut next = BinaryHeap::with_capacity(sources.len());
    let mut positions: Vec<Position> = sources.iter().map(|source| source.position).collect();
    for (at, source) in sources.iter_mut().enumerate() {
        if let Some(id) = source.peek(positions[at].last, ahead, hold).await? {
            next.push(Reverse((id, at)));
        }
    }
    while !next.is_empty() {
        hold.go_on()?;
        let mut chunk: Vec<(Partition, StreamEntry)> = Vec::with_capacity(COPIED_AT_ONCE);
        while chunk.len() < COPIED_AT_ONCE {
            let Some(Reverse((_, at))) = next.pop() else { break };
            let source = &mut sources[at];
            let Some(entry) = source.ahead.pop_front() else { continue };
            positions[at] = positions[at].after(entry.id, 1);
            chunk.push((source.partition, entry));
            if let Some(id) = source.peek(positions[at].last, ahead, hold).await? {
                next.push(Reverse((id, at)));
            }
        }
        append(chunk, to, &mut copied, hold).await?;
        for (source, position) in sources.iter_mut().zip(&positions).filter(|(source, now)| source.position != **now) {
            source.advance(*position, hold).await?;
        }
    }
    Ok(copied)
}

impl Source {
    /// The id of the next entry; reads on after `last` where none is at hand.
    async fn peek(&mut self, last: EntryId, count: usize, hold: &mut Hold<'_>) -> Result<Option<EntryId>, Halt> {
        if self.ahead.is_empty() && last < self.end {
            let stream = hold.keys.candles(self.partition);
            let mut read = redis::cmd("XRANGE");
            read.arg(&stream).arg(format!("({last}")).arg(self.end.to_string()).arg("COUNT").arg(count);
            self.ahead = entries(read.query_async(&mut hold.to(&stream).await?).await?)?.into();
        }
        Ok(self.ahead.front().map(|entry| entry.id))
    }

    /// Moves the position as a worker's commit does.
    async fn advance(&mut self, position: Position, hold: &mut Hold<'_>) -> Result<(), Halt> {
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("SET").arg(hold.keys.position(self.partition)).arg(position.to_string()).ignore();
        pipe.cmd("XGROUP").arg("SETID").arg(hold.keys.candles(self.partition)).arg(WORKER_GROUP);
        pipe.arg(position.last.to_string());
        if let Some(read) = position.entries_read {
            pipe.arg("ENTRIESREAD").arg(read);
        }
        pipe.ignore();
        hold.write(self.partition, &pipe).await?;
        self.position = position;
        Ok(())
    }
}

async fn append(
    chunk: Vec<(Partition, StreamEntry)>,
    to: Partitions,
    copied: &mut Copied,
    hold: &mut Hold<'_>,
) -> Result<(), Halt> {
    let mut transactions: BTreeMap<Partition, Pipeline> = BTreeMap::new();
    let mut counted = *copied;
    for (partition, mut entry) in chunk {
        let series = series_of(&entry.fields);
        let count = if series.is_some() { &mut counted.candles } else { &mut counted.unreadable };
        *count += 1;
        if series.is_some() {
            keep_sent(&mut entry);
        }
        let target = destination(series.as_ref(), partition, to);
        let transaction = transactions.entry(target).or_insert_with(|| {
            let mut transaction = redis::pipe();
            transaction.atomic();
            transaction
        });
        transaction.cmd("XADD").arg(hold.keys.candles(target)).arg("*");
        for (name, value) in &entry.fields.0 {
            transaction.arg(name).arg(value);
        }
        transaction.ignore();
    }
    for (target, transaction) in transactions {
        hold.write(target, &transaction).await?;
    }
    *copied = counted;
    Ok(())
}

/// The series an entry names, in whatever state the rest of it is.
fn series_of(fields: &Fields) -> Option<Series> {
    fields.text("series")?.parse().ok()
}

/// Where an entry goes on. One without a series stays if it can: the worker tells why it is unusable.
fn destination(series: Option<&Series>, here: Partition, to: Partitions) -> Partition {
    match series {
        Some(series) => series.partition(to),
        None if here.0 < to.count() => here,
        None => Partition(0),
    }
}

/// When a candle was sent is read from its entry's id where it does not say so itself, and a copy has
/// another id. An entry that would become too large for it goes without.
fn keep_sent(entry: &mut StreamEntry) {
    let sent = entry.id.ms.saturating_mul(1_000).to_string();
    let has_room = entry.fields.size() + SENT.len() + sent.len() <= ENTRY_BYTES_MAX;
    if has_room && entry.fields.get(SENT).is_none() {
        entry.fields.0.push((SENT.into(), sent.into()));
    }
}

/// Reads a range of a stream.
pub(super) fn entries(reply: Value) -> Result<Vec<StreamEntry>, RedisError> {
    range_reply(reply)
        .map_err(|error| RedisError::from((ErrorKind::UnexpectedReturnType, "a stream", error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pairs: &[(&str, &str)]) -> StreamEntry {
        let fields = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        StreamEntry { id: EntryId { ms: 1_700, seq: 3 }, fields: Fields(fields) }
    }

    #[test]
    fn candles_follow_their_series_and_the_rest_stays_where_it_can() {
        let to = Partitions::new(3).unwrap();
        let good = entry(&[("series", "csv:X:1m")]);
        let series = series_of(&good.fields).unwrap();
        for here in (0..9).map(Partition) {
            assert_eq!(destination(Some(&series), here, to), series.partition(to));
        }
        assert_eq!(series_of(&entry(&[("series", "nonsense")]).fields), None);
        assert_eq!(destination(None, Partition(2), to), Partition(2));
        assert_eq!(destination(None, Partition(3), to), Partition(0));
    }

    #[test]
    fn a_copy_says_when_the_candle_was_sent() {
        let mut silent = entry(&[("series", "csv:X:1m")]);
        keep_sent(&mut silent);
        assert_eq!(silent.fields.text("sent_us"), Some("1700000"));
        let mut said = entry(&[("sent_us", "soon")]);
        keep_sent(&mut said);
        assert_eq!(said, entry(&[("sent_us", "soon")]));
        let note = "x".repeat(ENTRY_BYTES_MAX - "note".len());
        let mut full = entry(&[("note", &note)]);
        keep_sent(&mut full);
        assert_eq!(full.fields.get("sent_us"), None);
    }
}
