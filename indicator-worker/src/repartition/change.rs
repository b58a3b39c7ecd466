//! The change: from how many partitions to how many, and how far it has come.
//!
//! Owns what `{prefix}:meta` says about it. From the first write on the field `partitions` holds both
//! counts, so that every process refuses to start; `repartition` is set as soon as data may have moved,
//! which is when there is no way back. Moves nothing itself.

use candlewire_common::config::RedisConfig;
use candlewire_common::meta::{self, MetaError, Move};
use candlewire_common::series::{Partition, Partitions};
use redis::RedisError;
use redis::aio::MultiplexedConnection;

/// The field that is set once data may have moved.
const BEGUN: &str = "repartition";

/// Replaces what `partitions` holds if it is what was expected, and says whether data may have moved.
///
/// Keys: meta. Arguments: expected, new, whether data may have moved. Answers 1, or 0 when it held something else.
const SWAP: &str = r"
if redis.call('HGET', KEYS[1], 'partitions') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'partitions', ARGV[2])
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'repartition', 'begun')
else
  redis.call('HDEL', KEYS[1], 'repartition')
end
return 1
";

/// From how many partitions to how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: Partitions,
    pub(super) to: Partitions,
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Nothing: there is no data.
    NoData,
    /// Nothing: the counts agree.
    Agreed,
    /// To move the data.
    Begin(Change),
    /// To finish what another run began.
    Resume(Change),
}

/// How far a change has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Processes refuse to start, but all data is where it was.
    Announced,
    /// Data may have moved.
    Moving,
}

impl Change {
    /// What `partitions` holds meanwhile.
    fn marker(self) -> String {
        Move { from: self.from.count(), to: self.to.count() }.to_string()
    }

    /// Every partition there was or will be.
    pub(super) fn all(self) -> impl Iterator<Item = Partition> {
        (0..self.from.count().max(self.to.count())).map(Partition)
    }

    /// Partitions that there will be no more.
    pub(super) fn vanishing(self) -> impl Iterator<Item = Partition> {
        (self.to.count()..self.from.count()).map(Partition)
    }

    /// Whether a partition is one of those that there will be.
    pub(super) fn keeps(self, partition: Partition) -> bool {
        partition.0 < self.to.count()
    }

    /// Whether there was no such partition.
    pub(super) fn is_new(self, partition: Partition) -> bool {
        partition.0 >= self.from.count()
    }
}

/// Finds out what there is to do, without writing.
///
/// # Errors
///
/// [`MetaError`] when Redis holds another schema, is on its way to yet another count, or does not answer.
pub(super) async fn task(connection: &mut MultiplexedConnection, config: &RedisConfig) -> Result<Task, MetaError> {
    decide(meta::verify(connection, config).await, config.partitions)
}

fn decide(verified: Result<bool, MetaError>, ours: Partitions) -> Result<Task, MetaError> {
    let error = match verified {
        Ok(true) => return Ok(Task::Agreed),
        Ok(false) => return Ok(Task::NoData),
        Err(error) => error,
    };
    let change = |from| Partitions::new(from).map(|from| Change { from, to: ours });
    let task = match &error {
        MetaError::Moving { from, to, .. } if *to == ours.count() => change(*from).map(Task::Resume),
        MetaError::Differs { field: meta::PARTITIONS, found, .. } => {
            found.parse().ok().and_then(change).map(Task::Begin)
        }
        _ => None,
    };
    task.ok_or(error)
}

/// Says in meta that the change has begun, or how far it is. `false`: meta is not what it was.
pub(super) async fn announce(
    change: Change,
    stage: Stage,
    meta: &str,
    connection: &mut MultiplexedConnection,
) -> Result<bool, RedisError> {
    let marker = change.marker();
    match stage {
        Stage::Announced => swap(meta, &change.from.count().to_string(), &marker, false, connection).await,
        Stage::Moving => swap(meta, &marker, &marker, true, connection).await,
    }
}

/// How far an announced change has come.
pub(super) async fn stage(meta: &str, connection: &mut MultiplexedConnection) -> Result<Stage, RedisError> {
    let begun: bool = redis::cmd("HEXISTS").arg(meta).arg(BEGUN).query_async(connection).await?;
    Ok(if begun { Stage::Moving } else { Stage::Announced })
}

/// Says in meta that there are `count` partitions: the old one again, or the new one at the end.
/// `false`: meta is not what it was.
pub(super) async fn settle(
    change: Change,
    count: Partitions,
    meta: &str,
    connection: &mut MultiplexedConnection,
) -> Result<bool, RedisError> {
    swap(meta, &change.marker(), &count.count().to_string(), false, connection).await
}

async fn swap(
    meta: &str,
    expected: &str,
    new: &str,
    may_have_moved: bool,
    connection: &mut MultiplexedConnection,
) -> Result<bool, RedisError> {
    let mut call = redis::cmd("EVAL");
    call.arg(SWAP).arg(1).arg(meta).arg(expected).arg(new).arg(u8::from(may_have_moved));
    call.query_async(connection).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(count: u16) -> Partitions {
        Partitions::new(count).unwrap()
    }

    fn differs(field: &'static str, found: &str) -> MetaError {
        let (found, ours) = (found.to_owned(), "7".to_owned());
        MetaError::Differs { key: "cw:meta".to_owned(), field, found, ours, way_out: String::new() }
    }

    fn moving(from: u16, to: u16) -> MetaError {
        MetaError::Moving { key: "cw:meta".to_owned(), from, to }
    }

    #[test]
    fn meta_says_what_there_is_to_do() {
        let change = Change { from: partitions(4), to: partitions(7) };
        let task = |verified| decide(verified, partitions(7)).ok();
        assert_eq!(task(Ok(true)), Some(Task::Agreed));
        assert_eq!(task(Ok(false)), Some(Task::NoData));
        assert_eq!(task(Err(differs(meta::PARTITIONS, "4"))), Some(Task::Begin(change)));
        assert_eq!(task(Err(moving(4, 7))), Some(Task::Resume(change)));
        for refused in [
            moving(4, 8),
            moving(0, 7),
            differs("schema", "2"),
            differs(meta::PARTITIONS, "0"),
            differs(meta::PARTITIONS, "many"),
        ] {
            assert_eq!(task(Err(refused)), None);
        }
    }

    #[test]
    fn partitions_stay_come_or_vanish() {
        let numbers = |partitions: &mut dyn Iterator<Item = Partition>| partitions.map(|p| p.0).collect::<Vec<_>>();
        let more = Change { from: partitions(2), to: partitions(4) };
        assert_eq!(numbers(&mut more.all()), [0, 1, 2, 3]);
        assert!(numbers(&mut more.vanishing()).is_empty());
        assert!(more.is_new(Partition(2)) && !more.is_new(Partition(1)) && more.keeps(Partition(3)));
        let fewer = Change { from: partitions(4), to: partitions(2) };
        assert_eq!(numbers(&mut fewer.all()), [0, 1, 2, 3]);
        assert_eq!(numbers(&mut fewer.vanishing()), [2, 3]);
        assert!(!fewer.is_new(Partition(3)) && !fewer.keeps(Partition(2)) && fewer.keeps(Partition(1)));
    }
}
