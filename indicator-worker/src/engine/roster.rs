//! The roster: which workers live, and what each holds.
//!
//! One hash, a field for each worker: until when it counts as alive, by Redis' clock, and its partitions.
//! A worker writes its own entry several times within a lease. What the roster says is good enough to
//! share by; it is the leases that decide.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use candlewire_common::nodes::Nodes;
use candlewire_common::series::Partition;
use redis::RedisError;

use super::scripts;
use crate::core::Holdings;

/// What the roster showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Those who live, and the partitions they hold.
    pub(crate) living: Holdings<String>,
}

/// This worker's place in the roster.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    key: String,
    own: String,
    ttl: Duration,
}

impl Roster {
    /// The roster under `key`, in which `own` counts as alive for `ttl` after each entry.
    pub(crate) fn new(key: String, own: &str, ttl: Duration) -> Self {
        Self { key, own: own.to_owned(), ttl }
    }

    /// Writes this worker's entry, and reads the roster.
    pub(crate) async fn enter(&self, held: &BTreeSet<Partition>, nodes: &mut Nodes) -> Result<Seen, RedisError> {
        let mut call = redis::cmd("EVAL");
        call.arg(scripts::ENTER).arg(1).arg(&self.key).arg(&self.own);
        call.arg(u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)).arg(encode(held));
        let node = nodes.of(&self.key).await?;
        let (now, entries): (i64, HashMap<String, String>) = call.query_async(&mut nodes.to(&node).await?).await?;
        Ok(Seen::read(entries, now))
    }

    /// Reads the roster.
    pub(crate) async fn look(&self, nodes: &mut Nodes) -> Result<Seen, RedisError> {
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("HGETALL").arg(&self.key);
        let node = nodes.of(&self.key).await?;
        let ((seconds, micros), entries): ((i64, i64), HashMap<String, String>) =
            pipe.query_async(&mut nodes.to(&node).await?).await?;
        Ok(Seen::read(entries, seconds * 1_000 + micros / 1_000))
    }

    /// Leaves the roster, so that others share without this worker at once.
    pub(crate) async fn leave(&self, nodes: &mut Nodes) -> Result<(), RedisError> {
        let node = nodes.of(&self.key).await?;
        redis::cmd("HDEL").arg(&self.key).arg(&self.own).exec_async(&mut nodes.to(&node).await?).await
    }
}

impl Seen {
    fn read(entries: HashMap<String, String>, now: i64) -> Self {
        let living = entries.into_iter().filter_map(|(worker, entry)| {
            let (till, held) = entry.split_once(' ')?;
            let lives = till.parse::<i64>().ok()? > now;
            lives.then(|| decode(held)).flatten().map(|held| (worker, held))
        });
        Self { living: living.collect() }
    }
}

/// Writes partitions as ranges: `0-3,7`.
fn encode(held: &BTreeSet<Partition>) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for Partition(at) in held {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *at => *last = *at,
            _ => runs.push((*at, *at)),
        }
    }
    let mut text = String::new();
    for (first, last) in runs {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string can't fail.
        let _ = if first == last { write!(text, "{comma}{first}") } else { write!(text, "{comma}{first}-{last}") };
    }
    text
}

fn decode(text: &str) -> Option<BTreeSet<Partition>> {
    let mut held = BTreeSet::new();
    for run in text.split(',').filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        held.extend((first.parse().ok()?..=last.parse().ok()?).map(Partition));
    }
    Some(held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen(entries: &[(&str, &str)]) -> Vec<(String, Vec<u16>)> {
        let entries = entries.iter().map(|(worker, entry)| ((*worker).to_owned(), (*entry).to_owned())).collect();
        let holdings = Seen::read(entries, 1_000).living;
        holdings.into_iter().map(|(worker, held)| (worker, held.into_iter().map(|at| at.0).collect())).collect()
    }

    #[test]
    fn the_dead_and_the_unreadable_hold_nothing() {
        let entries =
            [("a", "1001 0-2,7"), ("b", "1000 3"), ("c", "2000 "), ("d", "soon 4"), ("e", "2000 x"), ("f", "2000")];
        assert_eq!(seen(&entries), [("a".to_owned(), vec![0, 1, 2, 7]), ("c".to_owned(), vec![])]);
    }

    proptest! {
        #[test]
        fn partitions_read_back(held in proptest::collection::btree_set((0..600_u16).prop_map(Partition), 0..300)) {
            prop_assert_eq!(decode(&encode(&held)), Some(held));
        }
    }
}
