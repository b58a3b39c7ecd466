//! What the feed tells of a series: bars, prices, closed candles. What can't be is refused and changes nothing.

use std::time::Duration;

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::decimal::Decimal;
use candlewire_common::time::UnixMillis;

use super::early::EARLY_MAX;
use super::{Refused, Sequence, Unheard, WAITING_MAX};
use crate::venue::Live;
use crate::venue::event::Trade;
use crate::venue::profile::Closing;

impl Sequence {
    /// Takes a bar as the feed tells it.
    ///
    /// # Errors
    ///
    /// [`Refused`], also where that is nothing unusual.
    pub fn bar(&mut self, open_time: UnixMillis, bar: Bar, closed: bool, now: UnixMillis) -> Result<(), Refused> {
        let candle = self.check(open_time, bar, now)?;
        if closed {
            let end = self.rules.grid.after(open_time);
            if end > now.after(EARLY_MAX) {
                return Err(Refused::Ahead(open_time));
            }
            self.unheard = Unheard::default();
            let is_young = end.after(self.rules.grace) > now && self.settled() < Some(open_time);
            if is_young && matches!(self.rules.closing, Closing::Followed { .. }) {
                // No message says so: it stands before others in a snapshot, which may have been made too early.
                self.observed.part(open_time, bar);
                return Ok(());
            }
            self.early.forget(open_time);
            if end > now {
                self.early.hold(candle);
                return Ok(());
            }
            return self.closed(candle);
        }
        self.early.forget(open_time);
        self.unheard = Unheard::default();
        if self.settled().is_some_and(|settled| open_time <= settled) {
            return Err(Refused::Forming);
        }
        self.observed.bar(open_time, bar);
        self.moved_on(open_time, now);
        Err(Refused::Forming)
    }

    /// Takes a price, which is a trade where `trade` is given.
    ///
    /// # Errors
    ///
    /// [`Refused`], where it is far ahead of the clock, or where no such trade can have been.
    pub fn price(
        &mut self,
        time: UnixMillis,
        price: Decimal,
        trade: Option<Trade>,
        now: UnixMillis,
    ) -> Result<(), Refused> {
        if time > now.after(self.skew_max()) {
            return Err(Refused::Ahead(time));
        }
        // As a bar it must be one that can take its place.
        let volume = trade.map_or(Decimal::ZERO, |trade| trade.size);
        ClosedCandle::new(time, Bar { open: price, high: price, low: price, close: price, volume }, now)?;
        let open_time = self.rules.grid.floor(time);
        self.unheard = Unheard::default();
        if self.settled().is_some_and(|settled| open_time <= settled) {
            return Ok(());
        }
        match trade {
            Some(trade) if self.rules.live == Live::Trades => self.observed.trade(open_time, price, trade),
            _ => self.observed.happened(open_time),
        }
        self.moved_on(open_time, now);
        Ok(())
    }

    /// Takes a candle that is closed.
    ///
    /// # Errors
    ///
    /// [`Refused::Duplicate`] or [`Refused::Late`] where it is decided.
    pub fn closed(&mut self, candle: ClosedCandle) -> Result<(), Refused> {
        let open_time = candle.open_time();
        match self.settled() {
            Some(settled) if open_time == settled => return Err(Refused::Duplicate),
            Some(settled) if open_time < settled => return Err(Refused::Late),
            _ => {}
        }
        let repeated = self.waiting.insert(open_time, candle).is_some();
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_last();
        }
        if repeated { Err(Refused::Duplicate) } else { Ok(()) }
    }

    /// Whether what the feed tells differs from what went out.
    pub fn revises(&self, open_time: UnixMillis, bar: &Bar) -> bool {
        let last = self.last.filter(|last| last.open_time() == open_time);
        last.is_some_and(|last| last.bar() != *bar)
    }

    /// How far the venue's clock may be ahead of this one.
    fn skew_max(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(5);
        const LONGEST: Duration = Duration::from_mins(1);
        self.rules.grid.timeframe().duration().clamp(SHORTEST, LONGEST)
    }

    pub(super) fn check(&self, open_time: UnixMillis, bar: Bar, now: UnixMillis) -> Result<ClosedCandle, Refused> {
        if open_time > now.after(self.skew_max()) {
            return Err(Refused::Ahead(open_time));
        }
        let candle = ClosedCandle::new(open_time, bar, now)?;
        if self.rules.grid.holds(open_time) { Ok(candle) } else { Err(Refused::OffGrid(open_time)) }
    }
}
