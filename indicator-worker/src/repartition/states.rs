//! States and histories: from the old partition of each series to its new one.
//!
//! A key is copied with its time to live, then deleted; until then nothing is lost, and a copy that was
//! made before is made again. Keys that belong to no series of their partition are left alone.

use std::collections::{HashMap, HashSet};

use candlewire_common::keys::Keys;
use candlewire_common::series::{Partition, Series};

use super::change::Change;
use super::halt::Halt;
use super::hold::Hold;

/// How many keys a node is asked for at once.
const SCANNED_AT_ONCE: usize = 1_000;
/// How many series are remembered before they are moved.
const FOUND_AT_MOST: usize = 50_000;
/// How many series are moved at once: with the longest histories, some 20 MB.
const MOVED_AT_ONCE: usize = 64;

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) series: u64,
    pub(super) states: u64,
    pub(super) histories: u64,
    /// Keys named like states or histories that belong to no series of their partition.
    pub(super) strangers: u64,
}

/// What is to become of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    /// It belongs to a series that moves.
    Moves(Series, Route),
    /// It is where it belongs, or no state or history at all.
    Stays,
    /// It is named like a state or a history, but of no series, or of one that was never in this partition.
    Stranger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Route {
    from: Partition,
    to: Partition,
}

/// Series to be moved, by where from and where to.
type Found = HashMap<Route, HashSet<Series>>;

/// A key's content and when it expires, in ms; negative: never, or there is no such key.
type Copied = (Option<Vec<u8>>, i64);

/// Moves states and histories of all series whose partition changes.
pub(super) async fn carry(change: Change, hold: &mut Hold<'_>) -> Result<Moved, Halt> {
    let (mut moved, mut found, mut count) = (Moved::default(), Found::new(), 0);
    let pattern = hold.keys.of_partitions();
    for node in hold.nodes.all().await? {
        let mut cursor = 0_u64;
        loop {
            hold.go_on()?;
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCANNED_AT_ONCE);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query_async(&mut hold.nodes.to(&node).await?).await?;
            for key in keys {
                match judge(&key, hold.keys, change) {
                    Finding::Moves(series, route) => {
                        count += usize::from(found.entry(route).or_default().insert(series));
                    }
                    Finding::Stays => {}
                    Finding::Stranger => moved.strangers += 1,
                }
            }
            if count >= FOUND_AT_MOST || (next == 0 && count > 0) {
                flush(&mut found, &mut moved, hold).await?;
                count = 0;
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }
    }
    Ok(moved)
}

fn judge(key: &[u8], keys: &Keys, change: Change) -> Finding {
    let Some((partition, name)) = std::str::from_utf8(key).ok().and_then(|key| keys.split(key)) else {
        return Finding::Stays;
    };
    let Some(series) = name.strip_prefix("ma:").or_else(|| name.strip_prefix("ohlcv:")) else { return Finding::Stays };
    let Ok(series) = series.parse::<Series>() else { return Finding::Stranger };
    let (from, to) = (series.partition(change.from), series.partition(change.to));
    if partition == to {
        Finding::Stays
    } else if partition == from {
        Finding::Moves(series, Route { from, to })
    } else {
        Finding::Stranger
    }
}

async fn flush(found: &mut Found, moved: &mut Moved, hold: &mut Hold<'_>) -> Result<(), Halt> {
    for (route, series) in found.drain() {
        let series: Vec<Series> = series.into_iter().collect();
        for chunk in series.chunks(MOVED_AT_ONCE) {
            hold.go_on()?;
            relocate(route, chunk, moved, hold).await?;
        }
    }
    Ok(())
}

/// Copies the keys of some series, then deletes them where they were.
async fn relocate(route: Route, chunk: &[Series], moved: &mut Moved, hold: &mut Hold<'_>) -> Result<(), Halt> {
    let mut read = redis::pipe();
    for series in chunk {
        for key in [hold.keys.state(route.from, series), hold.keys.history(route.from, series)] {
            read.cmd("DUMP").arg(&key).cmd("PEXPIRETIME").arg(&key);
        }
    }
    let copies: Vec<Copied> = read.query_async(&mut hold.to(&hold.keys.fence(route.from)).await?).await?;
    let (mut restore, mut delete) = (redis::pipe(), redis::pipe());
    restore.atomic();
    delete.atomic();
    let mut counted = *moved;
    for (series, pair) in chunk.iter().zip(copies.chunks(2)) {
        let names = [
            (hold.keys.state(route.from, series), hold.keys.state(route.to, series), &mut counted.states),
            (hold.keys.history(route.from, series), hold.keys.history(route.to, series), &mut counted.histories),
        ];
        let mut is_there = false;
        for ((old, new, count), (content, expires)) in names.into_iter().zip(pair) {
            // A key that expired between the two commands has a content and no expiry: -2.
            let Some(content) = content.as_ref().filter(|_| *expires != -2) else { continue };
            restore.cmd("RESTORE").arg(new).arg((*expires).max(0)).arg(content).arg("REPLACE");
            if *expires > 0 {
                restore.arg("ABSTTL");
            }
            restore.ignore();
            delete.cmd("DEL").arg(old).ignore();
            *count += 1;
            is_there = true;
        }
        counted.series += u64::from(is_there);
    }
    if counted != *moved {
        hold.write(route.to, &restore).await?;
        hold.write(route.from, &delete).await?;
        *moved = counted;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::series::Partitions;

    #[test]
    fn a_key_moves_from_its_old_partition_alone() {
        let keys = Keys::new("cw:test");
        let change = Change { from: Partitions::new(4).unwrap(), to: Partitions::new(7).unwrap() };
        let judge = |key: &str| judge(key.as_bytes(), &keys, change);
        let series: Series = "csv:X:1m".parse().unwrap();
        let (from, to) = (series.partition(change.from), series.partition(change.to));
        assert_ne!(from, to, "the example must move");
        let moves = Finding::Moves(series.clone(), Route { from, to });
        assert_eq!(judge(&keys.state(from, &series)), moves);
        assert_eq!(judge(&keys.history(from, &series)), moves);
        assert_eq!(judge(&keys.state(to, &series)), Finding::Stays);
        let elsewhere = (0..7).map(Partition).find(|at| *at != from && *at != to).unwrap();
        assert_eq!(judge(&keys.state(elsewhere, &series)), Finding::Stranger);
        assert_eq!(judge("cw:test:{0}:ma:nonsense"), Finding::Stranger);
        for other in ["cw:test:{0}:candles", "cw:test:{delivery}:due:ma:csv:X:1m", "cw:test:{00}:ma:csv:X:1m", "other"]
        {
            assert_eq!(judge(other), Finding::Stays, "{other}");
        }
        assert_eq!(super::judge(b"cw:test:{0}:ma:\xff", &keys, change), Finding::Stays);
    }
}
