//! The hold: the leases and fences of all partitions, so that nobody else writes into them.
//!
//! Owns the connections of a move. Leases are taken as a worker takes them, but while data moves for as long
//! as that can last: a worker that slept through the beginning must not wake up into the middle. Another
//! run takes the hold over at once. Every write goes through [`Hold::write`] or a script that compares the
//! fence, so that a run that was taken over, or frozen until all is done, changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use candlewire_common::connection::RedisTarget;
use candlewire_common::keys::Keys;
use candlewire_common::nodes::Nodes;
use candlewire_common::series::Partition;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::halt::Halt;

/// Whom leases name.
const HOLDER: &str = "repartition";
/// How long a partition is held while data moves: until somebody finishes that.
pub(super) const TO_THE_END: Duration = Duration::from_hours(24 * 365);
/// How long it is held before and after: should this process die, workers need not wait for long.
pub(super) const BRIEFLY: Duration = Duration::from_secs(10);
/// How long one step may take; each is bounded in size.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes a partition that no worker has a lease on.
///
/// Keys: lease, fence. Arguments: holder, for how long in ms (0 only asks), run. Answers
/// `{1, token, 0}`, or `{0, worker, ms left}`.
const HOLD: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till, worker = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (.*)$')
local left = (tonumber(till) or now) - now
if worker and worker ~= ARGV[1] and left > 0 then return {0, worker, left} end
if ARGV[2] == '0' then return {1, '', 0} end
local epoch = tonumber(string.match(redis.call('GET', KEYS[2]) or '', '^%d+')) or 0
local token = string.format('%d %s', epoch + 1, ARGV[3])
redis.call('SET', KEYS[1], string.format('%d %s', now + ARGV[2], ARGV[1]))
redis.call('SET', KEYS[2], token)
return {1, token, 0}
";

/// Partitions in the hand of this process.
#[derive(Debug)]
pub(super) struct Hold<'a> {
    pub(super) nodes: Nodes,
    pub(super) keys: &'a Keys,
    /// This run's own name, in the fences: no two runs ever have the same token.
    run: String,
    tokens: BTreeMap<Partition, String>,
    stop: CancellationToken,
}

impl<'a> Hold<'a> {
    /// Holds nothing yet. `stop` ends a move between two steps.
    pub(super) fn new(target: RedisTarget, keys: &'a Keys, stop: CancellationToken) -> Self {
        let run = format!("{HOLDER} {}", Uuid::new_v4());
        Self { nodes: Nodes::new(target, PATIENCE), keys, run, tokens: BTreeMap::new(), stop }
    }

    /// A connection to the node that holds a key.
    pub(super) async fn to(&mut self, key: &str) -> Result<MultiplexedConnection, RedisError> {
        let node = self.nodes.of(key).await?;
        self.nodes.to(&node).await
    }

    /// Ends the move here if the process is to stop. Called where what is done is whole.
    pub(super) fn go_on(&self) -> Result<(), Halt> {
        if self.stop.is_cancelled() { Err(Halt::Interrupted) } else { Ok(()) }
    }

    /// Looks whether a worker lives: in the roster, or by a lease on one of `partitions`.
    pub(super) async fn look_for_workers(&mut self, partitions: impl Iterator<Item = Partition>) -> Result<(), Halt> {
        for partition in partitions {
            self.ask(partition, Duration::ZERO).await?;
        }
        let roster = self.keys.workers();
        let mut pipe = redis::pipe();
        pipe.cmd("TIME").cmd("HGETALL").arg(&roster);
        let ((seconds, micros), entries): ((i64, i64), HashMap<String, String>) =
            pipe.query_async(&mut self.to(&roster).await?).await?;
        match living(entries, seconds * 1_000 + micros / 1_000) {
            Some((worker, left)) => Err(Halt::Worker { worker, does: "lives".to_owned(), left }),
            None => Ok(()),
        }
    }

