//! The map of a Redis Cluster: which node serves which slots, as one of its nodes told.
//!
//! Owns the reading of `CLUSTER SLOTS`, which every version of Redis and Valkey answers. A map is a
//! snapshot: whoever finds that it no longer holds asks for another.

use std::fmt;

use redis::Value;

use crate::slot::SLOTS;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The masters of a cluster by the slots they serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMap {
    ranges: Vec<(u16, u16, Node)>,
}

impl ClusterMap {
    /// Reads the reply of `CLUSTER SLOTS`; `asked` is who answered, for a node that does not know its own
    /// address. `None` where the reply has another shape.
    pub fn read(reply: &Value, asked: &Node) -> Option<Self> {
        let Value::Array(ranges) = reply else { return None };
        Some(Self { ranges: ranges.iter().map(|range| read_range(range, asked)).collect::<Option<_>>()? })
    }

    /// The master that serves a slot.
    pub fn master_of(&self, slot: u16) -> Option<&Node> {
        self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(.., node)| node)
    }

    /// Every master that serves slots, each once.
    pub fn masters(&self) -> Vec<Node> {
        let mut masters: Vec<Node> = self.ranges.iter().map(|(.., node)| node.clone()).collect();
        masters.sort();
        masters.dedup();
        masters
    }

    /// Whether every slot is served.
    pub fn is_whole(&self) -> bool {
        let served: u32 = self.ranges.iter().map(|(first, last, _)| u32::from(last - first) + 1).sum();
        served == u32::from(SLOTS)
    }
}

/// Reads `[first, last, [host, port, …], replicas…]`.
fn read_range(range: &Value, asked: &Node) -> Option<(u16, u16, Node)> {
    let Value::Array(parts) = range else { return None };
    let [first, last, Value::Array(master), ..] = parts.as_slice() else { return None };
    let (first, last): (u16, u16) = (number(first)?, number(last)?);
    let [host, port, ..] = master.as_slice() else { return None };
    let host = match host {
        Value::Nil => asked.host.clone(),
        host => redis::from_redis_value_ref::<String>(host).ok()?,
    };
    // "?" stands for a name that the node was not given; an empty one for an address it has not found out.
    let host = if matches!(host.as_str(), "" | "?") { asked.host.clone() } else { host };
    (first <= last && last < SLOTS).then_some((first, last, Node { host, port: number(port)? }))
}

fn number(value: &Value) -> Option<u16> {
    redis::from_redis_value_ref(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16) -> Node {
        Node { host: host.to_owned(), port }
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let master = Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec())]);
        let replica = Value::Array(vec![Value::BulkString(b"r".to_vec()), Value::Int(9), Value::Nil]);
        Value::Array(vec![Value::Int(first), Value::Int(last), master, replica])
    }

    #[test]
    fn masters_are_found_by_slot() {
        let named = |name: &str| Value::BulkString(name.as_bytes().to_vec());
        let reply = Value::Array(vec![
            range(0, 8_191, named("10.0.0.1"), 7_000),
            range(8_192, 16_382, named(""), 7_001),
            range(16_383, 16_383, Value::Nil, 7_001),
        ]);
        let map = ClusterMap::read(&reply, &node("asked", 1)).unwrap();
        assert_eq!(map.master_of(8_191), Some(&node("10.0.0.1", 7_000)));
        assert_eq!(map.master_of(8_192), Some(&node("asked", 7_001)));
        assert_eq!(map.masters(), [node("10.0.0.1", 7_000), node("asked", 7_001)]);
        assert!(map.is_whole());
    }

    #[test]
    fn a_hole_is_seen_and_nonsense_is_refused() {
        let reply = Value::Array(vec![range(5, 10, Value::Nil, 7_000)]);
        let map = ClusterMap::read(&reply, &node("asked", 1)).unwrap();
        assert_eq!((map.master_of(4), map.is_whole()), (None, false));
        for reply in [Value::Nil, Value::Array(vec![Value::Int(1)]), Value::Array(vec![range(9, 3, Value::Nil, 1)])] {
            assert_eq!(ClusterMap::read(&reply, &node("asked", 1)), None);
        }
    }
}
