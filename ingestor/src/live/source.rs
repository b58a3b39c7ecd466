//! One venue's source: what its feeds and its REST tell goes to the series' sequences, what comes out of them to the
//! outboxes.
//!
//! One task, which never waits but for the next thing to happen. It decides nothing about candles: that is the
//! sequences' business.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::feed::News;
use crate::live::connection::{Connection, State};
use crate::live::progress::WarmupProgress;
use crate::live::reporter::Reporter;
use crate::live::sequence::{Ended, Learned, Purpose, Step};
use crate::live::track::Track;
use crate::live::wakes::Wakes;
use crate::live::walks::{Brought, Delivery, Turn, Walks};
use crate::rest::walk::Page;
use crate::venue::event::Event;
use crate::venue::profile::Closing;
use crate::venue::{Live, Venue, any_pager};

/// How long to sleep where nothing is due.
const IDLE: Duration = Duration::from_hours(1);
/// How long a connection is given until it is taken to bring every trade.
const SETTLED: Duration = Duration::from_secs(5);

/// One venue's source.
#[derive(Debug)]
pub struct Source {
    venue: Arc<dyn Venue>,
    clock: Clock,
    tracks: Vec<Track>,
    connections: Vec<Connection>,
    /// The series of each symbol that the feed may tell of.
    symbols: HashMap<Box<str>, Vec<usize>>,
    wakes: Wakes,
    walks: Walks,
    results: mpsc::Receiver<Delivery>,
    news: mpsc::Receiver<(usize, News)>,
    attention: Arc<Notify>,
    reporter: Reporter,
    progress: WarmupProgress,
    steps: Vec<Step>,
}

/// What a source is made of.
#[derive(Debug)]
pub struct Parts {
    /// The series.
    pub tracks: Vec<Track>,
    /// The connections that carry them.
    pub connections: Vec<Connection>,
    /// What the connections tell.
    pub news: mpsc::Receiver<(usize, News)>,
    /// Notified when a series is rewound.
    pub attention: Arc<Notify>,
    /// Shows how far the warm-up is.
    pub progress: WarmupProgress,
}

impl Source {
    /// Puts a source together.
    pub fn new(walks: (Walks, mpsc::Receiver<Delivery>), clock: Clock, parts: Parts) -> Self {
        let Parts { tracks, connections, news, attention, progress } = parts;
        let (walks, results) = walks;
        let venue = Arc::clone(walks.client().venue());
        let mut symbols: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (index, track) in tracks.iter().enumerate().filter(|(_, track)| track.connection.is_some()) {
            symbols.entry(track.subscription.symbol.as_str().into()).or_default().push(index);
        }
        let reporter = Reporter::new(venue.profile().name);
        Self {
            venue,
            clock,
            tracks,
            connections,
            symbols,
            wakes: Wakes::default(),
            walks,
            results,
            news,
            attention,
            reporter,
            progress,
            steps: Vec::new(),
        }
    }

    /// Works until `stop`.
    ///
    /// # Errors
    ///
    /// That a task of its own broke off.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        loop {
            self.walks.check()?;
            self.on_time();
            self.ask();
            let now = self.clock.now();
            let say_at = self.reporter.say_stale(now);
            let due = self.wakes.next();
            let wake =
                say_at.into_iter().chain(due).chain(self.walks.room_at(now)).min().unwrap_or_else(|| now.after(IDLE));
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = self.attention.notified() => self.take_rewinds(),
                // Answers are few: a feed that floods must not keep them waiting.
                Some(delivery) = self.results.recv() => self.take(delivery),
                Some((number, news)) = self.news.recv() => self.hear(number, news),
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    fn take_rewinds(&mut self) {
        let now = self.clock.now();
        for index in 0..self.tracks.len() {
            let was_idle = self.tracks[index].sequence.is_warming();
            if self.tracks[index].take_rewind(now) {
                self.walks.cancel(index);
                if was_idle && !self.tracks[index].sequence.is_warming() {
                    self.progress.warmed(0);
                }
                self.advance(index, now);
            }
        }
    }

    fn on_time(&mut self) {
        let now = self.clock.now();
        while let Some(index) = self.wakes.take_due(now) {
            self.advance(index, now);
        }
    }

