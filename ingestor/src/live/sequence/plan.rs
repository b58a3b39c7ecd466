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
/// How many candles that REST did not show are asked for again with later ones: less than a page of any venue.
const AGAIN_MAX: u32 = 250;

/// Why a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// When it was asked: an answer may show no more than there was then.
    pub(super) asked_at: UnixMillis,
    pub(super) want: Want,
    /// The first row that is not believed yet: nothing after it may go out.
    pub(super) doubted: Option<UnixMillis>,
    /// When that row is believed, should it still be the same.
    pub(super) believed_at: Option<UnixMillis>,
    /// What was decided when it was asked.
    pub(super) settled: Option<UnixMillis>,
}

/// Questions that brought nothing, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    misses: u32,
    /// When the next question may be asked.
    not_before: Option<UnixMillis>,
    /// The last candle that was asked for; `None` where REST failed, which makes all of them wait.
    asked_to: Option<UnixMillis>,
    /// Since when REST answers without the next candle.
    absent_since: Option<UnixMillis>,
    /// Since when candles are missing before one that waits.
    gap_since: Option<UnixMillis>,
}

impl Attempts {
    /// Something was decided.
    pub(super) fn progress(&mut self) {
        *self = Self::default();
    }

    /// What failed may be asked again at once.
    pub(super) fn retry(&mut self) {
        if self.asked_to.is_none() {
            (self.misses, self.not_before) = (0, None);
        }
    }

    /// Whether the same was asked often enough to take what is there.
    pub(super) fn are_enough(&self) -> bool {
        self.misses >= ENOUGH
    }

    /// A question brought what is not believed yet.
    fn wait(&mut self, until: UnixMillis, asked_to: UnixMillis) {
        (self.not_before, self.asked_to, self.absent_since) = (Some(until), Some(asked_to), None);
    }

    /// A question brought nothing.
    pub(super) fn miss(
        &mut self,
        now: UnixMillis,
        asked_to: Option<UnixMillis>,
        is_absent: bool,
        [first, longest]: [Duration; 2],
    ) {
        let delay = first.saturating_mul(2_u32.saturating_pow(self.misses)).min(longest);
        self.misses = self.misses.saturating_add(1);
        (self.not_before, self.asked_to) = (Some(now.after(delay)), asked_to);
        self.absent_since = if is_absent { self.absent_since.or(Some(now)) } else { None };
    }
}

impl Sequence {
    /// The question to be asked at `now`, if there is one.
    pub fn wants(&self, now: UnixMillis) -> Option<Want> {
        let (want, at) = self.next_want(now)?;
        (at <= now).then_some(want)
    }

    /// Notes that a question is being asked at `now`; answers with the number that its answers carry.
    pub fn ask(&mut self, want: Want, now: UnixMillis) -> u64 {
        self.jobs += 1;
        self.job =
            Some(Job { id: self.jobs, asked_at: now, want, doubted: None, believed_at: None, settled: self.settled() });
        self.jobs
    }

    /// Whether a question still counts.
    pub fn is_asking(&self, id: u64) -> bool {
        self.job.is_some_and(|job| job.id == id)
    }

    /// Notes that REST can't be asked to confirm what the feed told, as others need it more.
    pub fn unconfirmed(&mut self) {
        if let Some(cue) = &mut self.cue {
            cue.unconfirmed = true;
        }
    }

