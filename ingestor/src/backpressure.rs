//! Back-pressure: whether a partition has room for more candles, and what holds a publisher up if not.
//!
//! Two bounds. The partition's stream is not to grow beyond `streams.candles_max`; workers trim what every
//! group has finished beyond it, so a stream that stays longer is one that somebody does not read. And a
//! Redis that never evicts is not to be filled to the last byte, for a worker needs memory to commit, and
//! only commits free the stream. With a policy that evicts, a full Redis is nothing unusual: it makes room.
//!
//! The look at memory comes about once a second, and sooner the less is left: after half of it was written.
//! A publisher that meets the bound has exceeded the length by one batch at most. How long a publisher
//! waits is its own decision; what it says is worded here.

use std::fmt;
use std::time::Duration;

use candlewire_common::connection::RedisFault;
use candlewire_common::group::Group;
use candlewire_common::keys::WORKER_GROUP;
use redis::aio::ConnectionLike;
use redis::{InfoDict, RedisError, RedisResult, Value};
use tokio::time::Instant;

/// The longest time between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How much of `maxmemory` publishers may fill, in percent.
const FILL_MAX: u64 = 80;

/// What stands against another batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The stream is longer than it may be.
    Length {
        /// Entries in the stream.
        length: u64,
        /// Who reads it.
        groups: Vec<Group>,
    },
    /// Redis is short of memory.
    Memory {
        /// Bytes in use.
        used: u64,
        /// The limit, `maxmemory`.
        limit: u64,
    },
}

/// A stream and the bound on its length: what a hold is worded with.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The stream's key.
    pub stream: String,
    /// `streams.candles_max`.
    pub candles_max: u64,
}

/// The room in one partition's stream and in the memory of its node, as last seen.
#[derive(Debug)]
pub struct Room {
    bounds: Bounds,
    /// `None`: not known.
    length: Option<u64>,
    /// Whether the stream was there.
    is_there: bool,
    memory: Option<MemoryLook>,
}

/// When the memory was looked at, and how many bytes may be written until the next look.
#[derive(Clone, Copy, Debug)]
struct MemoryLook {
    at: Instant,
    budget: u64,
}

/// The memory of a server that refuses writes once it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Memory {
    used: u64,
    limit: u64,
}

/// The stream that was there is gone, as after a flush.
pub fn gone() -> RedisError {
    RedisError::from((redis::ErrorKind::Io, "the stream is gone, somebody removed it"))
}

impl Room {
    /// Knows nothing yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, length: None, is_there: false, memory: None }
    }

    /// The bounds it keeps to.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whether the stream was there, so that it must not be made anew.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// Forgets what was seen: another server may answer from now on.
    pub fn forget(&mut self) {
        (self.length, self.memory, self.is_there) = (None, None, false);
    }

    /// Notes that `bytes` were written, after which the stream has `length` entries.
    pub fn written(&mut self, length: u64, bytes: u64) {
        (self.length, self.is_there) = (Some(length), true);
        if let Some(look) = &mut self.memory {
            look.budget = look.budget.saturating_sub(bytes);
        }
    }

    /// Tells what stands against another batch; asks Redis where what is known does not suffice.
    /// Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`RedisError`], when Redis does not answer, the key is no stream, or the stream was there and is gone.
    pub async fn look(&mut self, connection: &mut impl ConnectionLike) -> Result<Option<Hold>, RedisError> {
        let now = Instant::now();
        let is_short = self.length.is_some_and(|length| length <= self.bounds.candles_max);
        let is_fresh = self.memory.is_some_and(|look| look.budget > 0 && now.duration_since(look.at) < LOOK_EVERY);
        if is_short && is_fresh {
            return Ok(None);
        }
        let stream = &self.bounds.stream;
        let mut pipe = redis::pipe();
        pipe.ignore_errors().cmd("XLEN").arg(stream).cmd("XINFO").arg("GROUPS").arg(stream);
        pipe.cmd("INFO").arg("memory");
        let (length, groups, info): (RedisResult<u64>, RedisResult<Value>, RedisResult<InfoDict>) =
            pipe.query_async(connection).await?;
        let length = length?;
        // Of a stream that is not there Redis shows no groups but an error.
        let is_there = length > 0 || groups.is_ok();
        if std::mem::replace(&mut self.is_there, is_there) && !is_there {
            return Err(gone());
        }
        let groups = groups.map(Group::read_all).unwrap_or_default();
        let memory = told(info)?.as_ref().and_then(Memory::read);
        self.length = Some(length);
        self.memory = Some(MemoryLook { at: now, budget: memory.map_or(u64::MAX, Memory::left) / 2 });
        Ok(self.judge(length, groups, memory))
    }

    fn judge(&self, length: u64, groups: Vec<Group>, memory: Option<Memory>) -> Option<Hold> {
        if length > self.bounds.candles_max {
            return Some(Hold::Length { length, groups });
        }
        let full = memory.filter(|memory| memory.left() == 0);
        full.map(|Memory { used, limit }| Hold::Memory { used, limit })
    }
}

