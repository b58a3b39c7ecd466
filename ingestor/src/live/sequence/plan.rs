//! What is asked of REST, and when.
//!
//! One question at a time. Three things raise one: a closed candle that waits for older ones, a feed that has gone on
//! to a later candle, and the clock. A question covers exactly what is missing; an answer without news is followed
//! by a pause that grows.

use std::time::Duration;

use candlewire_common::time::UnixMillis;

use super::{Sequence, Stage, Step};
use crate::venue::Span;
use crate::venue::profile::Closing;

/// When a candle is asked for that only REST tells of, counted from its end.
const SOON: Duration = Duration::from_millis(300);
/// How often it is asked for again.
const SOON_AGAIN: Duration = Duration::from_secs(1);
/// How often a row that can't be right is asked for again, however old it is.
const ENOUGH: u32 = 3;
/// How long a candle of which nothing is known is asked for again.
const DOUBT: Duration = Duration::from_secs(10);

/// Why a question is asked; the first are asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The feed has gone on: is what it told of the candle before all of it?
    Confirm,
    /// A closed candle waits for older ones.
    Gap,
    /// The closing message has not come.
    Overdue,
    /// There is no history yet.
    Warmup,
}

/// A question that should be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The candles in question.
    pub span: Span,
    /// Why.
    pub purpose: Purpose,
}

/// A question that was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) want: Want,
    /// How far the answer has shown anything.
    pub(super) shown: Option<UnixMillis>,
    /// The first row that is not believed yet: nothing after it may go out.
    pub(super) doubted: Option<UnixMillis>,
    /// What was decided when it was asked.
    pub(super) settled: Option<UnixMillis>,
}

/// Questions that brought nothing, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    misses: u32,
    /// When the next question may be asked.
    not_before: Option<UnixMillis>,
    /// Since when candles are missing before one that waits.
    gap_since: Option<UnixMillis>,
}

impl Attempts {
    /// Something was decided.
    pub(super) fn progress(&mut self) {
        *self = Self::default();
    }

    /// Whether the same was asked often enough to take what is there.
    pub(super) fn are_enough(&self) -> bool {
        self.misses >= ENOUGH
    }

    /// A question brought nothing.
    pub(super) fn miss(&mut self, now: UnixMillis, first: Duration, longest: Duration) {
        let delay = first.saturating_mul(2_u32.saturating_pow(self.misses)).min(longest);
        self.misses = self.misses.saturating_add(1);
        self.not_before = Some(now.after(delay));
    }
}

impl Sequence {
    /// The question to be asked at `now`, if there is one.
    pub fn wants(&self, now: UnixMillis) -> Option<Want> {
        let (want, at) = self.next_want(now)?;
        (at <= now).then_some(want)
    }

    /// Notes that a question is being asked; answers with the number that its answers carry.
    pub fn ask(&mut self, want: Want) -> u64 {
        self.jobs += 1;
        self.job = Some(Job { id: self.jobs, want, shown: None, doubted: None, settled: self.settled() });
        self.jobs
    }

    /// Notes that REST can't be asked to confirm what the feed told, as others need it more.
    pub fn unconfirmed(&mut self) {
        if let Some(cue) = &mut self.cue {
            cue.unconfirmed = true;
        }
    }

