//! Candles on their way to one partition's stream: those that are not sent yet, and those that may have to be sent
//! again.
//!
//! The sources put candles in and never wait; the outlet takes them out while Redis takes them. What Redis has
//! acknowledged is kept for [`KEPT`], since a server that crashes may lose that much. Where more was lost, or more
//! came than there is room for, the series is *rewound*: its source is told how far Redis holds it, and fetches the
//! rest from the venue again. Until it has taken notice, what it puts in is dropped, so that no candle overtakes
//! another.
//!
//! It holds no connection and knows no venue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::resume::Newest;

/// How long an acknowledged candle is kept, to be sent again after a reconnect.
const KEPT: Duration = Duration::from_secs(10);
/// How many candles may wait for Redis in one partition.
pub const ROOM: usize = 50_000;
/// With more waiting, no history is fetched.
const CROWDED: usize = 2_000;

/// The candles on their way to one partition.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
}

/// A series of the partition.
#[derive(Debug)]
pub struct Sender {
    /// The series.
    pub series: Series,
    /// How long after its end a candle counts as live.
    pub live_for: Duration,
    /// Told when it is rewound.
    pub attention: Arc<Notify>,
}

/// A series is to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// The newest candle of it that Redis holds.
    pub held: Option<UnixMillis>,
}

/// A candle to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Parcel {
    /// The number of its sender.
    pub sender: usize,
    /// The candle.
    pub candle: ClosedCandle,
    /// Whether it goes out for the first time.
    pub is_first: bool,
}

#[derive(Debug)]
struct Inner {
    senders: Vec<Slot>,
    parcels: VecDeque<Held>,
    /// The number of the first parcel; numbers only grow.
    first: u64,
    /// The number of the next parcel to be sent.
    next: u64,
    /// How many parcels from there on are to be sent.
    unsent: usize,
    room: usize,
}

#[derive(Debug)]
struct Slot {
    sender: Arc<Sender>,
    state: State,
    /// The newest candle that is no longer kept; Redis held it.
    floor: Option<UnixMillis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// How far Redis holds the series is not known, or no longer of use: what comes is dropped.
    Unknown,
    /// The source is to take notice.
    Rewound(Rewind),
    /// Candles follow each other.
    Flowing,
}

#[derive(Debug)]
struct Held {
    sender: usize,
    candle: ClosedCandle,
    acknowledged: Option<Instant>,
    /// Whether its series was rewound: it is not sent.
    is_void: bool,
}

impl Outbox {
    /// Begins empty, with room for `room` candles.
    pub fn new(senders: Vec<Arc<Sender>>, room: usize) -> Self {
        let senders = senders.into_iter().map(|sender| Slot { sender, state: State::Unknown, floor: None }).collect();
        let inner = Inner { senders, parcels: VecDeque::new(), first: 0, next: 0, unsent: 0, room };
        Self { inner: Mutex::new(inner), filled: Notify::new() }
    }

