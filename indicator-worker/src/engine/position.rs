//! The committed position: the consumer group's last delivered entry.
//!
//! The group shows it, and with it the lag, to every tool that knows Redis Streams. It is read when a
//! partition is taken and moved by commits, and beyond them only over candles that were deleted unread.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use candlewire_common::group::Group;
use candlewire_common::keys::WORKER_GROUP;
use candlewire_common::stream::{EntryId, EntryIdError};
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};

use super::lease::Token;

type Info = HashMap<String, Value>;

/// Where a partition's owner reads on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last entry whose effects are committed.
    pub(crate) last: EntryId,
    /// How many entries the stream had up to there; `None` where Redis can't tell.
    pub(crate) entries_read: Option<u64>,
}

impl Position {
    /// The position after `count` more entries, the last of which is `last`.
    pub(crate) fn after(self, last: EntryId, count: usize) -> Self {
        Self { last, entries_read: self.entries_read.map(|read| read + count as u64) }
    }

    /// Writes it: the group shows it, and the key keeps it should the group be destroyed.
    pub(super) fn write(self, pipe: &mut Pipeline, stream: &str, kept: &str) {
        pipe.cmd("SET").arg(kept).arg(self.to_string()).ignore();
        pipe.cmd("XGROUP").arg("SETID").arg(stream).arg(WORKER_GROUP).arg(self.last.to_string());
        if let Some(read) = self.entries_read {
            pipe.arg("ENTRIESREAD").arg(read);
        }
        pipe.ignore();
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.last)?;
        self.entries_read.map_or(Ok(()), |read| write!(f, " {read}"))
    }
}

impl FromStr for Position {
    type Err = EntryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (last, read) = text.split_once(' ').unwrap_or((text, ""));
        Ok(Self { last: last.parse()?, entries_read: read.parse().ok() })
    }
}

/// Makes the group where it is missing: at the position that was committed, else at the stream's
/// beginning, so that what was published before the first worker is processed.
pub(crate) async fn ensure_group(
    stream: &str,
    kept: &str,
    connection: &mut MultiplexedConnection,
) -> Result<(), RedisError> {
    let mut pipe = redis::pipe();
    pipe.ignore_errors().cmd("GET").arg(kept).cmd("XINFO").arg("STREAM").arg(stream);
    let (kept, info): (RedisResult<Option<String>>, RedisResult<Info>) = pipe.query_async(connection).await?;
    let info = info.unwrap_or_default();
    let generated: Option<EntryId> = field(&info, "last-generated-id").and_then(|id| id.parse().ok());
    let kept: Option<Position> = kept?.and_then(|text| text.parse().ok());
    // A stream that ends before the position is another one.
    let at = kept.filter(|position| Some(position.last) <= generated);
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg(stream).arg(WORKER_GROUP).arg(at.unwrap_or_default().last.to_string()).arg("MKSTREAM");
    if let Some(read) = at.and_then(|position| position.entries_read).filter(|read| is_possible(*read, &info)) {
        create.arg("ENTRIESREAD").arg(read);
    }
    match create.exec_async(connection).await {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        created => created,
    }
}

fn field(info: &Info, name: &str) -> Option<String> {
    info.get(name).and_then(|value| redis::from_redis_value_ref(value).ok())
}

/// Shows `owner` as the group's one consumer, unless the fence is no longer `token`: what an owner that was replaced
/// had sent and Redis gets late must not show it again.
pub(super) async fn show_owner(
    stream: &str,
    owner: &str,
    (fence, token): (&str, &Token),
    connection: &mut MultiplexedConnection,
) -> Result<(), RedisError> {
    let mut look = redis::pipe();
    look.cmd("WATCH").arg(fence).ignore().cmd("GET").arg(fence);
    look.cmd("XINFO").arg("CONSUMERS").arg(stream).arg(WORKER_GROUP);
    let (found, consumers): (Option<String>, Vec<Info>) = look.query_async(connection).await?;
    if found.as_deref() != Some(token.0.as_str()) {
        // The next read finds it, too, and ends the tenure.
        return Ok(());
    }
    let mut pipe = redis::pipe();
    pipe.atomic();
    pipe.cmd("XGROUP").arg("CREATECONSUMER").arg(stream).arg(WORKER_GROUP).arg(owner).ignore();
    for consumer in consumers {
        let name: Option<Vec<u8>> = consumer.get("name").and_then(|name| redis::from_redis_value_ref(name).ok());
        // A foreign consumer that holds entries is somebody's business; one that holds none is a past owner.
        let idle = consumer.get("pending") == Some(&Value::Int(0));
        if let Some(name) = name.filter(|name| idle && name != owner.as_bytes()) {
            pipe.cmd("XGROUP").arg("DELCONSUMER").arg(stream).arg(WORKER_GROUP).arg(name).ignore();
        }
    }
    // None: the fence has changed meanwhile.
    pipe.query_async::<Option<Value>>(connection).await.map(|_| ())
}

