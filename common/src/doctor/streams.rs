//! The streams of all partitions: whether each key is a stream, how far its readers are, who holds up its trimming, and
//! what could not be used.

use std::collections::HashMap;
use std::time::Duration;

use redis::{RedisError, RedisResult, Value};

use super::finding::Finding;
use super::group_progress::{Progress, progress};
use super::report::Report;
use crate::cluster::Node;
use crate::config::RedisConfig;
use crate::connection::describe;
use crate::group::Group;
use crate::keys::{NOTIFIER_GROUP, WORKER_GROUP};
use crate::nodes::Nodes;
use crate::phrase::{counted, some_of, span};
use crate::series::Partition;
use crate::stream::range_reply;
use crate::time::UnixMillis;

/// How many partitions are looked at in one round trip.
const AT_ONCE: usize = 250;
/// How long an entry may wait for the group that it is meant for without a word.
const BEHIND: Duration = Duration::from_mins(1);
/// A group that has asked for nothing for so long, with work waiting for as long, is nobody's any more.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// A kind of stream, one for each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Candles in.
    Candles,
    /// Signals out.
    Signals,
}

/// One stream, as it was seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) partition: Partition,
    pub(super) key: String,
    /// The key's type; `none` where there is no such key.
    kind: String,
    pub(super) length: u64,
    pub(super) groups: Vec<Group>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Candles => "candles",
            Self::Signals => "signals",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Candles => "candle",
            Self::Signals => "signal",
        }
    }

    fn group(self) -> &'static str {
        match self {
            Self::Candles => WORKER_GROUP,
            Self::Signals => NOTIFIER_GROUP,
        }
    }

    fn reader(self) -> &'static str {
        match self {
            Self::Candles => "indicator-worker run",
            Self::Signals => "notifier run",
        }
    }

    fn key(self, redis: &RedisConfig, partition: Partition) -> String {
        match self {
            Self::Candles => redis.keys.candles(partition),
            Self::Signals => redis.keys.signals(partition),
        }
    }
}

/// Looks at the streams of one kind.
pub async fn look(kind: Kind, redis: &RedisConfig, nodes: &mut Nodes, report: &mut Report) {
    match examine(kind, redis, nodes).await {
        Ok(findings) => findings.iter().for_each(|finding| report.add(finding)),
        Err(error) => report.add(&Finding::fault(kind.name(), format!("can't be looked at: {}", describe(&error)))),
    }
}

async fn examine(kind: Kind, redis: &RedisConfig, nodes: &mut Nodes) -> Result<Vec<Finding>, RedisError> {
    let keys = redis.partitions.iter().map(|partition| (partition, kind.key(redis, partition)));
    let (streams, damaged) = read(keys.collect(), nodes).await?;
    let mut findings: Vec<Finding> = damaged.iter().map(is_no_stream).collect();
    let own = progress(&streams, kind.group(), nodes).await?;
    findings.push(reading(kind, &streams, &own));
    let mut others: Vec<&str> = streams.iter().flat_map(|stream| &stream.groups).map(|group| &*group.name).collect();
    others.sort_unstable();
    others.dedup();
    for name in others.into_iter().filter(|name| *name != kind.group()) {
        let of_group = progress(&streams, name, nodes).await?;
        findings.push(foreign(kind, name, &of_group));
    }
    Ok(findings)
}

/// Reads streams; answers with those that are none, too.
async fn read(keys: Vec<(Partition, String)>, nodes: &mut Nodes) -> Result<(Vec<Seen>, Vec<Seen>), RedisError> {
    let mut by_node: HashMap<Node, Vec<(Partition, String)>> = HashMap::new();
    for (partition, key) in keys {
        by_node.entry(nodes.of(&key).await?).or_default().push((partition, key));
    }
    let mut seen = Vec::new();
    for (node, keys) in by_node {
        for chunk in keys.chunks(AT_ONCE) {
            let mut pipe = redis::pipe();
            pipe.ignore_errors();
            for (_, key) in chunk {
                pipe.cmd("TYPE").arg(key).cmd("XLEN").arg(key).cmd("XINFO").arg("GROUPS").arg(key);
            }
            let answers: Vec<RedisResult<Value>> = pipe.query_async(&mut nodes.to(&node).await?).await?;
            for ((partition, key), answers) in chunk.iter().zip(answers.chunks(3)) {
                let [kind, length, groups] = answers else { continue };
                // A key of another type has neither length nor groups.
                let kind: String = redis::from_redis_value(kind.clone()?)?;
                let length = length.clone().ok().and_then(|length| redis::from_redis_value(length).ok()).unwrap_or(0);
                let groups = groups.clone().map(Group::read_all).unwrap_or_default();
                seen.push(Seen { partition: *partition, key: key.clone(), kind, length, groups });
            }
        }
    }
    seen.sort_by_key(|stream| stream.partition);
    Ok(seen.into_iter().partition(|stream| matches!(stream.kind.as_str(), "stream" | "none")))
}

