//! The end of a move: vanished partitions are cleared away, returning ones made lasting.
//!
//! A partition that vanishes takes its candles, position, lease and fence with it; its signals and dead
//! entries are kept as long as they would have been. One that comes back before they expire keeps them.

use std::time::Duration;

use candlewire_common::config::StreamsConfig;
use candlewire_common::series::Partition;
use candlewire_common::stream::EntryId;

use super::change::Change;
use super::halt::Halt;
use super::hold::Hold;
use super::unread::{self, Copied};

/// Clears a partition away whose candles end where they were read to.
///
/// Keys: fence, candles, position, lease, signals, dead. Arguments: token, the last entry or nothing, how
/// long signals and dead entries are kept in ms. Answers 1, 0 when there are newer candles, or -1 when the
/// fence is another's.
const CLEAR: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
if last and last[1] ~= ARGV[2] then return 0 end
redis.call('PEXPIRE', KEYS[5], ARGV[3])
redis.call('PEXPIRE', KEYS[6], ARGV[4])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return 1
";

/// Clears vanishing partitions away. Answers what was published there until just before.
pub(super) async fn clear(change: Change, streams: &StreamsConfig, hold: &mut Hold<'_>) -> Result<Copied, Halt> {
    let mut copied = Copied::default();
    for partition in change.vanishing() {
        loop {
            hold.go_on()?;
            let (end, late) = unread::carry_rest(partition, change.to, hold).await?;
            copied.candles += late.candles;
            copied.unreadable += late.unreadable;
            if clear_one(partition, end, streams, hold).await? {
                break;
            }
        }
        hold.forget(partition);
    }
    Ok(copied)
}

async fn clear_one(
    partition: Partition,
    end: Option<EntryId>,
    streams: &StreamsConfig,
    hold: &mut Hold<'_>,
) -> Result<bool, Halt> {
    let keys = hold.keys;
    let mut call = redis::cmd("EVAL");
    call.arg(CLEAR).arg(6).arg(keys.fence(partition)).arg(keys.candles(partition)).arg(keys.position(partition));
    call.arg(keys.lease(partition)).arg(keys.signals(partition)).arg(keys.dead(partition));
    call.arg(hold.token(partition)?).arg(end.map(|end| end.to_string()).unwrap_or_default());
    call.arg(millis(streams.signals)).arg(millis(streams.dead));
    let cleared: i8 = call.query_async(&mut hold.to(&keys.fence(partition)).await?).await?;
    if cleared < 0 { Err(Halt::TakenOver(partition)) } else { Ok(cleared > 0) }
}

/// Lets what new partitions still hold of former times last, and deletes the notes of the move.
pub(super) async fn tidy(change: Change, hold: &mut Hold<'_>) -> Result<(), Halt> {
    for partition in change.all().filter(|partition| change.keeps(*partition)) {
        hold.go_on()?;
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("DEL").arg(hold.keys.repartition(partition)).ignore();
        if change.is_new(partition) {
            for stream in [hold.keys.signals(partition), hold.keys.dead(partition)] {
                pipe.cmd("PERSIST").arg(stream).ignore();
            }
        }
        hold.write(partition, &pipe).await?;
    }
    Ok(())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
