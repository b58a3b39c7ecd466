//! One venue's source: what its feeds and its REST tell goes to the series' sequences, what comes out of them to the
//! outboxes.
//!
//! One task, which never waits but for the next thing to happen. It decides nothing about candles: that is the
//! sequences' business.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::discard::Discard;
use crate::feed::News;
use crate::live::journal::Journal;
use crate::live::metrics::VenueMetrics;
use crate::live::progress::WarmupProgress;
use crate::live::sequence::{Ended, Learned, Purpose, Refused, Step};
use crate::live::track::Track;
use crate::live::walks::{Brought, Delivery, Walks};
use crate::venue::answer::{Failure, Row};
use crate::venue::event::Event;
use crate::venue::profile::Closing;
use crate::venue::{Live, Venue, any_pager};

/// How long to sleep where nothing is due.
const IDLE: Duration = Duration::from_hours(1);
/// After how long an accepted subscription is taken to bring every trade.
const SETTLED: Duration = Duration::from_secs(1);

/// A connection, as its source sees it.
#[derive(Debug)]
pub struct Connection {
    /// Asks for another one.
    pub renew: Arc<Notify>,
    /// The series it carries.
    pub series: Vec<usize>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It never stood.
    New,
    /// It stands since then, but may not bring everything yet.
    Up(UnixMillis),
    /// It brings everything.
    Complete,
    /// It is over.
    Down,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(renew: Arc<Notify>, series: Vec<usize>) -> Self {
        Self { renew, series, state: State::New }
    }
}

