//! The consumer groups of a stream, as `XINFO GROUPS` shows them.
//!
//! Owns the reading of that reply. It makes no group and moves none: that is the consumers' business.

use std::collections::HashMap;
use std::fmt;

use redis::Value;

use crate::stream::EntryId;

/// A consumer group: how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The last entry it was given; for the workers, the last whose effects are committed.
    pub last: EntryId,
    /// How many entries the stream had up to there; `None` where Redis can't tell.
    pub entries_read: Option<u64>,
    /// How many entries follow; `None` where Redis can't tell.
    pub lag: Option<u64>,
    /// How many it was given and has not acknowledged.
    pub pending: u64,
}

impl Group {
    /// Reads a reply of `XINFO GROUPS`; none where it has another shape. What a group does not tell counts
    /// as nothing done.
    pub fn read_all(reply: Value) -> Vec<Self> {
        let groups: Vec<HashMap<String, Value>> = redis::from_redis_value(reply).unwrap_or_default();
        groups.iter().map(Self::read).collect()
    }

    /// The group of this name.
    pub fn find<'a>(groups: &'a [Self], name: &str) -> Option<&'a Self> {
        groups.iter().find(|group| group.name == name)
    }

    /// The group that has the most left to do.
    pub fn slowest(groups: &[Self]) -> Option<&Self> {
        groups.iter().max_by_key(|group| group.unfinished())
    }

    /// How many entries it has left to do; very many where Redis can't tell.
    pub fn unfinished(&self) -> u64 {
        self.lag.unwrap_or(u64::MAX).saturating_add(self.pending)
    }

    fn read(info: &HashMap<String, Value>) -> Self {
        let text = |name: &str| redis::from_redis_value_ref::<String>(info.get(name)?).ok();
        let number = |name: &str| redis::from_redis_value_ref::<u64>(info.get(name)?).ok();
        Self {
            name: text("name").unwrap_or_default(),
            last: text("last-delivered-id").and_then(|id| id.parse().ok()).unwrap_or_default(),
            entries_read: number("entries-read"),
            lag: number("lag"),
            pending: number("pending").unwrap_or(0),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, last, lag, pending, .. } = self;
        match lag {
            Some(lag) => write!(f, "group {name} is {lag} entries behind")?,
            None => write!(f, "group {name} is at {last}")?,
        }
        if *pending == 0 { Ok(()) } else { write!(f, " and has {pending} not acknowledged") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn shown(name: &str, pending: i64, last: &str, lag: Value) -> Value {
        let fields = [("name", bulk(name)), ("consumers", Value::Int(1)), ("pending", Value::Int(pending))];
        let position = [("last-delivered-id", bulk(last)), ("entries-read", Value::Nil), ("lag", lag)];
        Value::Array(fields.into_iter().chain(position).flat_map(|(field, value)| [bulk(field), value]).collect())
    }

    #[test]
    fn the_slowest_group_is_the_one_to_act_on() {
        let read = |shown: Vec<Value>| Group::read_all(Value::Array(shown));
        let workers = shown("indicator-workers", 0, "7-1", Value::Int(12));
        let groups = read(vec![
            workers.clone(),
            shown("audit", 0, "5-0", Value::Nil),
            shown("odd", 0, "not an id", Value::Int(1)),
        ]);
        assert_eq!(Group::find(&groups, "odd").map(|group| group.last), Some(EntryId::default()));
        let texts: Vec<String> = groups.iter().map(Group::to_string).collect();
        assert_eq!(
            texts,
            ["group indicator-workers is 12 entries behind", "group audit is at 5-0", "group odd is 1 entries behind"]
        );
        assert_eq!(Group::slowest(&groups), groups.get(1));
        let groups = read(vec![workers, shown("archive", 20, "9-0", Value::Int(0))]);
        let slowest = Group::slowest(&groups).map(Group::to_string);
        assert_eq!(slowest.as_deref(), Some("group archive is 0 entries behind and has 20 not acknowledged"));
        assert_eq!(Group::read_all(Value::Nil), []);
    }
}
