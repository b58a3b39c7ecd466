//! What an answer of REST means for a series.
//!
//! A row is believed when the venue marks it as closed, when the grace period after its end is over, or when the
//! feed is known to have told of all that it holds; and never while it lacks something that the feed has told of:
//! then REST is behind. A candle that is left out before one that is believed is not there.

use std::collections::BTreeMap;
use std::time::Duration;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::decimal::Decimal;
use candlewire_common::time::UnixMillis;

use super::{DOUBLINGS_MAX, Learned, Refused, Sequence, Stage, Step, UNHEARD_MAX, Unheard};
use crate::venue::answer::{Row, RowState};
use crate::venue::profile::Closing;
use crate::venue::{Live, Span};

/// A venue tells its time without the part of the second.
const WHOLE_SECOND: Duration = Duration::from_millis(999);
/// How often more history is asked for than there seemed to be.
const EXTENSIONS_MAX: u32 = 5;

/// History that is being gathered.
#[derive(Debug)]
pub(super) struct Warming {
    /// What is asked for.
    pub(super) span: Span,
    /// The newest candle of the first question.
    newest: UnixMillis,
    rows: BTreeMap<UnixMillis, ClosedCandle>,
    extensions: u32,
}

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The whole range was answered.
    Answered,
    /// It was given up.
    Failed,
}

impl Sequence {
    /// Takes rows of an answer, in open-time order. Those of a question that no longer counts change nothing.
    /// What is wrong with a row is told to `refused`. Where the venue's clock is known to be behind, it counts.
    pub fn rows(
        &mut self,
        id: u64,
        rows: &[Row],
        venue_time: Option<UnixMillis>,
        now: UnixMillis,
        steps: &mut Vec<Step>,
        mut refused: impl FnMut(Refused),
    ) {
        for row in rows {
            let Some(job) = self.job.filter(|job| job.id == id) else { return };
            let asked_at = venue_time.map_or(job.asked_at, |time| job.asked_at.min(time.after(WHOLE_SECOND)));
            let candle = match self.check(row.open_time, row.bar, now) {
                Ok(candle) => candle,
                Err(error) => {
                    refused(error);
                    let is_undecided = self.settled().is_none_or(|settled| row.open_time > settled);
                    let is_again = !self.is_warming() && !self.attempts.are_enough();
                    if is_undecided && (self.is_recent(row.open_time, now) || is_again) {
                        self.doubt(row.open_time);
                    }
                    continue;
                }
            };
            if matches!(self.stage, Stage::Warming(_)) {
                if row.state == RowState::Forming && self.is_recent(row.open_time, now) {
                    self.doubt(row.open_time);
                }
                self.gather(&candle, row.state, now);
                continue;
            }
            if self.settled().is_some_and(|settled| row.open_time <= settled) {
                if self.revises(row.open_time, &row.bar) && self.believes(row, asked_at, now) {
                    steps.push(Step::Revised(row.open_time));
                }
                continue;
            }
            let is_clear = job.doubted.is_none();
            if is_clear {
                self.come_to(row.open_time, steps);
            }
            if !self.believes(row, asked_at, now) {
                self.doubt(row.open_time);
                self.note_believed_at(row);
            } else if is_clear {
                self.take(candle, now, steps);
            }
        }
    }

    /// Notes that REST has come to a candle: those that it left out before are not there, where it leaves out empty
    /// ones, or where the feed has come as far.
    fn come_to(&mut self, open_time: UnixMillis, steps: &mut Vec<Step>) {
        self.drain(Some(open_time), steps);
        if self.rules.omits_empty && self.next().is_some_and(|next| next < open_time) {
            self.settle(self.rules.grid.before(open_time));
        }
    }

    /// Notes the end of a question.
    pub fn ended(&mut self, id: u64, ended: Ended, now: UnixMillis, steps: &mut Vec<Step>) {
        let Some(job) = self.job.take_if(|job| job.id == id) else { return };
        if matches!(self.stage, Stage::Warming(_)) {
            match ended {
                Ended::Answered => self.warmed(job.doubted, now, steps),
                Ended::Failed => self.missed(job, true, now),
            }
            return;
        }
        self.drain(None, steps);
        if self.settled() == job.settled {
            self.missed(job, ended == Ended::Failed, now);
        }
    }

    /// Notes a row that is not believed yet.
    fn doubt(&mut self, open_time: UnixMillis) {
        if let Some(job) = &mut self.job {
            job.doubted.get_or_insert(open_time);
        }
    }

    /// Notes when the first row that is not believed will be, where that is a matter of time alone.
    fn note_believed_at(&mut self, row: &Row) {
        let is_all = self.observed.seen(row.open_time).is_none_or(|seen| seen.is_within(&row.bar));
        let believed_at = self.rules.grid.after(row.open_time).after(self.rules.grace);
        if let Some(job) = self.job.as_mut().filter(|job| job.doubted == Some(row.open_time)) {
            job.believed_at = (row.state == RowState::Unsaid && is_all).then_some(believed_at);
        }
    }

    /// Whether a candle that must be there is still waited for.
    fn is_recent(&self, open_time: UnixMillis, now: UnixMillis) -> bool {
        now.since(self.rules.grid.after(open_time)) <= self.patience()
    }

    /// Whether a row of an answer is all there will ever be of its candle.
    fn believes(&self, row: &Row, asked_at: UnixMillis, now: UnixMillis) -> bool {
        let end = self.rules.grid.after(row.open_time);
        if row.state == RowState::Forming || end > now {
            return false;
        }
        let seen = self.observed.seen(row.open_time);
        if seen.is_some_and(|seen| !seen.is_within(&row.bar)) && self.is_recent(row.open_time, now) {
            return false;
        }
        let told_of_all = || {
            let is_over = self.cue.is_some_and(|cue| row.open_time < cue.later);
            is_over && seen.is_some_and(|seen| seen.whole) && matches!(self.rules.closing, Closing::Followed { .. })
        };
        row.state == RowState::Closed || end.after(self.rules.grace) <= asked_at || told_of_all()
    }