impl Memory {
    /// Reads `INFO memory`; `None` where there is no limit, or where Redis makes room by evicting.
    fn read(info: &InfoDict) -> Option<Self> {
        let limit = info.get("maxmemory").filter(|limit| *limit > 0)?;
        let policy: String = info.get("maxmemory_policy")?;
        (policy == "noeviction").then_some(Self { used: info.get("used_memory")?, limit })
    }

    /// How many bytes publishers may still fill.
    fn left(self) -> u64 {
        (self.limit / 100 * FILL_MAX).saturating_sub(self.used)
    }
}

/// What the server tells about itself, or nothing where it refuses to: then writes show whether it is full.
fn told(info: RedisResult<InfoDict>) -> Result<Option<InfoDict>, RedisError> {
    match info {
        Ok(info) => Ok(Some(info)),
        Err(error) if RedisFault::of(&error) == RedisFault::Connection => Err(error),
        Err(_) => Ok(None),
    }
}

impl Hold {
    /// Whether something has moved since `before`, so that waiting makes sense: the stream is shorter, a
    /// group further, or a thousandth of the memory is free again.
    pub fn has_moved(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Length { length, groups }, Self::Length { length: longer, groups: earlier }) => {
                let at = |group: &Group| (group.last, group.pending);
                length < longer || !groups.iter().map(at).eq(earlier.iter().map(at))
            }
            (Self::Memory { used, limit }, Self::Memory { used: more, .. }) => used + limit / 1_000 < *more,
            _ => true,
        }
    }

    /// Why there is no room, in one line.
    pub fn cause<'a>(&'a self, bounds: &'a Bounds) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| match self {
            Self::Length { length, groups } => {
                let Bounds { stream, candles_max } = bounds;
                write!(f, "{stream} holds {length} entries, more than streams.candles_max = {candles_max}: ")?;
                match Group::slowest(groups) {
                    Some(_) if is_finished(groups) => f.write_str("all are finished, but no worker trims it yet"),
                    Some(slowest) => write!(f, "{slowest}"),
                    None => f.write_str("it has no consumer group"),
                }
            }
            Self::Memory { used, limit } => {
                let (used, limit) = (megabytes(*used), megabytes(*limit));
                write!(f, "redis uses {used} MB of {limit} MB (maxmemory), and workers need the last 20 % to commit")
            }
        })
    }

    /// What a person can do about it.
    pub fn way_out<'a>(&'a self, bounds: &'a Bounds) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| match self {
            Self::Length { groups, .. } => match Group::slowest(groups) {
                Some(Group { name, .. }) if name != WORKER_GROUP && !is_finished(groups) => {
                    let stream = &bounds.stream;
                    write!(f, "start its consumer, or remove it with XGROUP DESTROY {stream} {name}")
                }
                _ => f.write_str("start an indicator-worker"),
            },
            Self::Memory { .. } => f.write_str("raise maxmemory, or lower streams.candles_max and start the workers"),
        })
    }
}