    /// Asks the most urgent questions, as many as may be asked at once.
    fn ask(&mut self) {
        let now = self.clock.now();
        while let Some(turn) = self.walks.turn() {
            let Turn::Ask(index) = turn else { continue };
            let track = &mut self.tracks[index];
            let want = track.sequence.wants(now);
            let pager = want.and_then(|want| any_pager(&self.venue, &track.subscription, want.span, now));
            // Whether a timeframe can be had was checked at the start.
            let (Some(want), Some(pager)) = (want, pager) else {
                self.wakes.set(index, track.sequence.wake_at(now));
                continue;
            };
            let (series, first, last) = (&track.series, want.span.first.rfc3339(), want.span.last.rfc3339());
            tracing::debug!(series = %series, "{series}: asking for {first} to {last}");
            let id = track.sequence.ask(want, now);
            self.walks.start(index, id, want.purpose, pager, Arc::clone(track.outbox()), now);
        }
    }

    /// Lets out what a series can let out, and notes what it needs next.
    fn advance(&mut self, index: usize, now: UnixMillis) {
        let mut steps = std::mem::take(&mut self.steps);
        self.tracks[index].sequence.advance(now, &mut steps);
        self.follow_all(index, steps, now);
        let sequence = &mut self.tracks[index].sequence;
        if let Some(want) = sequence.wants(now) {
            let is_timed = matches!(sequence.rules().closing, Closing::Followed { patience: Some(_) });
            if want.purpose == Purpose::Confirm && is_timed && !self.walks.has_spare() {
                sequence.unconfirmed();
            }
        }
        let wake = match sequence.wants(now) {
            Some(want) => {
                self.walks.push(want.purpose, now, index);
                sequence.timer_at()
            }
            None => sequence.wake_at(now),
        };
        // What is due now was done: it is not done again before time has passed.
        self.wakes.set(index, wake.map(|at| at.max(UnixMillis(now.0 + 1))));
    }

    fn follow(&mut self, index: usize, step: Step, now: UnixMillis) {
        let Track { series, sequence, metrics, connection, .. } = &self.tracks[index];
        let grid = sequence.rules().grid;
        match step {
            Step::Publish(candle, learned) => {
                if learned == Learned::Rest {
                    metrics.backfilled();
                }
                let open_time = candle.open_time();
                tracing::debug!(series = %series, open_time = open_time.0, "{series}: {} is closed", open_time.rfc3339());
                for (longer, candle) in self.tracks[index].publish(candle) {
                    self.derive(longer, candle, now);
                }
            }
            Step::Gap(span) => {
                metrics.gap();
                self.reporter.gap(series, grid, span);
            }
            Step::Hole(span) => {
                self.reporter.hole(series, grid, span);
                self.tracks[index].pass_over(span.last);
            }
            Step::Warmed { found, wanted } => {
                self.progress.warmed(found);
                if found < wanted {
                    self.reporter.short_history(series, found, wanted);
                }
            }
            Step::Unheard => {
                self.reporter.unheard(series);
                if let Some(connection) = connection {
                    self.connections[*connection].renew.notify_one();
                }
            }
            Step::Stale => self.reporter.stale(series, true),
            Step::Fresh => self.reporter.stale(series, false),
            Step::Revised(open_time) => self.reporter.revised(series, open_time),
        }
    }

    /// A longer candle, built from those that went out.
    fn derive(&mut self, index: usize, candle: ClosedCandle, now: UnixMillis) {
        // One that REST has given before is a repeat.
        if self.tracks[index].sequence.closed(candle).is_ok() {
            self.advance(index, now);
        }
    }

    /// Takes what a walk brought.
    fn take(&mut self, (index, id, brought): Delivery) {
        let now = self.clock.now();
        match brought {
            Brought::Requested(outcome) => self.reporter.requested(outcome),
            Brought::Limited(reason, wait) => self.reporter.limited(&reason, wait, now),
            Brought::Page(walk, page) => {
                if let Ok(page) = &page {
                    self.take_rows(index, id, page, now);
                }
                let counts = page.is_ok() && self.tracks[index].sequence.is_asking(id);
                if !self.walks.paged(index, walk, counts, now) {
                    let outcome = if page.is_ok() { Ended::Answered } else { Ended::Failed };
                    let mut steps = std::mem::take(&mut self.steps);
                    self.tracks[index].sequence.ended(id, outcome, now, &mut steps);
                    self.follow_all(index, steps, now);
                }
                self.reporter.answered(&self.tracks[index].series, page.err().as_ref());
                self.advance(index, now);
            }
        }
    }

