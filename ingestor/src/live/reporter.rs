//! What a source says and counts: one event, one function, each kind of fault once until it is over.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;

use crate::discard::Discard;
use crate::grid::Grid;
use crate::live::journal::Journal;
use crate::live::metrics::VenueMetrics;
use crate::live::sequence::Refused;
use crate::rest::walk::Requested;
use crate::venue::Span;
use crate::venue::answer::Failure;

/// The shortest time between two lines about the same that happens again and again.
const SAY_EVERY: Duration = Duration::from_mins(1);
/// How many series are named in one line.
const NAMED: usize = 3;
/// How many kinds of faults are remembered: a few for each series.
const KINDS_MAX: usize = 10_000;
/// How many kinds of unknown messages are said.
const MESSAGES_MAX: usize = 20;
/// What the journal calls a REST that does not answer.
const REST_AWAY: &str = "REST does not answer";

/// Says and counts what happens to one source.
#[derive(Debug)]
pub struct Reporter {
    name: &'static str,
    metrics: VenueMetrics,
    journal: Journal,
    /// What messages of no known kind were said; a venue may have any number of kinds.
    messages: Journal,
    /// When the venue was last said to want fewer requests.
    limited_said: Option<UnixMillis>,
    stale: BTreeSet<String>,
    /// When the stale series were said last, and how many they were.
    stale_said: Option<(UnixMillis, usize)>,
}

impl Reporter {
    /// Has nothing said yet.
    pub fn new(name: &'static str) -> Self {
        let (metrics, journal, messages) =
            (VenueMetrics::new(name), Journal::new(KINDS_MAX), Journal::new(MESSAGES_MAX));
        Self { name, metrics, journal, messages, limited_said: None, stale: BTreeSet::new(), stale_said: None }
    }

    /// A connection stands, `again` after it had been lost.
    pub fn connected(&mut self, connection: usize, series: usize, again: bool) {
        if again {
            self.metrics.reconnects.increment(1);
        }
        self.journal.is_over(&format!("connection {connection}"));
        tracing::info!(venue = self.name, "connected to the feed of {} ({series} series)", self.name);
    }

    /// A connection is over.
    pub fn disconnected(&self, reason: &str) {
        tracing::warn!(venue = self.name, "the feed of {} is lost, connecting again: {}", self.name, one_line(reason));
    }

    /// A connection can't be opened.
    pub fn unreachable(&mut self, connection: usize, reason: &str) {
        if self.journal.is_new(format!("connection {connection}")) {
            tracing::warn!(
                venue = self.name,
                "the feed of {} can't be reached, trying again: {}",
                self.name,
                one_line(reason)
            );
        }
    }

    /// Whether all connections stand.
    pub fn up(&self, all: bool) {
        self.metrics.up.set(if all { 1.0 } else { 0.0 });
    }

    /// A request ended.
    pub fn requested(&self, outcome: Requested) {
        self.metrics.requested(outcome);
    }

    /// The venue wants fewer requests.
    pub fn limited(&mut self, reason: &str, wait: Duration, now: UnixMillis) {
        if self.limited_said.is_none_or(|said| now >= said.after(SAY_EVERY)) {
            self.limited_said = Some(now);
            let (name, seconds) = (self.name, wait.as_secs());
            let reason = one_line(reason);
            tracing::warn!(venue = name, "{name} wants fewer requests ({reason}): none for {seconds} s");
        }
    }

    /// REST has answered for a series, or why it has not.
    pub fn answered(&mut self, series: &Series, failure: Option<&Failure>) {
        let name = self.name;
        match failure {
            None => {
                if self.journal.is_over(REST_AWAY) {
                    tracing::info!(venue = name, "the REST of {name} answers again");
                }
                if self.journal.is_over(&format!("refused {series}")) {
                    tracing::info!(series = %series, "{name} answers for {series} now");
                }
            }
            Some(Failure::UnknownSymbol(reason)) => {
                if self.journal.is_new(format!("refused {series}")) {
                    tracing::error!(series = %series, "{name} has no candles of {series}: {}", one_line(reason));
                }
            }
            Some(Failure::Refused(reason)) => {
                if self.journal.is_new(format!("refused {series}")) {
                    tracing::error!(series = %series, "{name} refuses to answer for {series}: {}", one_line(reason));
                }
            }
            Some(Failure::Unreadable(reason)) => {
                if self.journal.is_new(REST_AWAY) {
                    let reason = one_line(reason);
                    tracing::warn!(
                        venue = name,
                        "the REST of {name} answers what can't be read, it is asked again: {reason}"
                    );
                }
            }
            Some(failure) => {
                if self.journal.is_new(REST_AWAY) {
                    let reason = one_line(&failure.to_string());
                    tracing::warn!(venue = name, "the REST of {name} does not answer, it is asked again: {reason}");
                }
            }
        }
    }

    /// The venue refuses a subscription.
    pub fn refused(&mut self, symbol: Option<&str>, reason: &str) {
        let (name, symbol) = (self.name, symbol.unwrap_or("a symbol"));
        if self.journal.is_new(format!("subscription {symbol}")) {
            let reason = one_line(reason);
            tracing::error!(venue = name, "{name} refuses the subscription of {symbol}: {reason}");
        }
    }