    /// Lets a candle of REST out; candles before it, which REST left out, are not there.
    fn take(&mut self, candle: ClosedCandle, now: UnixMillis, steps: &mut Vec<Step>) {
        let open_time = candle.open_time();
        let Some(next) = self.next() else { return };
        if open_time < next {
            return;
        }
        if open_time > next {
            self.note_hole(Span { first: next, last: self.rules.grid.before(open_time) }, steps);
        }
        self.count_unheard(&candle, now, steps);
        if self.lacks_trades(&candle) {
            self.observed.distrust(now);
        }
        self.publish(candle, Learned::Rest, steps);
    }

    /// Whether the feed, by its own account unbroken, has told less of a candle than REST: it loses messages.
    fn lacks_trades(&self, candle: &ClosedCandle) -> bool {
        let open_time = candle.open_time();
        let told = self.observed.seen(open_time);
        let is_less = match told {
            Some(told) => told.whole && told.bar.volume < candle.volume(),
            None => candle.volume() > Decimal::ZERO && self.observed.is_unbroken_since(open_time),
        };
        is_less && self.rules.live == Live::Trades
    }

    /// A candle with trades of which the feed told nothing, though it was there, speaks against the feed.
    fn count_unheard(&mut self, candle: &ClosedCandle, now: UnixMillis, steps: &mut Vec<Step>) {
        let is_recent = now.since(self.rules.grid.after(candle.open_time())) < self.patience();
        let was_there = self.observed.is_unbroken_since(candle.open_time());
        if candle.volume() == Decimal::ZERO || !is_recent || !was_there {
            return;
        }
        // What waits is later, and may be the feed's.
        if !self.waiting.is_empty()
            || self.observed.seen(candle.open_time()).is_some()
            || self.observed.newest_active() >= Some(candle.open_time())
        {
            return;
        }
        let Unheard { candles, renewals } = self.unheard;
        self.unheard.candles += 1;
        if candles + 1 >= UNHEARD_MAX << renewals.min(DOUBLINGS_MAX) {
            self.unheard = Unheard { candles: 0, renewals: renewals + 1 };
            steps.push(Step::Unheard);
        }
    }

    /// Begins to gather history at `now`.
    pub(super) fn warming(&self, now: UnixMillis) -> Stage {
        let grid = self.rules.grid;
        // The newest whose closing message is no longer waited for.
        let grace = i64::try_from(self.rules.grace.as_millis()).unwrap_or(i64::MAX);
        let last = grid.newest_over(UnixMillis(now.0.saturating_sub(grace)));
        if self.rules.warmup == 0 {
            return Stage::Following(last);
        }
        let wanted = grid.timeframe().duration() * self.rules.warmup;
        let first = grid.floor(self.rules.calendar.back(grid.after(last), wanted)).min(last);
        Stage::Warming(Warming { span: Span { first, last }, newest: last, rows: BTreeMap::new(), extensions: 0 })
    }

    fn gather(&mut self, candle: &ClosedCandle, state: RowState, now: UnixMillis) {
        let Stage::Warming(warming) = &mut self.stage else { return };
        let is_over = self.rules.grid.after(candle.open_time()) <= now;
        if state != RowState::Forming && is_over && candle.open_time() <= warming.span.last {
            warming.rows.insert(candle.open_time(), *candle);
        }
    }

    /// Lets the history out, or asks for more where it is too short. What comes after a row that is not believed yet
    /// is no history: it is asked for again.
    fn warmed(&mut self, doubted: Option<UnixMillis>, now: UnixMillis, steps: &mut Vec<Step>) {
        let (grid, wanted) = (self.rules.grid, self.rules.warmup);
        let Stage::Warming(warming) = &mut self.stage else { return };
        if let Some(doubted) = doubted {
            warming.rows.split_off(&doubted);
        }
        if warming.rows.is_empty() && !self.rules.omits_empty && !self.attempts.are_enough() {
            // A venue that has nothing at all of a symbol it knows may have it in a moment.
            return self.attempts.miss(now, None, false, [Duration::from_secs(1), Duration::from_secs(15)]);
        }
        let found = u32::try_from(warming.rows.len()).unwrap_or(u32::MAX);
        let is_sparse = self.rules.omits_empty && (found > 0 || warming.extensions == 0);
        if found < wanted && is_sparse && warming.extensions < EXTENSIONS_MAX {
            let last = grid.before(warming.span.first);
            let more = grid.timeframe().duration() * (wanted - found) * 2_u32.pow(warming.extensions + 1);
            let first = grid.floor(self.rules.calendar.back(warming.span.first, more));
            if first.0 > 0 && first <= last {
                warming.span = Span { first, last };
                warming.extensions += 1;
                return;
            }
        }
        let rows = std::mem::take(&mut warming.rows);
        let end = warming.newest;
        let newest = rows.last_key_value().map_or(end, |(open_time, _)| *open_time);
        let surplus = rows.len().saturating_sub(wanted as usize);
        let (found, settled) = (found.min(wanted), grid.before(*rows.keys().nth(surplus).unwrap_or(&newest)));
        self.settle(settled);
        for candle in rows.into_values().skip(surplus) {
            // What the feed told of the newest ones says the same.
            self.waiting.remove(&candle.open_time());
            self.publish(candle, Learned::Rest, steps);
        }
        self.settle(newest);
        steps.push(Step::Warmed { found, wanted });
        self.advance(now, steps);
    }
}