    /// Takes partitions for so long from now on, also those that it has, or that another run had.
    pub(super) async fn take(
        &mut self,
        partitions: impl Iterator<Item = Partition>,
        held: Duration,
    ) -> Result<(), Halt> {
        for partition in partitions {
            self.go_on()?;
            let token = self.ask(partition, held).await?;
            self.tokens.insert(partition, token);
        }
        Ok(())
    }

    /// Hands over what is held, so that a worker need not wait.
    pub(super) async fn release(&mut self) -> Result<(), Halt> {
        let held: Vec<Partition> = self.tokens.keys().copied().collect();
        for partition in held {
            let mut pipe = redis::pipe();
            pipe.atomic().cmd("SET").arg(self.keys.lease(partition)).arg("").ignore();
            match self.write(partition, &pipe).await {
                // Workers may start before all is released, and take what is.
                Ok(()) | Err(Halt::TakenOver(_)) => {}
                Err(halt) => return Err(halt),
            }
        }
        self.tokens.clear();
        Ok(())
    }

    /// Runs a transaction on keys of one partition, unless somebody else has taken that.
    pub(super) async fn write(&mut self, partition: Partition, transaction: &Pipeline) -> Result<(), Halt> {
        let fence = self.keys.fence(partition);
        let mut connection = self.to(&fence).await?;
        let mut watch = redis::pipe();
        watch.cmd("WATCH").arg(&fence).ignore().cmd("GET").arg(&fence);
        let (found,): (Option<String>,) = watch.query_async(&mut connection).await?;
        if found.as_deref() != Some(self.token(partition)?) {
            return Err(Halt::TakenOver(partition));
        }
        let done: Option<Vec<Value>> = transaction.query_async(&mut connection).await?;
        done.map(|_| ()).ok_or(Halt::TakenOver(partition))
    }

    /// The fence's value while a partition is held.
    pub(super) fn token(&self, partition: Partition) -> Result<&str, Halt> {
        self.tokens.get(&partition).map(String::as_str).ok_or(Halt::TakenOver(partition))
    }

    /// Forgets a partition that is no more.
    pub(super) fn forget(&mut self, partition: Partition) {
        self.tokens.remove(&partition);
    }

    async fn ask(&mut self, partition: Partition, held: Duration) -> Result<String, Halt> {
        let (lease, fence) = (self.keys.lease(partition), self.keys.fence(partition));
        let mut call: Cmd = redis::cmd("EVAL");
        call.arg(HOLD).arg(2).arg(&lease).arg(&fence).arg(HOLDER);
        call.arg(u64::try_from(held.as_millis()).unwrap_or(u64::MAX)).arg(&self.run);
        let (is_ours, name, left): (bool, String, u64) = call.query_async(&mut self.to(&lease).await?).await?;
        if is_ours {
            return Ok(name);
        }
        let left = Duration::from_millis(left);
        Err(Halt::Worker { worker: name, does: format!("holds partition {partition}"), left })
    }
}

/// A worker whose entry in the roster, `<end in ms> <partitions>`, has not run out, and how long it has.
fn living(entries: HashMap<String, String>, now: i64) -> Option<(String, Duration)> {
    let left = |entry: &str| {
        let till: i64 = entry.split(' ').next()?.parse().ok()?;
        u64::try_from(till - now).ok().filter(|left| *left > 0).map(Duration::from_millis)
    };
    entries.into_iter().find_map(|(worker, entry)| Some((worker, left(&entry)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_lives_until_its_entry_runs_out() {
        let entry = |text: &str| HashMap::from([("w".to_owned(), text.to_owned())]);
        assert_eq!(living(entry("1500 0-3"), 1_000), Some(("w".to_owned(), Duration::from_millis(500))));
        for dead in ["1000 0-3", "900 ", "soon 1", ""] {
            assert_eq!(living(entry(dead), 1_000), None, "{dead}");
        }
    }
}