    fn take_rows(&mut self, index: usize, id: u64, page: &Page, now: UnixMillis) {
        let Page { rows, venue_time } = page;
        let (mut steps, mut refused) = (std::mem::take(&mut self.steps), Vec::new());
        let track = &mut self.tracks[index];
        track.metrics.fetched(rows.len());
        track.sequence.rows(id, rows, *venue_time, now, &mut steps, |error| refused.push(error));
        self.follow_all(index, steps, now);
        for error in refused {
            self.reporter.discarded(&self.tracks[index].series, &error);
        }
    }

    /// Follows steps, and keeps their room for the next ones.
    fn follow_all(&mut self, index: usize, mut steps: Vec<Step>, now: UnixMillis) {
        for step in steps.drain(..) {
            self.follow(index, step, now);
        }
        self.steps = steps;
    }

    /// Takes the news of a connection.
    fn hear(&mut self, number: usize, news: News) {
        let now = self.clock.now();
        match news {
            News::Up => {
                let Connection { state, series, .. } = &self.connections[number];
                self.reporter.connected(number, series.len(), *state == State::Down);
                self.set(number, State::Up(now));
                // Whole bars need no beginning; of trades, those before the first message may be missing.
                self.connected(number, now, |live| live != Live::Trades);
            }
            News::Down(reason) => {
                self.set(number, State::Down);
                self.reporter.disconnected(&reason);
                self.interrupted(number);
            }
            News::Refused(reason) => self.reporter.unreachable(number, &reason),
            News::Told(event) => self.listen(number, event, now),
        }
    }

    fn set(&mut self, number: usize, state: State) {
        self.connections[number].state = state;
        let all = self.connections.iter().all(Connection::stands);
        self.reporter.up(all);
    }

    fn connected(&mut self, number: usize, now: UnixMillis, those: impl Fn(Live) -> bool) {
        for index in self.connections[number].series.clone() {
            let sequence = &mut self.tracks[index].sequence;
            if those(sequence.rules().live) {
                sequence.connected(now);
                self.advance(index, now);
            }
        }
    }

    fn interrupted(&mut self, number: usize) {
        for index in self.connections[number].series.clone() {
            self.tracks[index].sequence.interrupted();
        }
    }

    /// Takes what the venue told over a connection.
    fn listen(&mut self, number: usize, event: Event, now: UnixMillis) {
        if let State::Up(since) = self.connections[number].state
            && (event.is_data() || (matches!(event, Event::Alive) && now >= since.after(SETTLED)))
        {
            self.set(number, State::Complete);
            // The venue's clock may be a little ahead: what began before its trades came is not whole.
            self.connected(number, now.after(SETTLED), |live| live == Live::Trades);
        }
        match event {
            Event::Bar { symbol, timeframe, open_time, bar, closed } => {
                let Some(index) = self.find(&symbol, timeframe) else { return self.reporter.stranger(&symbol) };
                let Track { series, sequence, metrics, .. } = &mut self.tracks[index];
                metrics.received.increment(1);
                let heard = sequence.bar(open_time, bar, closed, now);
                if closed && sequence.revises(open_time, &bar) {
                    self.reporter.revised(series, open_time);
                }
                if let Err(error) = heard {
                    self.reporter.discarded(series, &error);
                }
                self.advance(index, now);
            }
            Event::Price { symbol, time, price, trade } => {
                let Some(indices) = self.symbols.get(&symbol).cloned() else { return self.reporter.stranger(&symbol) };
                for index in indices {
                    let Track { series, sequence, .. } = &mut self.tracks[index];
                    if sequence.rules().live == Live::Bars {
                        continue;
                    }
                    if let Err(error) = sequence.price(time, price, trade, now) {
                        sequence.distrust(now);
                        self.reporter.discarded(series, &error);
                    }
                    self.advance(index, now);
                }
            }
            Event::Refused { symbol, reason } => self.reporter.refused(symbol.as_deref(), &reason),
            Event::Unusable { symbol, reason } => {
                self.reporter.unusable(symbol.as_deref(), &reason);
                for index in symbol.and_then(|symbol| self.symbols.get(&symbol).cloned()).unwrap_or_default() {
                    self.tracks[index].sequence.distrust(now);
                }
            }
            Event::Unknown(kind) => self.reporter.unknown(&kind),
            Event::Lost => self.interrupted(number),
            Event::Alive | Event::Accepted | Event::Ending(_) => {}
        }
    }

    fn find(&self, symbol: &str, timeframe: Timeframe) -> Option<usize> {
        let is_it = |index: &usize| self.tracks[*index].subscription.timeframe == timeframe;
        self.symbols.get(symbol)?.iter().copied().find(is_it)
    }
}