/// Whether there are groups, and all are through.
fn is_finished(groups: &[Group]) -> bool {
    Group::slowest(groups).is_some_and(|slowest| slowest.unfinished() == 0)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::stream::EntryId;
    use redis::{FromRedisValue, Value};

    fn bounds() -> Bounds {
        Bounds { stream: "cw:{3}:candles".to_owned(), candles_max: 20_000 }
    }

    fn group(name: &str, ms: u64, lag: u64) -> Group {
        Group { name: name.to_owned(), last: EntryId { ms, seq: 0 }, entries_read: None, lag: Some(lag), pending: 0 }
    }

    fn info(text: &str) -> InfoDict {
        InfoDict::from_redis_value(Value::BulkString(text.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn memory_counts_where_redis_has_a_limit_and_does_not_evict() {
        let memory = |used, limit, policy| {
            Memory::read(&info(&format!("used_memory:{used}\r\nmaxmemory:{limit}\r\nmaxmemory_policy:{policy}\r\n")))
        };
        assert_eq!(memory(100, 0, "noeviction"), None);
        assert_eq!(memory(100, 1_000, "volatile-lru"), None);
        assert_eq!(Memory::read(&info("used_memory:100\r\n")), None);
        for (used, left) in [(0, 800), (799, 1), (800, 0), (1_200, 0)] {
            assert_eq!(memory(used, 1_000, "noeviction").map(Memory::left), Some(left), "{used}");
        }
    }

    #[test]
    fn the_length_is_judged_before_the_memory() {
        let room = Room::new(bounds());
        let full = Some(Memory { used: 95, limit: 100 });
        assert_eq!(room.judge(20_000, Vec::new(), None), None);
        assert!(matches!(room.judge(20_001, Vec::new(), full), Some(Hold::Length { length: 20_001, .. })));
        assert_eq!(room.judge(20_000, Vec::new(), full), Some(Hold::Memory { used: 95, limit: 100 }));
        assert_eq!(room.judge(20_000, Vec::new(), Some(Memory { used: 79, limit: 100 })), None);
    }

    #[test]
    fn memory_is_looked_at_sooner_the_less_is_left() {
        let mut room = Room::new(bounds());
        room.memory = Some(MemoryLook { at: Instant::now(), budget: 1_000 });
        let left = |room: &Room| room.memory.map(|look| look.budget);
        room.written(10, 400);
        assert_eq!((room.length, left(&room)), (Some(10), Some(600)));
        room.written(20, 700);
        assert_eq!(left(&room), Some(0));
        room.forget();
        assert_eq!((room.length, left(&room)), (None, None));
    }

    #[test]
    fn a_person_reads_what_holds_it_up_and_what_to_do() {
        let bounds = bounds();
        let said = |hold: &Hold| format!("{}; {}", hold.cause(&bounds), hold.way_out(&bounds));
        let full = "cw:{3}:candles holds 20500 entries, more than streams.candles_max = 20000";
        for (groups, expected) in [
            (vec![], "it has no consumer group; start an indicator-worker"),
            (
                vec![group("indicator-workers", 9, 0), group("audit", 5, 20_312)],
                "group audit is 20312 entries behind; \
                 start its consumer, or remove it with XGROUP DESTROY cw:{3}:candles audit",
            ),
            (
                vec![group("indicator-workers", 5, 20_312), group("audit", 9, 0)],
                "group indicator-workers is 20312 entries behind; start an indicator-worker",
            ),
            (
                vec![group("indicator-workers", 9, 0)],
                "all are finished, but no worker trims it yet; start an indicator-worker",
            ),
        ] {
            assert_eq!(said(&Hold::Length { length: 20_500, groups }), format!("{full}: {expected}"));
        }
        assert_eq!(
            said(&Hold::Memory { used: 15 << 20, limit: 16 << 20 }),
            "redis uses 15.0 MB of 16.0 MB (maxmemory), and workers need the last 20 % to commit; \
             raise maxmemory, or lower streams.candles_max and start the workers"
        );
    }

    #[test]
    fn a_worker_that_goes_on_is_movement_also_while_the_stream_grows() {
        let hold = |length, ms| Hold::Length { length, groups: vec![group("indicator-workers", ms, 1)] };
        assert!(hold(20_600, 6).has_moved(&hold(20_500, 5)));
        assert!(hold(20_400, 5).has_moved(&hold(20_500, 5)));
        assert!(!hold(20_500, 5).has_moved(&hold(20_500, 5)));
        assert!(!hold(20_600, 5).has_moved(&hold(20_500, 5)));
    }
}