/// One venue's source.
#[derive(Debug)]
pub struct Source {
    venue: Arc<dyn Venue>,
    clock: Clock,
    tracks: Vec<Track>,
    connections: Vec<Connection>,
    /// The series of each symbol that the feed may tell of.
    symbols: HashMap<Box<str>, Vec<usize>>,
    wakes: BinaryHeap<Reverse<(UnixMillis, usize)>>,
    walks: Walks,
    results: mpsc::Receiver<Delivery>,
    news: mpsc::Receiver<(usize, News)>,
    attention: Arc<Notify>,
    journal: Journal,
    metrics: VenueMetrics,
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
        let metrics = VenueMetrics::new(venue.profile().name);
        Self {
            venue,
            clock,
            tracks,
            connections,
            symbols,
            wakes: BinaryHeap::new(),
            walks,
            results,
            news,
            attention,
            journal: Journal::default(),
            metrics,
            progress,
            steps: Vec::new(),
        }
    }

    /// Works until `stop`.
    ///
    /// # Errors
    ///
    /// None; it is a task.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        loop {
            self.on_time();
            self.ask();
            let wake = self.wakes.peek().map_or_else(|| self.clock.now().after(IDLE), |Reverse((at, _))| *at);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = self.attention.notified() => self.take_rewinds(),
                Some((number, news)) = self.news.recv() => self.hear(number, news),
                Some(delivery) = self.results.recv() => self.take(delivery),
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    fn name(&self) -> &'static str {
        self.venue.profile().name
    }

    fn take_rewinds(&mut self) {
        let now = self.clock.now();
        for index in 0..self.tracks.len() {
            let was_idle = self.tracks[index].sequence.is_warming();
            if self.tracks[index].take_rewind(now) {
                if was_idle && !self.tracks[index].sequence.is_warming() {
                    self.progress.warmed(0);
                }
                self.advance(index, now);
            }
        }
    }

    fn on_time(&mut self) {
        let now = self.clock.now();
        while let Some(Reverse((at, index))) = self.wakes.peek().copied() {
            if at > now {
                return;
            }
            self.wakes.pop();
            self.advance(index, now);
        }
    }

    /// Asks the most urgent questions, as many as may be asked at once.
    fn ask(&mut self) {
        let now = self.clock.now();
        while let Some(index) = self.walks.pop() {
            let track = &mut self.tracks[index];
            let Some(want) = track.sequence.wants(now) else { continue };
            let (subscription, span) = (&track.subscription, want.span);
            let pager = any_pager(&self.venue, subscription, span, now);
            // Whether a timeframe can be had was checked at the start.
            if let Some(pager) = pager {
                let id = track.sequence.ask(want, now);
                tracing::debug!(
                    series = %track.series,
                    "{}: asking for {} to {}", track.series, span.first.rfc3339(), span.last.rfc3339()
                );
                self.walks.start(index, id, pager, Arc::clone(track.outbox()));
            }
        }
    }

    /// Lets out what a series can let out, and notes what it needs next.
    fn advance(&mut self, index: usize, now: UnixMillis) {
        let mut steps = std::mem::take(&mut self.steps);
        self.tracks[index].sequence.advance(now, &mut steps);
        for step in steps.drain(..) {
            self.follow(index, step, now);
        }
        self.steps = steps;
        let sequence = &mut self.tracks[index].sequence;
        if let Some(want) = sequence.wants(now) {
            let is_timed = matches!(sequence.rules().closing, Closing::Followed { .. });
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
        if let Some(at) = wake {
            // What is due now was done: it is not done again before time has passed.
            self.wakes.push(Reverse((at.max(UnixMillis(now.0 + 1)), index)));
        }
    }

    fn follow(&mut self, index: usize, step: Step, now: UnixMillis) {
        let track = &mut self.tracks[index];
        let (series, connection) = (track.series.clone(), track.connection);
        match step {
            Step::Publish(candle, learned) => {
                if learned == Learned::Rest {
                    track.metrics.backfilled.increment(1);
                }
                tracing::debug!(series = %series, "{series}: {} is closed", candle.open_time().rfc3339());
                for (longer, candle) in self.tracks[index].publish(candle) {
                    self.derive(longer, candle, now);
                }
            }
            Step::Gap(span) => {
                track.metrics.gaps.increment(1);
                let count = track.sequence.rules().grid.count(span.first, span.last);
                tracing::info!(
                    series = %series,
                    "{series}: {count} candles are missing from {} on: REST is asked", span.first.rfc3339()
                );
            }
            Step::Hole(span) => tracing::warn!(
                series = %series,
                "{series}: {} has no candles from {} to {}: they are passed over",
                self.venue.profile().name, span.first.rfc3339(), span.last.rfc3339()
            ),
            Step::Warmed { found, wanted } => {
                self.progress.warmed(found);
                if found < wanted {
                    tracing::warn!(series = %series, "{series}: the venue has {found} of {wanted} candles of history");
                }
            }
            Step::Unheard => {
                if let Some(connection) = connection {
                    tracing::warn!(series = %series, "{series}: REST shows trades of which the feed tells nothing");
                    self.connections[connection].renew.notify_one();
                }
            }
            Step::Stale(settled) => tracing::warn!(
                series = %series,
                "{series}: no candle has come after that of {}", settled.rfc3339()
            ),
            Step::Fresh => tracing::info!(series = %series, "{series}: candles come again"),
            Step::Revised(open_time) => {
                if self.journal.is_new(format!("revised {series}")) {
                    tracing::warn!(
                        series = %series,
                        "{series}: the venue changed the candle of {} after it had closed", open_time.rfc3339()
                    );
                }
            }
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
            Brought::Requested(outcome) => self.metrics.requested(outcome),
            Brought::Limited(reason, wait) => {
                let (name, seconds) = (self.name(), wait.as_secs());
                tracing::warn!(venue = name, "{name} wants fewer requests ({reason}): none for {seconds} s");
            }
            Brought::Rows(rows) => {
                self.take_rows(index, id, &rows, now);
                self.advance(index, now);
            }
            Brought::Ended(ended) => {
                self.walks.ended();
                let outcome = if ended.is_ok() { Ended::Answered } else { Ended::Failed };
                self.report(index, ended.err());
                let mut steps = std::mem::take(&mut self.steps);
                self.tracks[index].sequence.ended(id, outcome, now, &mut steps);
                for step in steps.drain(..) {
                    self.follow(index, step, now);
                }
                self.steps = steps;
                self.advance(index, now);
            }
        }
    }

    fn take_rows(&mut self, index: usize, id: u64, rows: &[Row], now: UnixMillis) {
        let mut steps = std::mem::take(&mut self.steps);
        let mut refused = Vec::new();
        let track = &mut self.tracks[index];
        track.metrics.received.increment(rows.len() as u64);
        track.metrics.fetched.increment(rows.len() as u64);
        track.sequence.rows(id, rows, now, &mut steps, |error| refused.push(error));
        for step in steps.drain(..) {
            self.follow(index, step, now);
        }
        self.steps = steps;
        for error in refused {
            self.discard(index, &error);
        }
    }

    /// Says why REST did not answer, once, and once that it does again.
    fn report(&mut self, index: usize, failure: Option<Failure>) {
        let (name, series) = (self.name(), self.tracks[index].series.clone());
        let silent = "REST does not answer";
        match failure {
            None => {
                if self.journal.is_over(silent) {
                    tracing::info!(venue = name, "the REST of {name} answers again");
                }
                if self.journal.is_over(&format!("unknown {series}")) {
                    tracing::info!(series = %series, "{name} has candles of {series} now");
                }
            }
            Some(Failure::UnknownSymbol(reason)) => {
                if self.journal.is_new(format!("unknown {series}")) {
                    tracing::error!(series = %series, "{name} has no candles of {series}: {reason}");
                }
            }
            Some(failure @ Failure::Refused(_)) => {
                if self.journal.is_new(format!("{failure}")) {
                    tracing::error!(series = %series, "{name} refuses to answer for {series}: {failure}");
                }
            }
            Some(failure) => {
                if self.journal.is_new(silent) {
                    tracing::warn!(venue = name, "the REST of {name} does not answer, it is asked again: {failure}");
                }
            }
        }
    }

    /// Takes the news of a connection.
    fn hear(&mut self, number: usize, news: News) {
        let (now, name) = (self.clock.now(), self.name());
        match news {
            News::Up => {
                let again = self.connections[number].state == State::Down;
                self.set(number, State::Up(now));
                self.journal.is_over(&format!("down {number}"));
                if again {
                    self.metrics.reconnects.increment(1);
                }
                tracing::info!(venue = name, "connected to the feed of {name} ({})", self.carried(number));
                // Whole bars need no beginning; of trades, those before the first message may be missing.
                self.connected(number, now, |live| live != Live::Trades);
            }
            News::Down(reason) => {
                self.set(number, State::Down);
                tracing::warn!(venue = name, "the feed of {name} is lost, connecting again: {reason}");
                self.interrupted(number);
            }
            News::Refused(reason) => {
                if self.journal.is_new(format!("down {number}")) {
                    tracing::warn!(venue = name, "the feed of {name} can't be reached, trying again: {reason}");
                }
            }
            News::Told(event) => self.listen(number, event, now),
        }
    }

    fn carried(&self, number: usize) -> String {
        let count = self.connections[number].series.len();
        format!("{count} series")
    }

    fn set(&mut self, number: usize, state: State) {
        self.connections[number].state = state;
        let all = self.connections.iter().all(|connection| matches!(connection.state, State::Up(_) | State::Complete));
        self.metrics.up.set(if all { 1.0 } else { 0.0 });
    }

    fn connected(&mut self, number: usize, now: UnixMillis, those: impl Fn(Live) -> bool) {
        for index in self.connections[number].series.clone() {
            let sequence = &mut self.tracks[index].sequence;
            if those(sequence.rules().live) {
                sequence.connected(now);
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
            self.connected(number, now, |live| live == Live::Trades);
        }
        match event {
            Event::Bar { symbol, timeframe, open_time, bar, closed } => {
                let Some(index) = self.find(&symbol, |track| track.subscription.timeframe == timeframe) else {
                    return self.stranger(&symbol);
                };
                let track = &mut self.tracks[index];
                track.metrics.received.increment(1);
                let heard = track.sequence.bar(open_time, bar, closed, now);
                if closed && track.sequence.revises(open_time, &bar) {
                    self.follow(index, Step::Revised(open_time), now);
                }
                if let Err(error) = heard {
                    self.discard(index, &error);
                }
                self.advance(index, now);
            }
            Event::Price { symbol, time, price, trade } => {
                let Some(indices) = self.symbols.get(&symbol).cloned() else { return self.stranger(&symbol) };
                for index in indices {
                    let sequence = &mut self.tracks[index].sequence;
                    if sequence.rules().live == Live::Bars {
                        continue;
                    }
                    if let Err(error) = sequence.price(time, price, trade, now) {
                        self.discard(index, &error);
                    }
                    self.advance(index, now);
                }
            }
            Event::Refused { symbol, reason } => self.refused(symbol.as_deref(), &reason),
            Event::Unusable { symbol, reason } => {
                self.metrics.discarded.count(Discard::Invalid, 1);
                let (name, symbol) = (self.name(), symbol.as_deref().unwrap_or("some symbol"));
                if self.journal.is_new(format!("unusable {symbol}")) {
                    tracing::warn!(venue = name, "{name} told of {symbol} what can't be: {reason}");
                }
            }
            Event::Unknown(kind) => {
                let name = self.name();
                if self.journal.is_new(format!("message {kind}")) {
                    tracing::warn!(venue = name, "{name} sent a message that is not known: {kind:?}");
                }
            }
            Event::Lost => self.interrupted(number),
            Event::Alive | Event::Accepted | Event::Ending(_) => {}
        }
    }

    fn find(&self, symbol: &str, is_it: impl Fn(&Track) -> bool) -> Option<usize> {
        self.symbols.get(symbol)?.iter().copied().find(|index| is_it(&self.tracks[*index]))
    }

    /// A bar or price of what nobody subscribed.
    fn stranger(&mut self, symbol: &str) {
        self.metrics.discarded.count(Discard::Invalid, 1);
        let name = self.name();
        if self.journal.is_new("stranger") {
            tracing::warn!(venue = name, "{name} told of {symbol:?}, which nobody subscribed");
        }
    }

    fn refused(&mut self, symbol: Option<&str>, reason: &str) {
        let (name, symbol) = (self.name(), symbol.unwrap_or("a symbol"));
        if self.journal.is_new(format!("refused {symbol}")) {
            tracing::error!(venue = name, "{name} refuses the subscription of {symbol}: {reason}");
        }
    }

    /// Counts a bar that is not used; what is wrong with it is said once for each kind.
    fn discard(&mut self, index: usize, error: &Refused) {
        let (discard, kind) = match error {
            Refused::Forming => return self.metrics.discarded.count(Discard::Forming, 1),
            Refused::Duplicate => return self.metrics.discarded.count(Discard::Duplicate, 1),
            Refused::Late => return self.metrics.discarded.count(Discard::OutOfOrder, 1),
            Refused::Candle(_) => (Discard::Invalid, "impossible"),
            Refused::OffGrid(_) => (Discard::Invalid, "off the grid"),
            Refused::Ahead(_) => (Discard::Invalid, "ahead"),
        };
        self.metrics.discarded.count(discard, 1);
        let series = &self.tracks[index].series;
        if self.journal.is_new(format!("{kind} {series}")) {
            tracing::warn!(series = %series, "{series}: a candle is refused: {error}");
        }
    }
}
