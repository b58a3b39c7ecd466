//! The consumer group `notifier` on some signal streams.
//!
//! Owns the group's commands over these streams at once, and this process's consumer in it. In a cluster
//! the streams of one value must be of one partition: a read of several slots is refused.

use std::fmt;
use std::time::Duration;

use candlewire_common::keys::NOTIFIER_GROUP;
use candlewire_common::stream::range_reply;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, Value};

use super::batch::Incoming;
use crate::script::PRUNE;

/// How many entries of one stream are read at once.
const COUNT: usize = 100;
/// From when on an entry that was read and not acknowledged is taken over. Far longer than queueing
/// takes; taking over from a process that lives after all does no harm.
const STUCK: Duration = Duration::from_secs(10);
/// From when on a consumer without entries is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// The group on some streams, of which there is at least one, and this process's place in it.
pub(crate) struct Group {
    streams: Vec<String>,
    consumer: String,
}

impl Group {
    /// Joins the group on these streams, under a name that no other process has.
    pub(crate) fn new(streams: Vec<String>, consumer: String) -> Self {
        Self { streams, consumer }
    }

    /// The key by which the node of the streams is found.
    pub(crate) fn key(&self) -> &str {
        self.streams.first().map_or("", String::as_str)
    }

    /// Creates streams and groups that are missing, so that what is there already is read, too.
    pub(crate) async fn create(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        for stream in &self.streams {
            let mut create = redis::cmd("XGROUP");
            create.arg("CREATE").arg(stream).arg(NOTIFIER_GROUP).arg(0).arg("MKSTREAM");
            match create.exec_async(connection).await {
                Err(error) if error.code() != Some("BUSYGROUP") => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads entries: new ones, waiting for them as long as `block` says, or those held already.
    pub(crate) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        block: Option<Duration>,
    ) -> Result<Vec<Incoming>, RedisError> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(NOTIFIER_GROUP).arg(&self.consumer).arg("COUNT").arg(COUNT);
        if let Some(block) = block {
            read.arg("BLOCK").arg(u64::try_from(block.as_millis()).unwrap_or(1));
        }
        read.arg("STREAMS").arg(&self.streams);
        let from = if block.is_some() { ">" } else { "0" };
        for _ in &self.streams {
            read.arg(from);
        }
        self.incoming(read.query_async(connection).await?)
    }

    /// Takes over entries of processes that died, and forgets consumers that are done. Answers whether
    /// there were such entries; they are held now.
    pub(crate) async fn claim(&self, connection: &mut MultiplexedConnection) -> Result<bool, RedisError> {
        let mut commands = redis::pipe();
        for stream in &self.streams {
            let claim = commands.cmd("XAUTOCLAIM").arg(stream).arg(NOTIFIER_GROUP).arg(&self.consumer);
            claim
                .arg(u64::try_from(STUCK.as_millis()).unwrap_or(u64::MAX))
                .arg("0-0")
                .arg("COUNT")
                .arg(COUNT)
                .arg("JUSTID");
        }
        let replies: Vec<Value> = commands.query_async(connection).await?;
        self.prune(connection, false).await?;
        Ok(replies.iter().any(has_entries))
    }

    /// Acknowledges entries.
    pub(crate) async fn acknowledge(
        &self,
        connection: &mut MultiplexedConnection,
        entries: &[Incoming],
    ) -> Result<(), RedisError> {
        let mut commands = redis::pipe();
        for (at, stream) in self.streams.iter().enumerate() {
            let mut ids =
                entries.iter().filter(|entry| entry.stream == at).map(|entry| entry.entry.id.to_string()).peekable();
            if ids.peek().is_some() {
                commands.cmd("XACK").arg(stream).arg(NOTIFIER_GROUP).arg(ids.collect::<Vec<_>>()).ignore();
            }
        }
        commands.exec_async(connection).await
    }

    /// Leaves the group where this process holds nothing.
    pub(crate) async fn leave(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.prune(connection, true).await
    }

    async fn prune(&self, connection: &mut MultiplexedConnection, leaving: bool) -> Result<(), RedisError> {
        let mut commands = redis::pipe();
        commands.add_command(PRUNE.load()).ignore();
        for stream in &self.streams {
            let idle_ms = FORGOTTEN.as_millis().to_string();
            let args = [NOTIFIER_GROUP, &idle_ms, &self.consumer, if leaving { "1" } else { "0" }];
            commands.add_command(PRUNE.call([stream], args).run).ignore();
        }
        commands.exec_async(connection).await
    }

    /// Reads the reply over several streams, in the order in which the entries were written.
    fn incoming(&self, reply: Value) -> Result<Vec<Incoming>, RedisError> {
        let malformed = || RedisError::from((ErrorKind::UnexpectedReturnType, "a read of several streams"));
        let streams: Vec<(Value, Value)> = match reply {
            Value::Nil => return Ok(Vec::new()),
            Value::Map(streams) => streams,
            Value::Array(streams) => {
                let pairs = streams.into_iter().map(|stream| match stream {
                    Value::Array(pair) => {
                        <[Value; 2]>::try_from(pair).map(<(Value, Value)>::from).map_err(|_| malformed())
                    }
                    _ => Err(malformed()),
                });
                pairs.collect::<Result<_, _>>()?
            }
            _ => return Err(malformed()),
        };
        let mut incoming = Vec::new();
        for (key, entries) in streams {
            let key: String = redis::from_redis_value(key)?;
            let stream = self.streams.iter().position(|stream| *stream == key).ok_or_else(malformed)?;
            let entries = range_reply(entries).map_err(|_| malformed())?;
            incoming.extend(entries.into_iter().map(|entry| Incoming { stream, key: key.clone(), entry }));
        }
        incoming.sort_by_key(|incoming| incoming.entry.id);
        Ok(incoming)
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.streams.as_slice() {
            [stream] => f.write_str(stream),
            streams => write!(f, "{} streams", streams.len()),
        }
    }
}

/// Whether a claim's reply (cursor, entries, deleted ones) has entries.
fn has_entries(reply: &Value) -> bool {
    matches!(reply, Value::Array(parts) if matches!(parts.get(1), Some(Value::Array(entries)) if !entries.is_empty()))
}
