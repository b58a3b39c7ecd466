//! Streams of partitions that vanish: each consumer must have finished them, for nobody reads them after.
//!
//! Decides that, and says who has not. Changes nothing.

use candlewire_common::connection::RedisFault;
use candlewire_common::group::Group;
use candlewire_common::keys::{NOTIFIER_GROUP, WORKER_GROUP};
use candlewire_common::series::Partition;
use candlewire_common::stream::EntryId;
use redis::{RedisResult, Value};

use super::change::Change;
use super::halt::Halt;
use super::hold::Hold;
use super::unread;

/// Looks whether all signals of the vanishing partitions are finished, and by foreign groups their candles.
pub(super) async fn check(change: Change, hold: &mut Hold<'_>) -> Result<(), Halt> {
    for partition in change.vanishing() {
        let (newest, groups) = look(&hold.keys.signals(partition), hold).await?;
        if let Some(unfinished) = unfinished(newest, &groups) {
            return Err(unfinished.at(hold.keys.signals(partition), partition, change));
        }
        let (newest, mut groups) = look(&hold.keys.candles(partition), hold).await?;
        // What the workers have not finished is carried on.
        groups.retain(|group| group.name != WORKER_GROUP);
        if let Some(late) = late(newest, &groups) {
            return Err(Unfinished::Group(late).at(hold.keys.candles(partition), partition, change));
        }
    }
    Ok(())
}

/// The newest entry of a stream, and its groups.
async fn look(stream: &str, hold: &mut Hold<'_>) -> Result<(Option<EntryId>, Vec<Group>), Halt> {
    let mut pipe = redis::pipe();
    pipe.ignore_errors().cmd("XREVRANGE").arg(stream).arg("+").arg("-").arg("COUNT").arg(1);
    pipe.cmd("XINFO").arg("GROUPS").arg(stream);
    let (newest, groups): (RedisResult<Value>, RedisResult<Value>) =
        pipe.query_async(&mut hold.to(stream).await?).await?;
    let groups = match groups {
        // There is no such stream.
        Err(error) if RedisFault::of(&error) == RedisFault::Refused => Vec::new(),
        groups => Group::read_all(groups?),
    };
    Ok((unread::entries(newest?)?.first().map(|entry| entry.id), groups))
}

/// Who has not finished a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unfinished {
    /// The notifier has never read it.
    Unmet,
    Group(Group),
}

fn unfinished(newest: Option<EntryId>, groups: &[Group]) -> Option<Unfinished> {
    let unmet = newest.is_some() && !groups.iter().any(|group| group.name == NOTIFIER_GROUP);
    late(newest, groups).map(Unfinished::Group).or(unmet.then_some(Unfinished::Unmet))
}

/// A group that has entries to read or to acknowledge.
fn late(newest: Option<EntryId>, groups: &[Group]) -> Option<Group> {
    groups.iter().find(|group| group.pending > 0 || newest > Some(group.last)).cloned()
}

impl Unfinished {
    fn at(self, stream: String, partition: Partition, change: Change) -> Halt {
        let run = format!("run the notifier with redis.partitions = {} until it has", change.from.count());
        let by_hand = |what: &str| format!("redis-cli XGROUP {what}");
        let (problem, way_out) = match self {
            Self::Unmet => {
                let skip = by_hand(&format!("CREATE '{stream}' {NOTIFIER_GROUP} '$'"));
                let problem = format!("group {NOTIFIER_GROUP} has read none of partition {partition}'s signals");
                (problem, format!("{run}, or let it skip them by `{skip}`"))
            }
            Self::Group(Group { name, lag, pending, .. }) => {
                let lag = lag.map_or_else(|| "some".to_owned(), |lag| lag.to_string());
                let problem = format!("group {name} has {lag} entries to read and {pending} to acknowledge");
                let way_out = if name == NOTIFIER_GROUP {
                    run
                } else {
                    let drop = by_hand(&format!("DESTROY '{stream}' {name}"));
                    format!("let its consumers finish, or drop the group by `{drop}`")
                };
                (problem, way_out)
            }
        };
        Halt::Signals { stream, problem, way_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, last: u64, pending: u64) -> Group {
        let last = EntryId { ms: last, seq: 0 };
        Group { name: name.to_owned(), last, entries_read: None, lag: None, pending }
    }

    #[test]
    fn signals_are_finished_when_every_group_is() {
        let unfinished =
            |newest: Option<u64>, groups: &[Group]| unfinished(newest.map(|ms| EntryId { ms, seq: 0 }), groups);
        let notifier = |last, pending| group(NOTIFIER_GROUP, last, pending);
        assert_eq!(unfinished(None, &[]), None);
        assert_eq!(unfinished(None, &[notifier(0, 0)]), None);
        assert_eq!(unfinished(Some(5), &[notifier(5, 0)]), None);
        assert_eq!(unfinished(Some(5), &[notifier(7, 0), group("mine", 5, 0)]), None);
        assert_eq!(unfinished(Some(5), &[]), Some(Unfinished::Unmet));
        assert_eq!(unfinished(Some(5), &[group("mine", 5, 0)]), Some(Unfinished::Unmet));
        for late in [notifier(4, 0), notifier(5, 1), group("mine", 0, 0)] {
            let groups = [notifier(5, 0), late.clone()];
            assert_eq!(unfinished(Some(5), &groups), Some(Unfinished::Group(late)));
        }
        let trimmed = notifier(5, 2);
        assert_eq!(unfinished(None, std::slice::from_ref(&trimmed)), Some(Unfinished::Group(trimmed)));
    }
}
