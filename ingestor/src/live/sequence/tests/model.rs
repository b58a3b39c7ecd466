//! A venue as it might be: what really happened, what its feed tells of that, and what its REST shows when.

use candlewire_common::candle::Bar;
use candlewire_common::decimal::Decimal;
use candlewire_common::time::UnixMillis;
use fastrand::Rng;

use crate::venue::answer::{Row, RowState};
use crate::venue::event::Trade;
use crate::venue::profile::Closing;
use crate::venue::{Live, Span};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const GRACE_MS: i64 = 5_000;
/// The venue's first minute, numbered 0.
const FIRST: i64 = 28_333_334;

/// When a minute begins.
pub(super) fn open(minute: i64) -> UnixMillis {
    UnixMillis((FIRST + minute) * MINUTE)
}

/// The minute that holds an instant.
pub(super) fn minute_of(time: UnixMillis) -> i64 {
    time.0.div_euclid(MINUTE) - FIRST
}

pub(super) fn number(value: i64) -> Decimal {
    value.to_string().parse().unwrap()
}

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Messages are lost, closing ones too. Where only the feed tells what a candle is, the loss is noticed.
    Lost,
    /// Messages come twice.
    Doubled,
    /// Messages overtake the one before.
    Swapped,
    /// The connection is gone for a while.
    Cut,
    /// Impossible messages.
    Absurd,
    /// REST shows candles late.
    Lag,
    /// REST shows too little of a candle at first.
    Stale,
    /// REST shows impossible rows at first.
    BadRows,
    /// Questions fail.
    Failing,
    /// Answers take longer than the grace period.
    Slow,
    /// Questions that could wait are put off.
    Crowded,
    /// Begins again at an older candle, or without any.
    Rewound,
}

impl Fault {
    pub(super) const ALL: [Self; 12] = [
        Self::Lost,
        Self::Doubled,
        Self::Swapped,
        Self::Cut,
        Self::Absurd,
        Self::Lag,
        Self::Stale,
        Self::BadRows,
        Self::Failing,
        Self::Slow,
        Self::Crowded,
        Self::Rewound,
    ];
}

/// One run's venue and luck.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) closing: Closing,
    pub(super) live: Live,
    pub(super) omits_empty: bool,
    pub(super) faults: Vec<Fault>,
    /// The minute in which the run begins.
    pub(super) begin: i64,
    /// The minute after which nothing happens any more, and nothing goes wrong.
    pub(super) end: i64,
}

impl Setting {
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    pub(super) fn has_any(&self, faults: &[Fault]) -> bool {
        faults.iter().any(|fault| self.has(*fault))
    }
}

/// A trade as it happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Happened {
    pub(super) time: UnixMillis,
    pub(super) price: i64,
    pub(super) trade: Trade,
}

/// What really happened, minute by minute; nothing after the last.
#[derive(Debug)]
pub(super) struct Truth {
    minutes: Vec<Vec<Happened>>,
    omits_empty: bool,
}

impl Truth {
    pub(super) fn new(setting: &Setting, rng: &mut Rng) -> Self {
        let mut id = 0;
        let mut minute = |minute: i64| {
            let trades = if minute > 0 && rng.u8(..4) == 0 { 0 } else { rng.usize(1..5) };
            let mut times: Vec<i64> = (0..trades).map(|_| rng.i64(0..MINUTE)).collect();
            times.sort_unstable();
            let happened = |offset| {
                id += 1;
                let trade = Trade { size: number(rng.i64(1..50)), id };
                Happened { time: UnixMillis(open(minute).0 + offset), price: rng.i64(90..110), trade }
            };
            times.into_iter().map(happened).collect()
        };
        Self { minutes: (0..=setting.end).map(&mut minute).collect(), omits_empty: setting.omits_empty }
    }

    pub(super) fn trades(&self, minute: i64) -> &[Happened] {
        usize::try_from(minute).ok().and_then(|minute| self.minutes.get(minute)).map_or(&[], Vec::as_slice)
    }