    /// When something is to be done without any input, if only to ask a question; `None`: never.
    pub fn wake_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.next_want(now).map(|(_, at)| at).into_iter().chain(self.timer_at()).min()
    }

    /// The same while a question waits to be asked.
    pub fn timer_at(&self) -> Option<UnixMillis> {
        let own = self.cue.into_iter().flat_map(|cue| {
            self.observed.whole_before(cue.later).filter_map(move |(open_time, _)| self.own_due(open_time, cue))
        });
        own.chain(self.gap_deadline()).chain(self.stale_at()).chain(self.early.over_at(self.rules.grid)).min()
    }

    /// The next question, and when it is to be asked.
    fn next_want(&self, now: UnixMillis) -> Option<(Want, UnixMillis)> {
        if self.job.is_some() {
            return None;
        }
        let paused = |(want, at)| (want, self.paused(want, at));
        match &self.stage {
            Stage::Idle => None,
            Stage::Warming(warming) => Some(paused((Want { span: warming.span, purpose: Purpose::Warmup }, now))),
            Stage::Following(_) => match self.gap() {
                Some(gap) => Some(paused(gap)),
                None => self.cued().into_iter().chain(self.overdue(now)).map(paused).min_by_key(|(_, at)| *at),
            },
        }
    }

    /// When a question may be asked that would be asked at `at`, after others that brought nothing.
    fn paused(&self, want: Want, at: UnixMillis) -> UnixMillis {
        let Some(not_before) = self.attempts.not_before else { return at };
        let Some(asked_to) = self.attempts.asked_to else { return at.max(not_before) };
        let grid = self.rules.grid;
        // A candle that nobody asked for yet doesn't wait because an older one is not there.
        let newer = grid.after(grid.after(asked_to)).after(self.rules.grace);
        match want.purpose {
            _ if want.span.last > asked_to => at,
            Purpose::Overdue => at.max(not_before.min(newer)),
            Purpose::Confirm | Purpose::Gap | Purpose::Warmup => at.max(not_before),
        }
    }

    /// Candles are missing before one that waits.
    fn gap(&self) -> Option<(Want, UnixMillis)> {
        let (next, waiting) = (self.next()?, *self.waiting.first_key_value()?.0);
        if waiting <= next {
            return None;
        }
        let first = self.first_asked(next);
        // Where empty candles are left out, only the row of the one that waits shows that REST has come so far.
        let last = if self.rules.omits_empty { waiting } else { self.rules.grid.before(waiting) };
        let want = Want { span: Span { first, last }, purpose: Purpose::Gap };
        Some((want, self.attempts.gap_since.unwrap_or(next)))
    }

    /// The feed has gone on to a later candle.
    fn cued(&self) -> Option<(Want, UnixMillis)> {
        let (next, cue) = (self.next()?, self.cue?);
        let over = self.rules.grid.before(cue.later);
        if over < next {
            return None;
        }
        let is_due = match self.rules.closing {
            // The closing message is still to come, and REST is believed no sooner than when it is overdue.
            Closing::Marked => false,
            Closing::Rest => self.is_expected(Span { first: next, last: over }),
            // REST is believed before the grace period is over only where the feed told all.
            Closing::Followed { .. } => self.observed.whole_before(cue.later).next().is_some(),
        };
        let is_quiet = self.quiet_to.is_some_and(|quiet_to| over <= quiet_to);
        if !is_due || is_quiet || cue.unconfirmed {
            return None;
        }
        let is_followed = matches!(self.rules.closing, Closing::Followed { .. });
        let last = if is_followed && self.rules.omits_empty { cue.later } else { over };
        let want = Want { span: Span { first: self.first_asked(next), last }, purpose: Purpose::Confirm };
        Some((want, cue.at))
    }

    /// The clock says that a candle is over.
    fn overdue(&self, now: UnixMillis) -> Option<(Want, UnixMillis)> {
        let (next, grid) = (self.next()?, self.rules.grid);
        let first = self.first_open(next);
        let is_soon = self.rules.closing == Closing::Rest && self.is_expected(Span { first, last: first });
        let delay = if is_soon { SOON } else { self.rules.grace };
        let last = grid.newest_over(before(now, delay)).max(first);
        // Nothing is asked while the market is shut, and all of it when it has opened again.
        let end = grid.after(last);
        let end = if self.rules.calendar.is_shut(first, end) {
            grid.after(grid.floor(self.rules.calendar.opens_after(end)))
        } else {
            end
        };
        let last = grid.before(end);
        let want = Want { span: Span { first: self.first_asked(next), last }, purpose: Purpose::Overdue };
        Some((want, end.after(delay)))
    }

    /// The first candle that is not quiet.
    fn first_open(&self, next: UnixMillis) -> UnixMillis {
        self.quiet_to.map_or(next, |quiet_to| self.rules.grid.after(quiet_to).max(next))
    }

    /// Where a question begins: quiet candles, which REST may show late, are asked for again, but not without end.
    fn first_asked(&self, next: UnixMillis) -> UnixMillis {
        let again = self.rules.grid.timeframe().duration() * AGAIN_MAX;
        self.quiet_to.map_or(next, |quiet_to| before(quiet_to, again).max(next))
    }

    /// Whether there is anything to be had: something happened, or may have happened unseen.
    fn is_expected(&self, Span { first, last }: Span) -> bool {
        !self.rules.omits_empty || self.observed.is_active(first, last) || !self.observed.is_unbroken_since(first)
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
                let is_shut = self.rules.calendar.is_shut(missing.first, self.rules.grid.after(missing.last));
                // A gap that is filled page by page is told of once.
                if !is_shut && self.gap_to < Some(missing.last) {
                    steps.push(Step::Gap(missing));
                }
                self.gap_to = self.gap_to.max(Some(missing.last));
            }
            Some(_) => {}
        }
    }

    /// Passes over what REST could not show in time.
    pub(super) fn give_up(&mut self, now: UnixMillis, steps: &mut Vec<Step>) {
        if self.gap_deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let waiting = self.waiting.first_key_value().map(|(waiting, _)| *waiting);
        self.drain(waiting, steps);
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
        // Only answers say that something is not there; one that is under way is waited for.
        let since = self.attempts.absent_since.filter(|_| self.job.is_none())?;
        Some(since.after(self.patience()))
    }

    fn before_waiting(&self, last: UnixMillis) -> UnixMillis {
        self.waiting.first_key_value().map_or(last, |(waiting, _)| last.min(self.rules.grid.before(*waiting)))
    }

    /// Notes how a question ended that decided nothing, and when the next may be asked.
    pub(super) fn missed(&mut self, job: Job, failed: bool, now: UnixMillis) {
        let seconds = Duration::from_secs;
        let pause = match (job.want.purpose, self.rules.closing) {
            _ if failed => [seconds(1), seconds(15)],
            (Purpose::Confirm, Closing::Followed { .. }) => [Duration::from_millis(250), seconds(1)],
            (_, Closing::Rest) if self.observed.is_active(job.want.span.first, job.want.span.last) => [SOON_AGAIN; 2],
            (Purpose::Gap, _) => [Duration::from_millis(500), seconds(5)],
            (Purpose::Confirm | Purpose::Overdue | Purpose::Warmup, _) => [seconds(1), seconds(15)],
        };
        if let Some(believed_at) = job.believed_at.filter(|believed_at| *believed_at > now) {
            self.attempts.wait(believed_at, job.want.span.last);
        } else {
            let is_absent = !failed && job.doubted.is_none();
            self.attempts.miss(now, (!failed).then_some(job.want.span.last), is_absent, pause);
        }
        let is_gap = self.gap().is_some();
        if failed || is_gap || job.want.purpose == Purpose::Warmup {
            return;
        }
        let Some(first) = self.next().map(|next| self.first_open(next)) else { return };
        let grid = self.rules.grid;
        let last = job.want.span.last.min(grid.newest_over(now));
        let is_expected = self.is_expected(Span { first, last }) || job.doubted.is_some_and(|doubted| doubted <= last);
        // The answer tells what there was when it was asked for.
        let until = if is_expected { before(now, self.patience()) } else { before(job.asked_at, self.rules.grace) };
        let quiet_to = grid.newest_over(until).min(last);
        if quiet_to >= first {
            self.quiet_to = Some(quiet_to);
        }
        if quiet_to == last {
            self.attempts = Attempts::default();
        }
    }
}

/// The instant `span` earlier; saturates.
fn before(time: UnixMillis, span: Duration) -> UnixMillis {
    UnixMillis(time.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}