    /// A candle or price can't be read.
    pub fn unusable(&mut self, symbol: Option<&str>, reason: &str) {
        self.metrics.discarded.count(Discard::Invalid, 1);
        if self.journal.is_new("unusable") {
            let (name, of) = (self.name, symbol.map_or_else(String::new, |symbol| format!(" of {symbol}")));
            tracing::warn!(venue = name, "{name} sent a candle or price{of} that can't be read: {}", one_line(reason));
        }
    }

    /// A candle or price is of what nobody subscribed.
    pub fn stranger(&mut self, symbol: &str) {
        self.metrics.discarded.count(Discard::Invalid, 1);
        if self.journal.is_new("stranger") {
            tracing::warn!(
                venue = self.name,
                "{} sent a candle or price of {symbol:?}, which nobody subscribed",
                self.name
            );
        }
    }

    /// A message is of no known kind.
    pub fn unknown(&mut self, kind: &str) {
        if self.messages.is_new(kind) {
            tracing::warn!(venue = self.name, "{} sent a message that is not known: {kind:?}", self.name);
        }
    }

    /// A candle is not used.
    pub fn discarded(&mut self, series: &Series, error: &Refused) {
        let (discard, kind) = match error {
            Refused::Forming => return self.metrics.discarded.count(Discard::Forming, 1),
            Refused::Duplicate => return self.metrics.discarded.count(Discard::Duplicate, 1),
            Refused::Late => return self.metrics.discarded.count(Discard::OutOfOrder, 1),
            Refused::Candle(_) => (Discard::Invalid, "impossible"),
            Refused::OffGrid(_) => (Discard::Invalid, "off the grid"),
            Refused::Ahead(_) => (Discard::Invalid, "ahead"),
        };
        self.metrics.discarded.count(discard, 1);
        if self.journal.is_new(kind) {
            tracing::warn!(series = %series, "{series}: a candle is refused: {error}");
        }
    }

    /// Candles are missing before one that is closed.
    pub fn gap(&self, series: &Series, grid: Grid, span: Span) {
        let (count, first) = (grid.count(span.first, span.last), span.first.rfc3339());
        tracing::info!(series = %series, "{series}: {}, from {first} on: REST is asked", missing(count));
    }

    /// Candles are passed over.
    pub fn hole(&self, series: &Series, grid: Grid, span: Span) {
        let (name, count, first) = (self.name, grid.count(span.first, span.last), span.first.rfc3339());
        tracing::warn!(series = %series, "{series}: {}, from {first} on, also at {name}: passed over", missing(count));
    }

    /// The venue has less history than is wanted.
    pub fn short_history(&self, series: &Series, found: u32, wanted: u32) {
        tracing::warn!(series = %series, "{series}: {} has {found} of {wanted} candles of history", self.name);
    }

    /// The feed tells nothing of a series that is traded.
    pub fn unheard(&self, series: &Series) {
        tracing::warn!(series = %series, "{series}: REST shows trades of which the feed tells nothing");
    }

    /// The venue changed a candle that is out.
    pub fn revised(&mut self, series: &Series, open_time: UnixMillis) {
        if self.journal.is_new("revised") {
            let time = open_time.rfc3339();
            tracing::warn!(series = %series, "{series}: the venue changed the candle of {time} after it had closed");
        }
    }

    /// No candle of a series has come for two candles' time, or one has again.
    pub fn stale(&mut self, series: &Series, is_stale: bool) {
        if is_stale {
            self.stale.insert(series.to_string());
        } else {
            self.stale.remove(series.as_str());
        }
        self.metrics.stale.set(self.stale.len() as f64);
    }

    /// Says which series are stale, where that has changed and was not said just now. Answers with when there may be
    /// something to say.
    pub fn say_stale(&mut self, now: UnixMillis) -> Option<UnixMillis> {
        let (said_at, said) = self.stale_said.map_or((None, 0), |(at, count)| (Some(at), count));
        let count = self.stale.len();
        if count == said {
            return None;
        }
        if let Some(due) = said_at.map(|at| at.after(SAY_EVERY)).filter(|due| *due > now && count > 0) {
            return Some(due);
        }
        self.stale_said = Some((now, count));
        let name = self.name;
        if count == 0 {
            tracing::info!(venue = name, "{name}: candles of all series come again");
        } else {
            let shown: Vec<&str> = self.stale.iter().take(NAMED).map(String::as_str).collect();
            let others = count.saturating_sub(NAMED);
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            tracing::warn!(
                venue = name,
                "{name}: no candle for longer than two should take: {}{more}",
                shown.join(", ")
            );
        }
        None
    }
}

/// A venue's words, as they can stand in a line.
fn one_line(words: &str) -> String {
    /// As many characters as a line has room for.
    const SHOWN: usize = 200;
    words.chars().take(SHOWN).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn missing(count: u64) -> impl Display {
    format!("{count} candle{} missing", if count == 1 { " is" } else { "s are" })
}
