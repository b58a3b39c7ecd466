//! The sign that time has moved on: what the feed told of the candle before may be all of it.
//!
//! On venues without a closing message what the feed told takes the candle's place, once REST had its time to confirm
//! or correct it, and only where nothing of it can have been missed.

use std::time::Duration;

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::time::UnixMillis;

use super::Sequence;
use crate::venue::profile::Closing;

/// A message about a later candle than the next one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cue {
    /// The later candle.
    pub(super) later: UnixMillis,
    /// When the first message about it came.
    pub(super) at: UnixMillis,
    /// Whether REST can't be asked to confirm what the feed told.
    pub(super) unconfirmed: bool,
}

impl Sequence {
    /// Notes that the feed has come as far as `open_time`.
    pub(super) fn moved_on(&mut self, open_time: UnixMillis, now: UnixMillis) {
        let is_later = self.next().is_none_or(|next| open_time > next);
        if is_later && self.cue.is_none_or(|cue| open_time > cue.later) {
            // Where the venue's clock is ahead of this one, the candle before is not over yet.
            self.cue = Some(Cue { later: open_time, at: now.max(open_time), unconfirmed: false });
        }
        // There is something after all.
        self.quiet_to = self.quiet_to.filter(|quiet_to| *quiet_to < open_time);
    }

    /// On venues without a closing message: what the feed told of a candle takes its place once REST had its time.
    pub(super) fn take_own(&mut self, now: UnixMillis) {
        let Some(cue) = self.cue else { return };
        let ready: Vec<(UnixMillis, Bar)> = self
            .observed
            .whole_before(cue.later)
            .filter(|(open_time, _)| self.own_due(*open_time, cue).is_some_and(|due| due <= now))
            .collect();
        for (open_time, bar) in ready {
            if let Ok(candle) = ClosedCandle::new(open_time, bar, now) {
                self.waiting.entry(open_time).or_insert(candle);
            }
        }
    }

    /// When what the feed told of a candle takes its place; `None`: never.
    pub(super) fn own_due(&self, open_time: UnixMillis, cue: Cue) -> Option<UnixMillis> {
        /// For as long messages that overtook each other are waited for.
        const OVERTAKEN: Duration = Duration::from_millis(40);
        let Closing::Followed { patience } = self.rules.closing else { return None };
        let settled = self.settled()?;
        if open_time <= settled || self.waiting.contains_key(&open_time) {
            return None;
        }
        let grace_over = self.rules.grid.after(open_time).after(self.rules.grace);
        Some(match patience {
            Some(_) if cue.unconfirmed => cue.at.after(OVERTAKEN),
            Some(patience) => cue.at.after(patience),
            None => grace_over.max(cue.at.after(OVERTAKEN)),
        })
    }
}
