//! One series on its way from a venue into the stream: which candles are closed, which are missing, what goes out.
//!
//! A pure machine: messages, answers and the time go in, steps come out. Its invariants, whatever goes in:
//!
//! * candles go out in open-time order, none twice, none before it is over: by this clock, or by the venue's word where
//!   its clock is a little ahead;
//! * a candle goes out once the venue said that it is closed, or once REST shows it after the grace period, or, on
//!   venues without a closing message, once the feed has gone on to a later one ([`Closing::Followed`]);
//! * none is passed over unless the venue has shown a later one without it, or could not show it for
//!   [`Sequence::patience`].
//!
//! [`plan`] decides what is asked of REST and when, [`answer`] what an answer means, [`cue`] when the feed's own word
//! counts. It neither asks nor publishes.

mod answer;
mod cue;
mod early;
mod input;
mod observed;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use candlewire_common::candle::{CandleError, ClosedCandle};
use candlewire_common::time::UnixMillis;

pub use self::answer::Ended;
use self::answer::Warming;
use self::cue::Cue;
use self::early::Early;
use self::observed::Observed;
use self::plan::{Attempts, Job};
pub use self::plan::{Purpose, Want};
use crate::grid::Grid;
use crate::venue::profile::{Closing, Hours};
use crate::venue::{Live, Span};

/// The most closed candles that wait for an older one; later ones come back by REST.
const WAITING_MAX: usize = 1_000;
/// For how many candles nobody may trade, where empty ones are left out, and for how long at least.
const QUIET_CANDLES: u32 = 30;
const QUIET_AT_LEAST: Duration = Duration::from_hours(1);
/// How many candles with trades REST must have shown, of which the feed told nothing, until the feed counts as dead;
/// twice as many each time that another connection did not help.
const UNHEARD_MAX: u32 = 3;
/// How often that is doubled.
const DOUBLINGS_MAX: u32 = 5;

/// What a series is, as far as its candles' way goes.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Its open times.
    pub grid: Grid,
    /// How the venue tells that a candle is closed.
    pub closing: Closing,
    /// What the feed carries for it.
    pub live: Live,
    /// Whether the venue's REST leaves out candles without trades.
    pub omits_empty: bool,
    /// When the venue trades.
    pub calendar: Hours,
    /// How long after a candle's end its closing message is waited for.
    pub grace: Duration,
    /// How many closed candles are wanted before the first live one.
    pub warmup: u32,
}

/// One series on its way.
#[derive(Debug)]
pub struct Sequence {
    rules: Rules,
    stage: Stage,
    /// Closed candles that can't go out yet.
    waiting: BTreeMap<UnixMillis, ClosedCandle>,
    /// Candles that are called closed before they are over.
    early: Early,
    observed: Observed,
    /// The sign that time has moved on.
    cue: Option<Cue>,
    job: Option<Job>,
    jobs: u64,
    attempts: Attempts,
    /// The last missing candle of which a [`Step::Gap`] told.
    gap_to: Option<UnixMillis>,
    /// Up to here REST was asked, had nothing, and nothing says that there is anything.
    quiet_to: Option<UnixMillis>,
    /// The last candle that went out.
    last: Option<ClosedCandle>,
    unheard: Unheard,
    is_stale: bool,
    /// How far it was when it last got on, and when that was.
    moved: (Option<UnixMillis>, UnixMillis),
}

/// What REST showed since the feed told anything.
#[derive(Clone, Copy, Debug, Default)]
struct Unheard {
    /// Candles with trades, since another connection was asked for.
    candles: u32,
    /// How often another connection was asked for.
    renewals: u32,
}

/// How far a series is.
#[derive(Debug)]
enum Stage {
    /// It is not known what Redis holds.
    Idle,
    /// Redis holds nothing: history is gathered.
    Warming(Warming),
    /// Every candle up to the given one is decided.
    Following(UnixMillis),
}

/// What follows from an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The candle goes out.
    Publish(ClosedCandle, Learned),
    /// Candles are missing before one that is closed; REST is asked for them.
    Gap(Span),
    /// The venue has no candles here, though it should: they are passed over.
    Hole(Span),
    /// The history is there.
    Warmed {
        /// Candles found.
        found: u32,
        /// Candles wanted.
        wanted: u32,
    },
    /// REST keeps showing trades of which the feed tells nothing.
    Unheard,
    /// No closed candle has come for two candles' time.
    Stale,
    /// Candles come again.
    Fresh,
    /// The venue changed a candle that is already out.
    Revised(UnixMillis),
}

/// How a candle came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The feed.
    Feed,
    /// REST.
    Rest,
}

/// Why a message or a row is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is about a bar that still forms.
    #[error("the bar still forms")]
    Forming,
    /// It is about the candle that went out last, or one that waits.
    #[error("the candle is known")]
    Duplicate,
    /// It is about a candle before the one that went out last.
    #[error("a later candle is out")]
    Late,
    /// No such bar can have been.
    #[error(transparent)]
    Candle(#[from] CandleError),
    /// Its candles begin at other times.
    #[error("open_time {0} is not on the grid of its timeframe")]
    OffGrid(UnixMillis),
    /// It tells of the future.
    #[error("open_time {0} is ahead of the clock")]
    Ahead(UnixMillis),
}