fn is_no_stream(damaged: &Seen) -> Finding {
    let Seen { key, kind, partition, .. } = damaged;
    let detail = format!(
        "a {kind} where a stream belongs, so that partition {partition} stands still: redis-cli RENAME '{key}' '{key}.old'"
    );
    Finding::fault(key.as_str(), detail)
}

/// How far the group is that the streams are meant for.
fn reading(kind: Kind, streams: &[Seen], own: &Progress) -> Finding {
    let (subject, group, reader) = (kind.name(), kind.group(), kind.reader());
    let total: u64 = streams.iter().map(|stream| stream.length).sum();
    let there = streams.iter().filter(|stream| stream.kind == "stream").count();
    if total == 0 {
        return Finding::ok(subject, "none yet");
    }
    let is_orphan = |stream: &&Seen| stream.length > 0 && Group::find(&stream.groups, group).is_none();
    let orphans: Vec<&Seen> = streams.iter().filter(is_orphan).collect();
    if !orphans.is_empty() {
        let waiting: u64 = orphans.iter().map(|stream| stream.length).sum();
        let detail = format!("{} in streams without a group {group}: start `{reader}`", counted(waiting, kind.noun()));
        return Finding::warning(subject, detail);
    }
    let detail = format!("{total} in {}", counted(there as u64, "partition"));
    match own.worst {
        Some((partition, most)) => {
            let behind = format!(
                "{detail}, {group} has {} to finish, {} of them not acknowledged, the oldest since {} (partition {partition} has most: {most})",
                own.unfinished,
                own.pending,
                span(own.oldest)
            );
            if own.oldest > BEHIND {
                let advice = format!("does `{reader}` run, is there enough of it? its log says what it waits for");
                return Finding::warning(subject, format!("{behind}: {advice}"));
            }
            Finding::ok(subject, behind)
        }
        None => Finding::ok(subject, format!("{detail}, {group} has finished all of them")),
    }
}

/// Whether another group holds up the trimming for good.
fn foreign(kind: Kind, name: &str, of_group: &Progress) -> Finding {
    let subject = format!("{} group {name}", kind.name());
    let Progress { unfinished, keys, oldest, quiet, .. } = of_group;
    if keys.is_empty() {
        return Finding::ok(subject, "has finished all of them");
    }
    let served = match quiet {
        None => "nobody serves it".to_owned(),
        Some(quiet) => format!("nobody has served it for {}", span(*quiet)),
    };
    let detail = format!(
        "has {unfinished} to finish in {}, the oldest since {}",
        counted(keys.len() as u64, "partition"),
        span(*oldest)
    );
    let is_forgotten = *oldest > FORGOTTEN && quiet.is_none_or(|quiet| quiet > FORGOTTEN);
    if is_forgotten {
        let streams: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
        let detail = format!(
            "{detail}, and {served}: nothing of that is trimmed. If it is not needed any more: redis-cli XGROUP DESTROY KEY {name}, for {}",
            some_of(&streams)
        );
        return Finding::warning(subject, detail);
    }
    Finding::ok(subject, detail)
}

/// Looks for candles that could not be used.
pub async fn look_for_dead(redis: &RedisConfig, nodes: &mut Nodes, report: &mut Report) {
    let subject = "dead candles";
    match dead(redis, nodes).await {
        Ok(finding) => report.add(&finding),
        Err(error) => report.add(&Finding::fault(subject, format!("can't be looked at: {}", describe(&error)))),
    }
}

async fn dead(redis: &RedisConfig, nodes: &mut Nodes) -> Result<Finding, RedisError> {
    let subject = "dead candles";
    let keys = redis.partitions.iter().map(|partition| (partition, redis.keys.dead(partition)));
    let (streams, damaged) = read(keys.collect(), nodes).await?;
    if let Some(damaged) = damaged.first() {
        return Ok(is_no_stream(damaged));
    }
    let (mut count, mut newest) = (0, None);
    for Seen { key, length, .. } in streams.iter().filter(|stream| stream.length > 0) {
        count += length;
        let mut last = redis::cmd("XREVRANGE");
        last.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        let node = nodes.of(key).await?;
        let reply: Value = last.query_async(&mut nodes.to(&node).await?).await?;
        let entry = range_reply(reply).unwrap_or_default().pop();
        newest = newest.max(entry.map(|entry| (entry.id, entry.fields.text("reason").unwrap_or("?").to_owned(), key)));
    }
    Ok(match newest {
        None => Finding::ok(subject, "none"),
        Some((id, reason, key)) => {
            let time = UnixMillis(i64::try_from(id.ms).unwrap_or(i64::MAX)).rfc3339();
            Finding::warning(
                subject,
                format!(
                    "{count} could not be used, the newest, of {time}, because: {reason}; all of it: redis-cli XREVRANGE '{key}' + - COUNT 5"
                ),
            )
        }
    })
}
