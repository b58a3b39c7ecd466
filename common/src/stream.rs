//! Entries of Redis Streams as they arrive: ids and fields, nothing interpreted.

use std::fmt;
use std::str::FromStr;

use redis::Value;

/// An entry's id: milliseconds and a sequence number within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId {
    /// Unix milliseconds, unless the writer chose otherwise.
    pub ms: u64,
    /// Tells apart the entries of one millisecond.
    pub seq: u64,
}

/// A text that is no entry id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a stream entry id")]
pub struct EntryIdError(String);

impl FromStr for EntryId {
    type Err = EntryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || EntryIdError(text.to_owned());
        let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { ms: ms.parse().map_err(|_| error())?, seq: seq.parse().map_err(|_| error())? })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Field names and values in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    /// The value of a field; of a repeated one the last, as a reader into a map would have it.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(field, _)| field == name.as_bytes()).map(|(_, value)| value.as_slice())
    }

    /// The value of a field that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The bytes of all names and values.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }
}

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// The entry's id.
    pub id: EntryId,
    /// What was written.
    pub fields: Fields,
}

/// A reply that is not shaped as Redis documents it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("redis answered a stream read with {0}")]
pub struct ReplyError(&'static str);

/// Reads the reply of `XREAD` or `XREADGROUP` over one stream; nil means that nothing came.
///
/// # Errors
///
/// [`ReplyError`] when the reply has another shape.
pub fn read_reply(reply: Value) -> Result<Vec<StreamEntry>, ReplyError> {
    let stream = match reply {
        Value::Nil => return Ok(Vec::new()),
        Value::Array(mut streams) => streams.pop().ok_or(ReplyError("no stream"))?,
        Value::Map(mut streams) => return range_reply(streams.pop().ok_or(ReplyError("no stream"))?.1),
        _ => return Err(ReplyError("neither nil nor an array")),
    };
    match stream {
        Value::Array(mut named) if named.len() == 2 => range_reply(named.pop().unwrap_or_default()),
        _ => Err(ReplyError("a stream without name or entries")),
    }
}

/// Reads the reply of `XRANGE` or `XREVRANGE`, in its order.
///
/// # Errors
///
/// [`ReplyError`] when the reply has another shape.
pub fn range_reply(reply: Value) -> Result<Vec<StreamEntry>, ReplyError> {
    let Value::Array(entries) = reply else { return Err(ReplyError("entries that are no array")) };
    // An entry deleted between index and read comes as nil: it no longer exists.
    entries.into_iter().filter(|entry| *entry != Value::Nil).map(entry).collect()
}

fn entry(reply: Value) -> Result<StreamEntry, ReplyError> {
    let Value::Array(pair) = reply else { return Err(ReplyError("an entry that is no array")) };
    let Ok([id, fields]) = <[Value; 2]>::try_from(pair) else {
        return Err(ReplyError("an entry that is no pair"));
    };
    let id = std::str::from_utf8(&bytes(id)?)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(ReplyError("an unreadable id"))?;
    let flat = match fields {
        Value::Array(flat) => flat,
        Value::Nil => Vec::new(),
        _ => return Err(ReplyError("fields that are no array")),
    };
    let mut fields = Vec::with_capacity(flat.len() / 2);
    let mut flat = flat.into_iter();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        fields.push((bytes(name)?, bytes(value)?));
    }
    Ok(StreamEntry { id, fields: Fields(fields) })
}

fn bytes(value: Value) -> Result<Vec<u8>, ReplyError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        _ => Err(ReplyError("a field that is no string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn both_protocols_read_alike() {
        let entries = Value::Array(vec![Value::Array(vec![
            bulk("5-1"),
            Value::Array(vec![bulk("a"), bulk("1"), bulk("a"), bulk("2")]),
        ])]);
        let resp2 = Value::Array(vec![Value::Array(vec![bulk("s"), entries.clone()])]);
        let resp3 = Value::Map(vec![(bulk("s"), entries)]);
        let read = read_reply(resp2);
        assert_eq!(read, read_reply(resp3));
        let read = read.unwrap_or_default();
        assert_eq!(read[0].id, EntryId { ms: 5, seq: 1 });
        assert_eq!(read[0].fields.text("a"), Some("2"));
        assert_eq!(read_reply(Value::Nil), Ok(vec![]));
    }

    #[test]
    fn ids_read_back_and_order() {
        assert_eq!("12-3".parse(), Ok(EntryId { ms: 12, seq: 3 }));
        assert_eq!("12".parse(), Ok(EntryId { ms: 12, seq: 0 }));
        assert!("x-1".parse::<EntryId>().is_err());
        assert!(EntryId { ms: 1, seq: 9 } < EntryId { ms: 2, seq: 0 });
    }
}