impl Sequence {
    /// Begins without knowing what Redis holds; what the feed tells meanwhile is kept.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            stage: Stage::Idle,
            waiting: BTreeMap::new(),
            early: Early::default(),
            observed: Observed::default(),
            cue: None,
            job: None,
            jobs: 0,
            attempts: Attempts::default(),
            gap_to: None,
            quiet_to: None,
            last: None,
            unheard: Unheard::default(),
            is_stale: false,
            moved: (None, UnixMillis(0)),
        }
    }

    /// What it keeps to.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether its history is still gathered, or not even begun.
    pub fn is_warming(&self) -> bool {
        !matches!(self.stage, Stage::Following(_))
    }

    /// Begins anew after the newest candle that Redis holds; without one, with as much history as is wanted. An
    /// answer that is under way no longer counts.
    pub fn resume(&mut self, held: Option<UnixMillis>, now: UnixMillis) {
        (self.job, self.gap_to, self.quiet_to, self.attempts) = (None, None, None, Attempts::default());
        self.unheard = Unheard::default();
        self.stage = match held {
            Some(held) => Stage::Following(self.rules.grid.floor(held)),
            None => self.warming(now),
        };
        if let Stage::Following(settled) = self.stage {
            self.forget_to(settled);
        }
        self.moved = (self.settled(), now);
    }

    /// Notes that the feed is there from now on. Then REST may be there again, too: what failed is asked at once.
    pub fn connected(&mut self, now: UnixMillis) {
        self.observed.connected(now);
        self.attempts.retry();
    }

    /// Notes that something the feed told could not be used: what it builds of trades may lack some.
    pub fn distrust(&mut self, now: UnixMillis) {
        if self.rules.live == Live::Trades {
            self.observed.distrust(now);
        }
    }

    /// Notes that messages may have been missed.
    pub fn interrupted(&mut self) {
        self.observed.interrupted();
    }

    /// Lets out what can go out at `now`, and notes what is missing. To be called after every input, and when
    /// [`Sequence::wake_at`] has come.
    pub fn advance(&mut self, now: UnixMillis, steps: &mut Vec<Step>) {
        while let Some(candle) = self.early.take(self.rules.grid, now) {
            // One that was decided meanwhile is of no use any more.
            let _ = self.closed(candle);
        }
        self.take_own(now);
        self.drain(None, steps);
        self.begin_gap(now, steps);
        self.give_up(now, steps);
        self.watch(now, steps);
    }

    /// How long a candle that must be there is waited for, counted from its end or from the first question.
    pub fn patience(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_mins(1);
        const LONGEST: Duration = Duration::from_mins(10);
        (self.rules.grid.timeframe().duration() * 5).clamp(SHORTEST, LONGEST)
    }

    fn settled(&self) -> Option<UnixMillis> {
        match self.stage {
            Stage::Following(settled) => Some(settled),
            Stage::Idle | Stage::Warming(_) => None,
        }
    }

    /// The next candle that is not decided.
    fn next(&self) -> Option<UnixMillis> {
        self.settled().map(|settled| self.rules.grid.after(settled))
    }

    /// Lets waiting candles out that follow without a gap; with `shown`, also those up to it, since what lies
    /// between is known not to be there.
    fn drain(&mut self, shown: Option<UnixMillis>, steps: &mut Vec<Step>) {
        while let (Some(next), Some(first)) = (self.next(), self.waiting.first_entry()) {
            let open_time = *first.key();
            let is_shown = shown.is_some_and(|shown| open_time <= shown);
            // A closing message holds good though REST, asked once, had nothing of an empty candle before it; what
            // only goes on to a later candle may have lost one without a trace.
            let is_quiet = self.rules.omits_empty
                && self.rules.closing == Closing::Marked
                && self.quiet_to.is_some_and(|to| open_time <= self.rules.grid.after(to));
            if open_time > next && !is_shown && !is_quiet {
                return;
            }
            let candle = first.remove();
            if open_time > next {
                self.note_hole(Span { first: next, last: self.rules.grid.before(open_time) }, steps);
            }
            if open_time >= next {
                self.publish(candle, Learned::Feed, steps);
            }
        }
    }

    fn publish(&mut self, candle: ClosedCandle, learned: Learned, steps: &mut Vec<Step>) {
        if self.is_stale {
            self.is_stale = false;
            steps.push(Step::Fresh);
        }
        steps.push(Step::Publish(candle, learned));
        self.last = Some(candle);
        self.settle(candle.open_time());
    }

    /// Decides every candle up to `settled`.
    fn settle(&mut self, settled: UnixMillis) {
        self.stage = Stage::Following(settled);
        self.attempts.progress();
        self.forget_to(settled);
    }

    fn forget_to(&mut self, settled: UnixMillis) {
        self.waiting = self.waiting.split_off(&UnixMillis(settled.0.saturating_add(1)));
        self.observed.settle(settled);
        let next = self.rules.grid.after(settled);
        self.cue = self.cue.filter(|cue| cue.later > next);
    }

    /// Notes that a series without news is stale, once.
    fn watch(&mut self, now: UnixMillis, steps: &mut Vec<Step>) {
        if self.moved.0 != self.settled() {
            self.moved = (self.settled(), now);
        }
        if self.stale_at().is_some_and(|stale_at| stale_at <= now) {
            self.is_stale = true;
            steps.push(Step::Stale);
        }
    }

    /// When the series becomes stale; `None` where it is, or where nothing needs to happen.
    fn stale_at(&self) -> Option<UnixMillis> {
        let next = self.next()?;
        if self.is_stale {
            return None;
        }
        // The end of the next candle is one timeframe after the last one's.
        let grid = self.rules.grid;
        let overdue = self.rules.calendar.opens_after(grid.after(grid.after(next))).after(self.rules.grace);
        // One that has just got on, if only by a resume, is catching up.
        let overdue = overdue.max(self.moved.1.after(grid.timeframe().duration() * 2));
        // Where nobody trades for a while, there is nothing; for long, there is something wrong.
        let quiet = (grid.timeframe().duration() * QUIET_CANDLES).max(QUIET_AT_LEAST);
        Some(if self.rules.omits_empty { self.rules.calendar.opens_after(overdue.after(quiet)) } else { overdue })
    }
}
