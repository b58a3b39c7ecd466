//! The append-only file after a start of Redis.
//!
//! A Redis that crashed while it wrote a transaction leaves out the half of it when it loads the file, but
//! lets the beginning stand: what is written next becomes part of that transaction when the file is loaded
//! once more, and the half that was lost comes back. Seen with Redis 7.0 to 8.0 and Valkey 8; Valkey 9 does
//! not do so. A rewritten file has no such end, so that a server which started a moment ago is asked for one.

use redis::aio::MultiplexedConnection;
use redis::{InfoDict, RedisError};

use crate::connection::{RedisFault, describe};
use crate::nodes::Nodes;

/// A server that runs for longer was met soon after its start by others, or has not crashed lately.
const RECENT_SECONDS: u64 = 300;
/// Before this, the torn transaction may still be the last in the file, where no other has ended it. A server
/// does not start on such a file once a newer one follows, as it does while a rewrite is under way.
const SETTLED_SECONDS: u64 = 2;

/// What is to be done about a server's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// It is to be rewritten but not yet, or is being rewritten.
    Later,
    Rewrite,
}

/// Has the file of each server rewritten that has started a moment ago and not done so since. Answers
/// whether that is done; otherwise it is to be asked for again.
///
/// # Errors
///
/// [`RedisError`] when a server can't be asked; what it refuses is logged.
pub(crate) async fn mend(nodes: &mut Nodes) -> Result<bool, RedisError> {
    let mut is_done = true;
    for node in nodes.all().await? {
        let mut connection = nodes.to(&node).await?;
        match look(&mut connection).await? {
            Need::Nothing => continue,
            Need::Later => {}
            Need::Rewrite => match redis::cmd("BGREWRITEAOF").exec_async(&mut connection).await {
                Ok(()) => tracing::info!("redis at {node} has just started: its append-only file is being rewritten"),
                Err(error) if RedisFault::of(&error) == RedisFault::Connection => return Err(error),
                // Another process may have been quicker.
                Err(_) if look(&mut connection).await? != Need::Rewrite => {}
                Err(error) => {
                    let error = describe(&error);
                    tracing::warn!("redis at {node} has just started, and won't rewrite its append-only file: {error}");
                    continue;
                }
            },
        }
        is_done = false;
    }
    Ok(is_done)
}

/// Asks a server what it needs. One that won't tell is believed to need nothing.
async fn look(connection: &mut MultiplexedConnection) -> Result<Need, RedisError> {
    let info: Result<InfoDict, RedisError> = redis::cmd("INFO").query_async(connection).await;
    match info {
        Ok(info) => Ok(need(&info)),
        Err(error) if RedisFault::of(&error) == RedisFault::Connection => Err(error),
        Err(_) => Ok(Need::Nothing),
    }
}

fn need(info: &InfoDict) -> Need {
    let number = |name: &str| info.get::<i64>(name);
    // A server that has not rewritten its file since it started says -1.
    let may_be_torn = number("aof_enabled") == Some(1) && number("aof_last_rewrite_time_sec") == Some(-1);
    let is_under_way = number("aof_rewrite_in_progress") == Some(1) || number("aof_rewrite_scheduled") == Some(1);
    match info.get::<u64>("uptime_in_seconds") {
        Some(..RECENT_SECONDS) if may_be_torn && is_under_way => Need::Later,
        Some(..SETTLED_SECONDS) if may_be_torn => Need::Later,
        Some(..RECENT_SECONDS) if may_be_torn => Need::Rewrite,
        _ => Need::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fresh_file_that_is_appended_to_needs_it() {
        let fresh = [
            ("uptime_in_seconds", "2"),
            ("aof_enabled", "1"),
            ("aof_last_rewrite_time_sec", "-1"),
            ("aof_rewrite_in_progress", "0"),
            ("aof_rewrite_scheduled", "0"),
        ];
        let of = |change: (&str, &str)| {
            let line =
                |(name, value): (&str, &str)| format!("{name}:{}", if name == change.0 { change.1 } else { value });
            need(&InfoDict::new(&fresh.map(line).join("\r\n")))
        };
        assert_eq!(of(("", "")), Need::Rewrite);
        for change in [("uptime_in_seconds", "1"), ("aof_rewrite_in_progress", "1"), ("aof_rewrite_scheduled", "1")] {
            assert_eq!(of(change), Need::Later, "{change:?}");
        }
        for change in [("uptime_in_seconds", "300"), ("aof_enabled", "0"), ("aof_last_rewrite_time_sec", "0")] {
            assert_eq!(of(change), Need::Nothing, "{change:?}");
        }
        assert_eq!(need(&InfoDict::new("")), Need::Nothing);
    }
}