    /// When something is to be done without any input; `None`: never.
    pub fn wake_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        let own = self.cue.into_iter().flat_map(|cue| {
            self.observed.whole_before(cue.later).filter_map(move |(open_time, _)| self.own_due(open_time, cue))
        });
        let question = self.next_want(now).map(|(_, at)| at);
        let give_up = self.gap_deadline();
        own.chain(question).chain(give_up).chain(self.stale_at()).min()
    }

    /// The next question, and when it is to be asked.
    fn next_want(&self, now: UnixMillis) -> Option<(Want, UnixMillis)> {
        if self.job.is_some() {
            return None;
        }
        let (want, at) = match &self.stage {
            Stage::Idle => return None,
            Stage::Warming(warming) => (Want { span: warming.span, purpose: Purpose::Warmup }, now),
            Stage::Following(_) => self.gap().or_else(|| self.cued()).or_else(|| self.overdue(now))?,
        };
        Some((want, self.attempts.not_before.map_or(at, |not_before| at.max(not_before))))
    }

    /// Candles are missing before one that waits.
    fn gap(&self) -> Option<(Want, UnixMillis)> {
        let (next, waiting) = (self.next()?, *self.waiting.first_key_value()?.0);
        if waiting <= next {
            return None;
        }
        // Where empty candles are left out, only the row of the one that waits shows that REST has come so far.
        let last = if self.rules.omits_empty { waiting } else { self.rules.grid.before(waiting) };
        let want = Want { span: Span { first: next, last }, purpose: Purpose::Gap };
        Some((want, self.attempts.gap_since.unwrap_or(next)))
    }

    /// The feed has gone on to a later candle.
    fn cued(&self) -> Option<(Want, UnixMillis)> {
        let (next, cue) = (self.next()?, self.cue?);
        let over = self.rules.grid.before(cue.later);
        if over < next {
            return None;
        }
        let last = match self.rules.closing {
            // The closing message is still to come, and REST is believed no sooner than when it is overdue.
            Closing::Marked => return None,
            Closing::Rest => over,
            Closing::Followed { .. } if cue.unconfirmed => return None,
            Closing::Followed { .. } => {
                if self.rules.omits_empty {
                    cue.later
                } else {
                    over
                }
            }
        };
        let is_quiet = self.quiet_to.is_some_and(|quiet_to| over <= quiet_to);
        let want = Want { span: Span { first: next, last }, purpose: Purpose::Confirm };
        (!is_quiet).then_some((want, cue.at))
    }

    /// The clock says that a candle is over.
    fn overdue(&self, now: UnixMillis) -> Option<(Want, UnixMillis)> {
        let (next, grid) = (self.next()?, self.rules.grid);
        let delay = if self.rules.closing == Closing::Rest { SOON } else { self.rules.grace };
        let since = |time: UnixMillis| UnixMillis(time.0 - i64::try_from(delay.as_millis()).unwrap_or(i64::MAX));
        let first = self.quiet_to.map_or(next, |quiet_to| grid.after(quiet_to).max(next));
        let last = grid.newest_over(since(now)).max(first);
        // Nothing is asked while the market is shut, and all of it when it has opened again.
        let end = grid.after(last);
        let end = if self.rules.calendar.is_shut(first, end) {
            grid.after(grid.floor(self.rules.calendar.opens_after(end)))
        } else {
            end
        };
        let last = grid.before(end);
        Some((Want { span: Span { first: next, last }, purpose: Purpose::Overdue }, end.after(delay)))
    }

    /// Notes when a gap begins.
    pub(super) fn begin_gap(&mut self, now: UnixMillis, steps: &mut Vec<Step>) {
        match self.gap() {
            None => self.attempts.gap_since = None,
            Some((Want { span, .. }, _)) if self.attempts.gap_since.is_none() => {
                self.attempts.gap_since = Some(now);
                // A gap is more urgent than whatever brought nothing before.
                self.attempts.not_before = None;
                let missing = Span { first: span.first, last: self.before_waiting(span.last) };
                if !self.rules.calendar.is_shut(missing.first, self.rules.grid.after(missing.last)) {
                    steps.push(Step::Gap(missing));
                }
            }
            Some(_) => {}
        }
    }

    /// Passes over what REST could not show in time.
    pub(super) fn give_up(&mut self, now: UnixMillis, steps: &mut Vec<Step>) {
        if self.gap_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        self.pass_over_gap(steps);
    }

    /// Passes over the candles before the first that waits, and lets that one out.
    pub(super) fn pass_over_gap(&mut self, steps: &mut Vec<Step>) {
        let (Some(next), Some((waiting, _))) = (self.next(), self.waiting.first_key_value()) else { return };
        let last = self.rules.grid.before(*waiting);
        if next <= last {
            self.note_hole(Span { first: next, last }, steps);
            self.settle(last);
        }
        self.drain(None, steps);
    }

    /// Says that the venue lacks candles, where it should have them.
    pub(super) fn note_hole(&self, span: Span, steps: &mut Vec<Step>) {
        let is_shut = self.rules.calendar.is_shut(span.first, self.rules.grid.after(span.last));
        if !self.rules.omits_empty && !is_shut {
            steps.push(Step::Hole(span));
        }
    }

    fn gap_deadline(&self) -> Option<UnixMillis> {
        self.gap()?;
        // An answer under way is waited for: the venue may have told to wait.
        let since = self.attempts.gap_since.filter(|_| self.job.is_none())?;
        Some(since.after(self.patience()))
    }

    fn before_waiting(&self, last: UnixMillis) -> UnixMillis {
        self.waiting.first_key_value().map_or(last, |(waiting, _)| last.min(self.rules.grid.before(*waiting)))
    }

    /// Notes how a question ended that decided nothing, and when the next may be asked.
    pub(super) fn missed(&mut self, job: Job, failed: bool, now: UnixMillis) {
        let seconds = Duration::from_secs;
        let (first, longest) = match (job.want.purpose, self.rules.closing) {
            _ if failed => (seconds(1), seconds(60)),
            (Purpose::Confirm, Closing::Followed { .. }) => (Duration::from_millis(250), seconds(1)),
            (_, Closing::Rest) => (SOON_AGAIN, SOON_AGAIN),
            (Purpose::Confirm | Purpose::Gap, _) => (Duration::from_millis(500), seconds(5)),
            (Purpose::Overdue | Purpose::Warmup, _) => (seconds(1), seconds(15)),
        };
        self.attempts.miss(now, first, longest);
        let is_gap = self.gap().is_some();
        if failed || is_gap || job.want.purpose == Purpose::Warmup {
            return;
        }
        // Whether there is anything to be had: something happened, or may have happened unseen.
        let grid = self.rules.grid;
        let span = job.want.span;
        let last = span.last.min(grid.newest_over(now));
        let is_expected = !self.rules.omits_empty
            || self.observed.active().is_some_and(|active| active >= span.first && active <= last)
            || !self.observed.is_unbroken_since(span.first)
            || job.shown.is_some_and(|shown| shown >= span.first);
        let age = now.since(grid.after(last));
        if age > self.patience() || (!is_expected && age > DOUBT.min(self.rules.grace)) {
            self.quiet_to = Some(last);
            self.attempts = Attempts::default();
        }
    }
}
