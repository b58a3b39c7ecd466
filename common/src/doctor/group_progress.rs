//! How far a consumer group is over the streams of all partitions.

use std::collections::HashMap;
use std::time::Duration;

use redis::{RedisError, RedisResult, Value};

use super::streams::Seen;
use crate::group::Group;
use crate::nodes::Nodes;
use crate::series::Partition;
use crate::stream::{EntryId, range_reply};
use crate::time::UnixMillis;

/// What a group has left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// How many entries, of which some were given to it and not acknowledged.
    pub(super) unfinished: u64,
    pub(super) pending: u64,
    /// The partition with most of them, and how many.
    pub(super) worst: Option<(Partition, u64)>,
    /// How long the oldest has waited.
    pub(super) oldest: Duration,
    /// The streams that they are in.
    pub(super) keys: Vec<String>,
    /// How long none of its consumers has asked for anything; `None`: there are none.
    pub(super) quiet: Option<Duration>,
}

/// Looks at a group wherever it has something left to do.
pub(super) async fn progress(streams: &[Seen], name: &str, nodes: &mut Nodes) -> Result<Progress, RedisError> {
    let (mut progress, now) = (Progress::default(), UnixMillis::now());
    for Seen { partition, key, length, groups, .. } in streams {
        let Some(group) = Group::find(groups, name) else { continue };
        if group.lag == Some(0) && group.pending == 0 {
            continue;
        }
        let mut pipe = redis::pipe();
        pipe.ignore_errors();
        pipe.cmd("XRANGE").arg(key).arg(format!("({}", group.last)).arg("+").arg("COUNT").arg(1);
        pipe.cmd("XPENDING").arg(key).arg(name).cmd("XINFO").arg("CONSUMERS").arg(key).arg(name);
        let node = nodes.of(key).await?;
        let [next, pending, consumers]: [RedisResult<Value>; 3] =
            pipe.query_async::<Vec<RedisResult<Value>>>(&mut nodes.to(&node).await?).await?.try_into().map_err(
                |_| RedisError::from((redis::ErrorKind::UnexpectedReturnType, "fewer replies than commands")),
            )?;
        let next = range_reply(next?).unwrap_or_default().first().map(|entry| entry.id);
        let given = pending.ok().and_then(first_pending).filter(|_| group.pending > 0);
        // A lag that Redis can't tell is of a stream of which entries were deleted.
        let Some(first) = next.into_iter().chain(given).min() else { continue };
        let lag = if next.is_some() { group.lag.unwrap_or(*length).min(*length) } else { 0 };
        let unfinished = lag + group.pending;
        progress.unfinished += unfinished;
        progress.pending += group.pending;
        progress.worst = progress.worst.filter(|(_, most)| *most >= unfinished).or(Some((*partition, unfinished)));
        progress.oldest = progress.oldest.max(now.since(UnixMillis(i64::try_from(first.ms).unwrap_or(i64::MAX))));
        progress.keys.push(key.clone());
        let quiet = consumers.ok().and_then(quietest);
        progress.quiet = progress.quiet.into_iter().chain(quiet).min();
    }
    Ok(progress)
}

/// The first entry that was given and not acknowledged, from a reply of `XPENDING`.
fn first_pending(reply: Value) -> Option<EntryId> {
    let (_, first, _, _): (u64, Option<String>, Value, Value) = redis::from_redis_value(reply).ok()?;
    first?.parse().ok()
}

/// How long no consumer has asked for anything, from a reply of `XINFO CONSUMERS`.
fn quietest(reply: Value) -> Option<Duration> {
    let consumers: Vec<HashMap<String, Value>> = redis::from_redis_value(reply).ok()?;
    let idle = |consumer: &HashMap<String, Value>| redis::from_redis_value_ref::<u64>(consumer.get("idle")?).ok();
    consumers.iter().filter_map(idle).min().map(Duration::from_millis)
}