    /// Puts a candle in, behind those of its series.
    pub fn put(&self, sender: usize, candle: ClosedCandle) {
        let mut inner = self.inner();
        if inner.senders[sender].state != State::Flowing {
            return;
        }
        inner.parcels.push_back(Held { sender, candle, acknowledged: None, is_void: false });
        inner.unsent += 1;
        inner.forget_old(Instant::now());
        if inner.waiting() > inner.room {
            // Its later candles would leave a gap: all of them come back by the venue's REST.
            inner.void(sender);
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Tells that a series was rewound, where it was. From now on its candles are taken.
    pub fn take_rewind(&self, sender: usize) -> Option<Rewind> {
        let slot = &mut self.inner().senders[sender];
        let State::Rewound(rewind) = slot.state else { return None };
        (slot.state, slot.floor) = (State::Flowing, rewind.held);
        Some(rewind)
    }

    /// Candles that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.inner().waiting()
    }

    /// Whether few candles wait to be sent, so that history may be fetched.
    pub fn has_room(&self) -> bool {
        self.waiting() <= CROWDED
    }

    /// Waits until a candle waits to be sent. Cancel-safe.
    pub async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if self.waiting() > 0 {
                return;
            }
            filled.await;
        }
    }

    /// The partition's series, by their senders' numbers.
    pub fn senders(&self) -> Vec<Arc<Sender>> {
        self.inner().senders.iter().map(|slot| Arc::clone(&slot.sender)).collect()
    }

    /// Notes how far Redis holds each series after a reconnect: everything kept is to be sent again, and series of
    /// which Redis lost more are rewound. Answers with how many those are.
    pub fn reconnected(&self, newest: &Newest) -> usize {
        let mut inner = self.inner();
        let mut lost = 0;
        for sender in 0..inner.senders.len() {
            let slot = &inner.senders[sender];
            let held = newest.get(&slot.sender.series).copied();
            let is_lost = slot.state == State::Flowing && held < slot.floor;
            lost += usize::from(is_lost);
            if slot.state != State::Flowing || is_lost {
                inner.rewind(sender, held);
            }
        }
        inner.next = inner.first;
        inner.count();
        lost
    }

    /// Rewinds the series that had no room, now that candles flow: Redis holds what it has acknowledged. Answers
    /// with the series.
    pub fn reopen(&self) -> Vec<Series> {
        let mut inner = self.inner();
        let mut reopened = Vec::new();
        if inner.waiting() > 0 {
            return reopened;
        }
        for sender in 0..inner.senders.len() {
            if inner.senders[sender].state == State::Unknown {
                let kept = inner.parcels.iter().rev().find(|parcel| parcel.sender == sender && !parcel.is_void);
                let held = kept.map(|parcel| parcel.candle.open_time()).or(inner.senders[sender].floor);
                inner.rewind(sender, held);
                reopened.push(inner.senders[sender].sender.series.clone());
            }
        }
        reopened
    }

    /// The next candles to be sent, at most `count_max`, and the number to acknowledge them with.
    pub fn next_batch(&self, count_max: usize) -> (Vec<Parcel>, u64) {
        let inner = self.inner();
        let start = usize::try_from(inner.next - inner.first).unwrap_or(usize::MAX);
        let (mut batch, mut end) = (Vec::new(), inner.next);
        for held in inner.parcels.iter().skip(start) {
            if batch.len() == count_max {
                break;
            }
            end += 1;
            if !held.is_void {
                let is_first = held.acknowledged.is_none();
                batch.push(Parcel { sender: held.sender, candle: held.candle, is_first });
            }
        }
        (batch, end)
    }

    /// Notes that Redis has acknowledged the candles before `end`.
    pub fn acknowledged(&self, end: u64, now: Instant) {
        let mut inner = self.inner();
        let from = usize::try_from(inner.next - inner.first).unwrap_or(usize::MAX);
        let count = usize::try_from(end.saturating_sub(inner.next)).unwrap_or(usize::MAX);
        let mut sent = 0;
        for held in inner.parcels.iter_mut().skip(from).take(count) {
            held.acknowledged.get_or_insert(now);
            sent += usize::from(!held.is_void);
        }
        inner.unsent = inner.unsent.saturating_sub(sent);
        inner.next = inner.next.max(end);
        inner.forget_old(now);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Candles that are to be sent.
    fn waiting(&self) -> usize {
        self.unsent
    }

    /// Counts anew what is to be sent.
    fn count(&mut self) {
        let sent = usize::try_from(self.next - self.first).unwrap_or(usize::MAX);
        self.unsent = self.parcels.iter().skip(sent).filter(|held| !held.is_void).count();
    }

    /// Drops what was acknowledged long enough ago, or stands for more than there is room for.
    fn forget_old(&mut self, now: Instant) {
        while self.first < self.next {
            let is_crowded = self.parcels.len() > self.room;
            let is_old = |held: &mut Held| {
                held.is_void || is_crowded || held.acknowledged.is_some_and(|at| now.duration_since(at) > KEPT)
            };
            let Some(held) = self.parcels.pop_front_if(is_old) else { return };
            self.first += 1;
            if !held.is_void {
                let floor = &mut self.senders[held.sender].floor;
                *floor = (*floor).max(Some(held.candle.open_time()));
            }
        }
    }

    /// Drops what waits of a series; what was acknowledged stays.
    fn void(&mut self, sender: usize) {
        self.senders[sender].state = State::Unknown;
        for held in &mut self.parcels {
            held.is_void |= held.sender == sender && held.acknowledged.is_none();
        }
        self.count();
    }

    fn rewind(&mut self, sender: usize, held: Option<UnixMillis>) {
        for parcel in &mut self.parcels {
            parcel.is_void |= parcel.sender == sender;
        }
        let slot = &mut self.senders[sender];
        slot.state = State::Rewound(Rewind { held });
        slot.sender.attention.notify_one();
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle::Bar;
    use candlewire_common::decimal::Decimal;

    fn candle(minute: i64) -> ClosedCandle {
        let zero = Decimal::ZERO;
        let bar = Bar { open: zero, high: zero, low: zero, close: zero, volume: zero };
        ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now()).unwrap()
    }

    fn outbox(room: usize) -> Outbox {
        let sender = |symbol: &str| {
            let series = format!("csv:{symbol}:1m").parse().unwrap();
            Arc::new(Sender { series, live_for: Duration::ZERO, attention: Arc::default() })
        };
        Outbox::new(vec![sender("A"), sender("B")], room)
    }

    /// An outbox of which Redis is known to hold the first series up to a minute, the second not at all.
    fn flowing(room: usize, held: i64) -> Outbox {
        let outbox = outbox(room);
        outbox.reconnected(&newest(held));
        assert_eq!(rewinds(&outbox), [Some(after(held)), ANEW]);
        outbox
    }

    fn newest(held: i64) -> Newest {
        Newest::from([("csv:A:1m".parse().unwrap(), UnixMillis(held * 60_000))])
    }

    fn rewinds(outbox: &Outbox) -> [Option<Rewind>; 2] {
        [0, 1].map(|sender| outbox.take_rewind(sender))
    }

    /// After so many minutes.
    fn after(minute: i64) -> Rewind {
        Rewind { held: Some(UnixMillis(minute * 60_000)) }
    }

    /// From nothing.
    const ANEW: Option<Rewind> = Some(Rewind { held: None });

    /// Sends everything that waits, and tells what it was.
    fn sent(outbox: &Outbox, now: Instant) -> Vec<(usize, i64)> {
        let (batch, end) = outbox.next_batch(100);
        outbox.acknowledged(end, now);
        batch.iter().map(|parcel| (parcel.sender, parcel.candle.open_time().0 / 60_000)).collect()
    }

    #[test]
    fn nothing_is_taken_before_it_is_known_what_redis_holds() {
        let outbox = outbox(10);
        outbox.put(0, candle(7));
        outbox.reconnected(&newest(6));
        outbox.put(0, candle(7));
        assert_eq!((outbox.waiting(), rewinds(&outbox)), (0, [Some(after(6)), ANEW]));
        outbox.put(0, candle(7));
        assert_eq!((outbox.waiting(), rewinds(&outbox)), (1, [None, None]));
        assert_eq!(sent(&outbox, Instant::now()), [(0, 7)]);
    }

    #[test]
    fn after_a_reconnect_the_last_seconds_are_sent_again() {
        let (outbox, start) = (flowing(10, 6), Instant::now());
        outbox.put(0, candle(7));
        assert_eq!(sent(&outbox, start), [(0, 7)]);
        outbox.put(0, candle(8));
        outbox.put(1, candle(8));
        assert_eq!(sent(&outbox, start + Duration::from_secs(8)), [(0, 8), (1, 8)]);
        // What was acknowledged more than 10 s ago is forgotten.
        outbox.put(0, candle(9));
        assert_eq!(sent(&outbox, start + Duration::from_secs(11)), [(0, 9)]);
        outbox.reconnected(&Newest::from([
            ("csv:A:1m".parse().unwrap(), UnixMillis(8 * 60_000)),
            ("csv:B:1m".parse().unwrap(), UnixMillis(8 * 60_000)),
        ]));
        assert_eq!(rewinds(&outbox), [None, None]);
        let repeated = outbox.next_batch(100).0;
        assert!(repeated.iter().all(|parcel| !parcel.is_first));
        assert_eq!(sent(&outbox, start + Duration::from_secs(12)), [(0, 8), (1, 8), (0, 9)]);
    }

    #[test]
    fn a_redis_that_lost_more_gets_the_series_again_from_where_it_is() {
        let (outbox, start) = (flowing(10, 6), Instant::now());
        for minute in 7..12 {
            outbox.put(0, candle(minute));
            sent(&outbox, start + Duration::from_secs(60 * u64::try_from(minute).unwrap()));
        }
        outbox.put(1, candle(11));
        outbox.reconnected(&newest(8));
        assert_eq!(rewinds(&outbox), [Some(after(8)), None]);
        assert_eq!(sent(&outbox, start), [(1, 11)], "what was kept of a series that is rewound is not sent");
        outbox.put(0, candle(9));
        assert_eq!(sent(&outbox, start), [(0, 9)]);
    }

    #[test]
    fn a_series_without_room_is_fetched_again_once_candles_flow() {
        let outbox = flowing(3, 6);
        outbox.put(1, candle(1));
        for minute in 7..12 {
            outbox.put(0, candle(minute));
        }
        // Its candles are dropped, those of others are not, also where they come later.
        outbox.put(1, candle(2));
        assert_eq!((outbox.reopen(), rewinds(&outbox)), (vec![], [None, None]));
        assert_eq!(sent(&outbox, Instant::now()), [(1, 1), (1, 2)]);
        assert_eq!(outbox.reopen().len(), 1);
        assert_eq!(rewinds(&outbox), [Some(after(6)), None]);
        outbox.put(0, candle(7));
        assert_eq!(sent(&outbox, Instant::now()), [(0, 7)]);
        assert_eq!(outbox.reopen(), []);
    }
}
