//! What is missing after a reconnect: how far Redis still holds each series that is being published.
//!
//! Redis applies writes one after the other and loses, if any, the last of them: a crash cuts the tail of
//! the append-only file, a failover the tail of the replication stream, a flush everything. Of one
//! partition, whose keys are one slot, it therefore holds a prefix of what was written. The candles of a
//! series are written in open-time order, and sent again without leaving one out, so a prefix that holds a
//! candle holds all before it: what is missing is what follows the newest one held, no more and no less.
//! That one is where a worker put it, in the history, or where no worker has come yet, in the candle
//! stream behind the position of the workers' group; what stands before the position is in the histories.
//!
//! The search may find a candle that is older than the newest, where somebody repeats older ones or a
//! history was deleted; never one that Redis does not hold. Then more is sent than is missing, which
//! workers drop. It does not send.

use std::collections::{HashMap, HashSet};

use candlewire_common::candle::ClosedCandle;
use candlewire_common::candle_entry::{CandleEntry, Place};
use candlewire_common::group::Group;
use candlewire_common::keys::{Keys, WORKER_GROUP};
use candlewire_common::series::Series;
use candlewire_common::stream::{EntryId, ReplyError, StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use redis::aio::ConnectionLike;
use redis::{ErrorKind, RedisError, RedisResult, Value};

/// How many entries are read at once: some 300 KB.
const CHUNK: usize = 1_000;

/// The open time of the newest candle held of each series; none of a series that is not held.
pub type Newest = HashMap<Series, UnixMillis>;

/// Finds how far Redis holds each of `wanted`, all of which live at `place`. Cancel-safe.
///
/// It takes a round trip for each thousand entries that no worker has applied, until all are found.
///
/// # Errors
///
/// [`RedisError`], when Redis does not answer or refuses.
pub async fn newest_held(
    connection: &mut impl ConnectionLike,
    keys: &Keys,
    place: Place,
    wanted: &[Series],
) -> Result<Newest, RedisError> {
    // The position, the stream, the histories: what a worker applies meanwhile is seen in one of them.
    let stream = keys.candles(place.partition);
    let position = position(connection, &stream).await?;
    let mut search = Search::new(place, wanted);
    let mut end = "+".to_owned();
    while !search.is_over() {
        let mut read = redis::cmd("XREVRANGE");
        read.arg(&stream).arg(&end).arg(format!("({position}")).arg("COUNT").arg(CHUNK);
        let entries = entries(read.query_async(connection).await?)?;
        let Some(oldest) = entries.last() else { break };
        end = format!("({}", oldest.id);
        search.read(&entries, UnixMillis::now());
    }
    let mut pipe = redis::pipe();
    for series in wanted {
        let history = keys.history(place.partition, series);
        pipe.cmd("XREVRANGE").arg(history).arg("+").arg("-").arg("COUNT").arg(1);
    }
    // Redis takes an empty pipeline for a mistake.
    let tails: Vec<Value> = if wanted.is_empty() { Vec::new() } else { pipe.query_async(connection).await? };
    for (series, tail) in wanted.iter().zip(tails) {
        if let Some(last) = entries(tail)?.first() {
            search.read_history(series, last.id);
        }
    }
    Ok(search.found)
}

/// The first of `candles`, which are in open-time order, that Redis does not hold.
pub fn first_missing(candles: &[ClosedCandle], newest: Option<UnixMillis>) -> usize {
    candles.partition_point(|candle| Some(candle.open_time()) <= newest)
}

/// A search through a candle stream from its end, then at the ends of histories.
#[derive(Debug)]
struct Search {
    place: Place,
    wanted: HashSet<String>,
    found: Newest,
}

impl Search {
    fn new(place: Place, wanted: &[Series]) -> Self {
        Self { place, wanted: wanted.iter().map(Series::to_string).collect(), found: Newest::new() }
    }

    /// Whether every series was found in the stream.
    fn is_over(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Reads entries, the newest first. One that workers can't use is none: they have nothing of it.
    fn read(&mut self, entries: &[StreamEntry], now: UnixMillis) {
        for entry in entries {
            let Some(name) = entry.fields.text("series").filter(|name| self.wanted.contains(*name)) else { continue };
            if let Ok(decoded) = CandleEntry::decode(entry.id, &entry.fields, self.place, now) {
                self.wanted.remove(name);
                self.found.insert(decoded.series, decoded.candle.open_time());
            }
        }
    }

    /// Reads the last entry of a history, whose id is the candle's open time.
    fn read_history(&mut self, series: &Series, last: EntryId) {
        let Ok(applied) = i64::try_from(last.ms).map(UnixMillis) else { return };
        let newest = self.found.entry(series.clone()).or_insert(applied);
        *newest = (*newest).max(applied);
    }
}

/// The last entry whose effects the workers have committed; the beginning where there is no group.
async fn position(connection: &mut impl ConnectionLike, stream: &str) -> Result<EntryId, RedisError> {
    let mut pipe = redis::pipe();
    // Of a stream that is not there Redis shows no groups but an error.
    pipe.ignore_errors().cmd("XINFO").arg("GROUPS").arg(stream);
    let (groups,): (RedisResult<Value>,) = pipe.query_async(connection).await?;
    let groups = groups.map(Group::read_all).unwrap_or_default();
    Ok(Group::find(&groups, WORKER_GROUP).map(|group| group.last).unwrap_or_default())
}

fn entries(reply: Value) -> Result<Vec<StreamEntry>, RedisError> {
    let unreadable =
        |error: ReplyError| RedisError::from((ErrorKind::UnexpectedReturnType, "stream", error.to_string()));
    range_reply(reply).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle::{Bar, Origin};
    use candlewire_common::candle_entry::encode;
    use candlewire_common::decimal::Decimal;
    use candlewire_common::series::{Partition, Partitions};
    use candlewire_common::stream::Fields;
    use candlewire_common::time::UnixMicros;
    use proptest::prelude::*;

    /// Series of one instrument, which share a partition.
    const SERIES: [&str; 3] = ["csv:X:1m", "csv:X:1h", "csv:X:1d"];
    const MINUTES: i64 = 200;

    fn place() -> Place {
        Place { partition: Partition(0), partitions: Partitions::new(1).unwrap() }
    }

    fn series(index: usize) -> Series {
        SERIES[index].parse().unwrap()
    }

    fn candle(minute: i64) -> ClosedCandle {
        let zero = Decimal::ZERO;
        let bar = Bar { open: zero, high: zero, low: zero, close: zero, volume: zero };
        ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now()).unwrap()
    }

    fn entry(id: u64, index: usize, minute: i64) -> StreamEntry {
        let encoded = encode(&series(index), &candle(minute), Origin::Live, UnixMicros::now());
        let fields = encoded.map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes())).to_vec();
        StreamEntry { id: EntryId { ms: id, seq: 0 }, fields: Fields(fields) }
    }

    #[test]
    fn the_search_takes_the_last_usable_entry_of_each_series_and_ends() {
        let mut unusable = entry(9, 0, 9);
        unusable.fields.0.retain(|(name, _)| name != b"close");
        let wanted = [series(0), series(1)];
        let mut search = Search::new(place(), &wanted);
        search.read(&[unusable, entry(8, 2, 8), entry(7, 1, 7)], UnixMillis::now());
        assert!(!search.is_over());
        search.read(&[entry(6, 1, 6), entry(5, 0, 5), entry(4, 0, 4)], UnixMillis::now());
        assert!(search.is_over());
        let found = [(series(0), UnixMillis(5 * 60_000)), (series(1), UnixMillis(7 * 60_000))];
        assert_eq!(search.found, Newest::from(found));
    }

    #[test]
    fn what_follows_the_newest_is_missing() {
        let candles = [2, 4, 6].map(candle);
        let missing = [None, Some(1), Some(2), Some(3), Some(6), Some(9)];
        let missing = missing.map(|minute| first_missing(&candles, minute.map(|minute| UnixMillis(minute * 60_000))));
        assert_eq!(missing, [0, 0, 1, 1, 3, 3]);
    }

    /// What happens to a partition.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// The publisher sends the next candle of a series.
        Send(usize),
        /// The publisher goes back by so many candles of a series, as after a reconnect.
        GoBack(usize, i64),
        /// The worker applies so many entries.
        Apply(usize),
        /// The worker trims what it has applied.
        Trim,
    }

    /// A partition in Redis, and the worker's rule.
    #[derive(Clone, Debug, Default)]
    struct Model {
        stream: Vec<(u64, usize, i64)>,
        added: u64,
        position: u64,
        /// The last candle applied of each series; each applied one follows the one before.
        last: [i64; 3],
    }

    impl Model {
        fn send(&mut self, index: usize, minute: i64) {
            self.added += 1;
            self.stream.push((self.added, index, minute));
        }

        fn apply(&mut self, count: usize) {
            let position = self.position;
            for &(id, index, minute) in self.stream.iter().filter(|(id, ..)| *id > position).take(count) {
                assert!(minute <= self.last[index] + 1, "a candle before {minute} is lost");
                self.last[index] = self.last[index].max(minute);
                self.position = id;
            }
        }

        fn newest(&self, index: usize, chunk: usize) -> Option<UnixMillis> {
            let mut search = Search::new(place(), &[series(index)]);
            let behind = self.stream.iter().rev().filter(|(id, ..)| *id > self.position);
            let entries: Vec<StreamEntry> = behind.map(|&(id, index, minute)| entry(id, index, minute)).collect();
            for chunk in entries.chunks(chunk) {
                if search.is_over() {
                    break;
                }
                search.read(chunk, UnixMillis::now());
            }
            if let Ok(last @ 1..) = u64::try_from(self.last[index]) {
                search.read_history(&series(index), EntryId { ms: last * 60_000, seq: 0 });
            }
            search.found.get(&series(index)).copied()
        }
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            6 => (0..3_usize).prop_map(Event::Send),
            1 => (0..3_usize, 1..9_i64).prop_map(|(index, by)| Event::GoBack(index, by)),
            1 => (1..20_usize).prop_map(Event::Apply),
            1 => Just(Event::Trim),
        ]
    }

    proptest! {
        #[test]
        fn whatever_tail_is_lost_is_sent_again_and_nothing_is_skipped(
            events in proptest::collection::vec(event(), 1..150),
            kept in any::<prop::sample::Index>(),
            chunk in 1..20_usize,
        ) {
            let candles: Vec<ClosedCandle> = (1..=MINUTES).map(candle).collect();
            let (mut redis, mut sent) = (Model::default(), [0; 3]);
            let mut states = vec![(redis.clone(), false)];
            let mut repeats = false;
            for event in events {
                match event {
                    Event::Send(index) => {
                        sent[index] += 1;
                        redis.send(index, sent[index]);
                    }
                    Event::GoBack(index, by) => {
                        repeats = true;
                        sent[index] = 0.max(sent[index] - by);
                    }
                    Event::Apply(count) => redis.apply(count),
                    Event::Trim => redis.stream.retain(|(id, ..)| *id > redis.position),
                }
                states.push((redis.clone(), repeats));
            }
            let (mut redis, repeats) = kept.get(&states).clone();
            for (index, sent) in sent.into_iter().enumerate() {
                let missing = first_missing(&candles, redis.newest(index, chunk));
                let held = redis.stream.iter().filter(|(_, at, _)| *at == index).map(|(.., minute)| *minute).max();
                let held = usize::try_from(held.unwrap_or(0).max(redis.last[index]))?;
                prop_assert!(missing <= held && (repeats || missing == held), "{missing} of {held}");
                for minute in (1..=sent).skip(missing) {
                    redis.send(index, minute);
                }
            }
            redis.apply(usize::MAX);
            for (last, sent) in redis.last.into_iter().zip(sent) {
                prop_assert!(last >= sent);
            }
        }
    }
}