    /// The candle of a minute, of its first `count` trades; `None` where the venue has none.
    pub(super) fn bar_of(&self, minute: i64, count: usize) -> Option<Bar> {
        if minute < 0 {
            return None;
        }
        let trades = self.trades(minute);
        let trades = &trades[..count.min(trades.len())];
        let prices = || trades.iter().map(|happened| happened.price);
        let (Some(first), Some(last)) = (trades.first(), trades.last()) else {
            let close = (0..minute).rev().find_map(|minute| self.trades(minute).last())?.price;
            let [open, high, low, close] = [number(close); 4];
            return (!self.omits_empty).then_some(Bar { open, high, low, close, volume: Decimal::ZERO });
        };
        Some(Bar {
            open: number(first.price),
            high: number(prices().max()?),
            low: number(prices().min()?),
            close: number(last.price),
            volume: trades.iter().fold(Decimal::ZERO, |sum, happened| sum.add_cut(happened.trade.size)),
        })
    }

    pub(super) fn bar(&self, minute: i64) -> Option<Bar> {
        self.bar_of(minute, usize::MAX)
    }

    /// The first minute of a range that has a candle.
    pub(super) fn first_in(&self, mut minutes: std::ops::Range<i64>) -> Option<i64> {
        minutes.find(|minute| self.bar(*minute).is_some())
    }
}

/// What REST shows when.
#[derive(Debug)]
pub(super) struct Rest {
    /// Whether it says which rows are closed.
    flags: bool,
    shows_forming: bool,
    /// For each minute: how long after its end its row is not there, wrong, and incomplete.
    delays: Vec<[i64; 3]>,
}

impl Rest {
    pub(super) fn new(setting: &Setting, rng: &mut Rng) -> Self {
        let flags = setting.closing == Closing::Rest || rng.bool();
        // A candle whose every message was lost without notice does not exist for a venue that leaves out empty
        // ones, unless REST shows it when it is asked after the grace period.
        let is_unseen = setting.closing == Closing::Marked && setting.omits_empty && setting.has(Fault::Lost);
        let lag_max = if is_unseen { GRACE_MS } else { 20_000 };
        // A row that is incomplete for longer than the grace period, without a mark, is found out only by what the
        // feed told: by nothing, where the feed told less.
        let unheard_of = [Fault::Lost, Fault::Cut, Fault::Swapped, Fault::Rewound];
        let is_told = flags || !setting.has_any(&unheard_of);
        let delays = (0..=setting.end).map(|minute| {
            let stale_max = if flags || (is_told && minute > setting.begin) { 100_000 } else { GRACE_MS };
            let mut delay = |fault, max| if setting.has(fault) && rng.bool() { rng.i64(0..max) } else { 0 };
            [delay(Fault::Lag, lag_max), delay(Fault::BadRows, 100_000), delay(Fault::Stale, stale_max)]
        });
        Self { delays: delays.collect(), flags, shows_forming: rng.bool() }
    }

    /// What it answers at `now`.
    pub(super) fn rows(&self, truth: &Truth, span: Span, now: UnixMillis) -> Vec<Row> {
        let mut rows = Vec::new();
        for minute in 0..=minute_of(span.last).min(minute_of(now)) {
            let end = open(minute + 1).0;
            let delays = usize::try_from(minute).ok().and_then(|minute| self.delays.get(minute));
            let [missing, wrong, stale] = delays.unwrap_or(&[0; 3]).map(|delay| now.0 < end + delay);
            let is_forming = now.0 < end;
            if missing && (!is_forming || !self.shows_forming) {
                break;
            }
            if is_forming && !self.shows_forming {
                break;
            }
            let trades = truth.trades(minute);
            let count = match (is_forming, stale) {
                (true, _) => trades.iter().filter(|happened| happened.time <= now).count(),
                (false, true) => trades.len().saturating_sub(1).max(1),
                (false, false) => trades.len(),
            };
            let Some(mut bar) = truth.bar_of(minute, count) else { continue };
            if wrong {
                bar.volume = number(-1);
            }
            let said = match (self.flags, is_forming || stale) {
                (false, _) => RowState::Unsaid,
                (true, true) => RowState::Forming,
                (true, false) => RowState::Closed,
            };
            if open(minute) >= span.first {
                rows.push(Row { open_time: open(minute), bar, state: said });
            }
        }
        rows
    }
}