/// Where a partition's owner stands that has read a stream to its end, put right so that its lag is zero: somebody may
/// have deleted candles that nobody had read, which counted when they were added. Unchanged where a candle came meanwhile,
/// or where the fence is no longer `token`.
pub(super) async fn settle(
    position: Position,
    (stream, kept): (&str, &str),
    (fence, token): (&str, &Token),
    connection: &mut MultiplexedConnection,
) -> Result<Position, RedisError> {
    let mut look = redis::pipe();
    look.cmd("WATCH").arg(fence).arg(stream).ignore().cmd("GET").arg(fence);
    look.cmd("XINFO").arg("STREAM").arg(stream).cmd("XINFO").arg("GROUPS").arg(stream);
    let (found, info, groups): (Option<String>, Info, Value) = look.query_async(connection).await?;
    let lag = Group::find(&Group::read_all(groups), WORKER_GROUP).and_then(|group| group.lag);
    let end = end_of(&info).filter(|_| found.as_deref() == Some(token.0.as_str()));
    // A stream that ends before the position is another one.
    let end = end.filter(|end| end.last >= position.last);
    let end = end.filter(|end| lag != Some(0) || end.entries_read != position.entries_read);
    let unread = last_entry(&info).filter(|last| *last > position.last);
    let (Some(end), None) = (end, unread) else {
        // The stream must not stay watched: its next candle would refuse the next commit.
        redis::cmd("UNWATCH").exec_async(connection).await?;
        return Ok(position);
    };
    let mut pipe = redis::pipe();
    pipe.atomic();
    end.write(&mut pipe, stream, kept);
    let settled: Option<Value> = pipe.query_async(connection).await?;
    Ok(if settled.is_some() { end } else { position })
}

/// The position after everything that was ever added.
fn end_of(info: &Info) -> Option<Position> {
    let last = field(info, "last-generated-id")?.parse().ok()?;
    Some(Position { last, entries_read: Some(added(info)?) })
}

/// The last entry that is there.
fn last_entry(info: &Info) -> Option<EntryId> {
    let Some(Value::Array(entry)) = info.get("last-entry") else { return None };
    redis::from_redis_value_ref::<String>(entry.first()?).ok()?.parse().ok()
}

/// Reads the committed position.
pub(crate) async fn read(stream: &str, connection: &mut MultiplexedConnection) -> Result<Position, RedisError> {
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("XINFO").arg("GROUPS").arg(stream).cmd("XINFO").arg("STREAM").arg(stream);
    let (groups, stream): (Value, Info) = pipe.query_async(connection).await?;
    let groups = Group::read_all(groups);
    let Some(ours) = Group::find(&groups, WORKER_GROUP) else {
        return Err(RedisError::from((
            redis::ErrorKind::Client,
            "the consumer group vanished",
            WORKER_GROUP.to_owned(),
        )));
    };
    let from_lag = added(&stream).zip(ours.lag).and_then(|(added, lag)| added.checked_sub(lag));
    let entries_read = ours.entries_read.filter(|read| is_possible(*read, &stream));
    Ok(Position { last: ours.last, entries_read: entries_read.or(from_lag) })
}

fn added(stream: &Info) -> Option<u64> {
    field(stream, "entries-added").and_then(|text| text.parse().ok())
}

/// Whether so many entries can have been read of a stream: more were of one that was deleted and begun anew.
fn is_possible(read: u64, stream: &Info) -> bool {
    added(stream).is_none_or(|added| read <= added)
}
