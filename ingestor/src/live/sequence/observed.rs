//! What the feed has told of candles that are not decided yet.
//!
//! A bar is *whole* when nothing of it can have been missed: the feed gives whole bars, or every trade of it came
//! over connections without a break. What was told is compared with what REST shows, and takes its place only where
//! the venue has no closing message.

use std::collections::{BTreeMap, BTreeSet};

use candlewire_common::candle::Bar;
use candlewire_common::decimal::Decimal;
use candlewire_common::time::UnixMillis;

use crate::venue::event::Trade;

/// The most undecided bars kept: the newest.
const KEPT: usize = 8;

/// Bars as the feed told them last.
#[derive(Debug, Default)]
pub(super) struct Observed {
    bars: BTreeMap<UnixMillis, Seen>,
    /// Since when every trade came; `None` while there is no connection.
    unbroken_since: Option<UnixMillis>,
    /// The newest trade seen.
    trade: Option<u64>,
    /// The newest candles in which anything happened.
    active: BTreeSet<UnixMillis>,
}

/// One bar as the feed told it last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Its numbers.
    pub(super) bar: Bar,
    /// Whether nothing of it can have been missed.
    pub(super) whole: bool,
}

impl Seen {
    /// Whether `bar` may be what this became: nothing that was seen is missing in it.
    pub(super) fn is_within(&self, bar: &Bar) -> bool {
        // A bar without trades stands at the price before it, which need not be one of its own.
        let is_empty = self.bar.volume == Decimal::ZERO;
        is_empty || (bar.volume >= self.bar.volume && bar.high >= self.bar.high && bar.low <= self.bar.low)
    }
}

impl Observed {
    /// Notes that the feed is there from `now` on.
    pub(super) fn connected(&mut self, now: UnixMillis) {
        self.unbroken_since.get_or_insert(now);
    }

    /// Notes that messages may have been missed.
    pub(super) fn interrupted(&mut self) {
        self.unbroken_since = None;
        for seen in self.bars.values_mut() {
            seen.whole = false;
        }
    }

    /// Notes that REST showed what the feed should have told: from now on it is believed anew.
    pub(super) fn distrust(&mut self, now: UnixMillis) {
        if self.unbroken_since.is_some() {
            self.interrupted();
            self.connected(now);
        }
    }

    /// Whether the feed has been there since `open_time`.
    pub(super) fn is_unbroken_since(&self, open_time: UnixMillis) -> bool {
        self.unbroken_since.is_some_and(|since| since <= open_time)
    }

    /// Takes a whole bar as it stands. An older picture of it, overtaken on its way, changes nothing.
    pub(super) fn bar(&mut self, open_time: UnixMillis, bar: Bar) {
        let seen = Seen { bar, whole: true };
        let kept = self.bars.entry(open_time).or_insert(seen);
        if !kept.whole || kept.is_within(&bar) {
            *kept = seen;
        }
        self.happened(open_time);
        self.forget_oldest();
    }

    /// Takes a bar of which something may be missing.
    pub(super) fn part(&mut self, open_time: UnixMillis, bar: Bar) {
        let seen = Seen { bar, whole: false };
        let kept = self.bars.entry(open_time).or_insert(seen);
        if !kept.whole && kept.is_within(&bar) {
            *kept = seen;
        }
        self.happened(open_time);
        self.forget_oldest();
    }

    /// Adds a trade to the bar that began at `open_time`. The newest one told again changes nothing; an older one may
    /// have been overtaken on its way, or be told again: then the bar is not known to be whole.
    pub(super) fn trade(&mut self, open_time: UnixMillis, price: Decimal, Trade { size, id }: Trade) {
        if self.trade.is_some_and(|newest| id <= newest) {
            let is_newest = self.trade == Some(id);
            if let Some(seen) = self.bars.get_mut(&open_time).filter(|_| !is_newest) {
                seen.whole = false;
            }
            return;
        }
        self.trade = Some(id);
        let whole = self.is_unbroken_since(open_time);
        let first = Bar { open: price, high: price, low: price, close: price, volume: Decimal::ZERO };
        let Seen { bar, .. } = self.bars.entry(open_time).or_insert(Seen { bar: first, whole });
        (bar.high, bar.low, bar.close) = (bar.high.max(price), bar.low.min(price), price);
        bar.volume = bar.volume.add_cut(size);
        self.happened(open_time);
        self.forget_oldest();
    }

    /// Notes that something happened in the candle of `open_time`.
    pub(super) fn happened(&mut self, open_time: UnixMillis) {
        self.active.insert(open_time);
        if self.active.len() > KEPT {
            self.active.pop_first();
        }
    }

    /// Whether anything happened in the candles from `first` to `last`.
    pub(super) fn is_active(&self, first: UnixMillis, last: UnixMillis) -> bool {
        first <= last && self.active.range(first..=last).next().is_some()
    }

    /// The newest candle in which anything happened.
    pub(super) fn newest_active(&self) -> Option<UnixMillis> {
        self.active.last().copied()
    }

    /// What was told of a candle.
    pub(super) fn seen(&self, open_time: UnixMillis) -> Option<&Seen> {
        self.bars.get(&open_time)
    }

    /// Whole bars before `end`, in order.
    pub(super) fn whole_before(&self, end: UnixMillis) -> impl Iterator<Item = (UnixMillis, Bar)> + '_ {
        let bars = self.bars.range(..end);
        bars.filter(|(_, seen)| seen.whole).map(|(open_time, seen)| (*open_time, seen.bar))
    }

    /// Forgets bars that are decided: all up to `settled`.
    pub(super) fn settle(&mut self, settled: UnixMillis) {
        while self.bars.first_key_value().is_some_and(|(open_time, _)| *open_time <= settled) {
            self.bars.pop_first();
        }
    }

    fn forget_oldest(&mut self) {
        if self.bars.len() > KEPT {
            self.bars.pop_first();
        }
    }
}
