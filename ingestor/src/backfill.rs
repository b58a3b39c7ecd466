//! `ingestor backfill`: a range of one series, fetched from its venue and published.
//!
//! Workers apply candles in open-time order, so only what follows the newest candle that Redis holds can be of use:
//! the range begins there. That makes it resumable: what an interrupted backfill has published, the next one leaves
//! out. Pages are published as they come, while the next ones are fetched.

use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::config::{Config, SourceConfig};
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::phrase::counted;
use candlewire_common::screen::Screen;
use candlewire_common::series::{Series, SeriesError};
use candlewire_common::shutdown;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::arguments::BackfillArgs;
use crate::clock::Clock;
use crate::course::Course;
use crate::grid::Grid;
use crate::progress::Progress;
use crate::publisher::{Publisher, Sent};
use crate::rest::client::RestClient;
use crate::rest::walk::{Requested, Sink, Witness, walk};
use crate::venue::answer::{Failure, Row, RowState};
use crate::venue::built::base_of;
use crate::venue::{self, Span, Subscription};

/// How many pages may wait to be published.
const PAGES_MAX: usize = 4;

/// What a walk brings.
enum Brought {
    Rows(Vec<Row>),
    Limited(String, Duration),
    Ended(Result<(), Failure>),
}

/// A range on its way from the venue to Redis.
struct Backfill {
    series: Series,
    screen: Screen,
    grid: Grid,
    span: Span,
    course: Course,
    progress: Progress,
    publisher: Publisher,
    /// The closed candles of the range that have come so far.
    candles: Vec<ClosedCandle>,
    refused: usize,
}

/// Fetches and publishes a range.
///
/// # Errors
///
/// [`Fault::Usage`] where no source of the venue is configured, or the venue does not know the symbol;
/// [`Fault::Unreachable`] when the venue or Redis can't be reached or stays away.
pub async fn run(config: &Config, wanted: BackfillArgs, screen: Screen) -> Result<Outcome> {
    let started = Instant::now();
    let BackfillArgs { series, from, to } = wanted;
    if let Some(to) = to.filter(|to| *to <= from) {
        let (from, to) = (from.rfc3339(), to.rfc3339());
        return Err(Fault::Usage(format!("--to {to} is not after --from {from}")).into());
    }
    let source = source_of(config, &series)?;
    let (venue, clock) = (venue::open(source)?, Clock::system());
    let (name, timeframe) = (venue.profile().name, series.timeframe());
    let client = RestClient::of_source(source, &venue, clock)?;
    let grid = Grid::new(timeframe, venue.profile().week);
    let symbol = series.symbol().parse().map_err(|error: SeriesError| Fault::Usage(error.to_string()))?;
    let subscription = Subscription { symbol, timeframe };
    if venue.timeframe_name(timeframe).is_none() && base_of(venue.as_ref(), timeframe).is_none() {
        return Err(no_candles(name, timeframe).into());
    }

    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let mut publisher =
        Publisher::connect(RedisTarget::new(&config.redis)?, config, series.clone(), Origin::Backfill).await?;
    let held = publisher.newest_held().await?;
    let Some(span) = span(grid, from, to, held, clock.now(), source.grace) else {
        screen.line(&format!("backfill {series}: nothing is missing: {}", why_nothing(from, held)));
        return Ok(Outcome::Done);
    };
    if let Some(held) = held.filter(|held| from <= *held) {
        let held = held.rfc3339();
        screen.line(&format!("backfill {series}: redis holds candles up to {held}, only what follows is fetched"));
    }
    let pager =
        venue::any_pager(&venue, &subscription, span, clock.now()).ok_or_else(|| no_candles(name, timeframe))?;
    let course = Course::new(grid, venue.profile().hours, span);
    let progress = Progress::new(screen.clone(), "backfill", series.clone(), course.total());
    let address = client.address();
    let (sender, mut deliveries) = mpsc::channel(PAGES_MAX);
    tasks.spawn(fetch(client, clock, pager, sender));
    let candles = Vec::new();
    let mut backfill = Backfill { series, screen, grid, span, course, progress, publisher, candles, refused: 0 };
    let ended = backfill.follow(&mut deliveries, &stop).await;
    tasks.shutdown().await;
    let sent = match ended {
        Ok(Ok(sent)) => Ok(sent),
        Ok(Err(failure)) => Err(fault(name, &address, &backfill.series, failure).into()),
        Err(error) => Err(error),
    };
    backfill.end(sent, started)
}

impl Backfill {
    /// Publishes what the walk brings until it is through, fails, or is interrupted.
    async fn follow(
        &mut self,
        deliveries: &mut mpsc::Receiver<Brought>,
        stop: &CancellationToken,
    ) -> Result<Result<Sent, Failure>> {
        while let Some(brought) = next(deliveries, stop).await {
            match brought {
                Brought::Limited(reason, wait) => self.say(&format!(
                    "the venue wants fewer requests ({reason}): none for {} s",
                    wait.as_secs_f64().ceil()
                )),
                Brought::Rows(rows) => {
                    if self.publish(&rows, stop).await? == Sent::Interrupted {
                        break;
                    }
                }
                Brought::Ended(outcome) => return Ok(outcome.map(|()| Sent::All)),
            }
        }
        anyhow::ensure!(stop.is_cancelled(), "the walk through the range broke off");
        Ok(Ok(Sent::Interrupted))
    }

    async fn publish(&mut self, rows: &[Row], stop: &CancellationToken) -> Result<Sent, Fault> {
        self.take(rows);
        let sent = self.publisher.publish(&self.candles, self.candles.len(), stop).await?;
        if let Some(last) = self.candles.last() {
            self.progress.advance(self.course.reach(last.open_time()), last.open_time());
        }
        Ok(sent)
    }

    /// Takes the rows that are closed candles of the range; what is wrong with another is said.
    fn take(&mut self, rows: &[Row]) {
        let Span { first, last } = self.span;
        let is_wanted = |row: &&Row| (first..=last).contains(&row.open_time) && row.state != RowState::Forming;
        for row in rows.iter().filter(is_wanted) {
            let is_next = self.candles.last().is_none_or(|last| last.open_time() < row.open_time);
            let refusal = match ClosedCandle::new(row.open_time, row.bar, UnixMillis::now()) {
                Ok(candle) if self.grid.holds(row.open_time) && is_next => {
                    self.candles.push(candle);
                    continue;
                }
                Ok(_) => "it does not follow the candle before".to_owned(),
                Err(error) => error.to_string(),
            };
            self.refused += 1;
            self.say(&format!("the candle of {} is left out: {refusal}", row.open_time.rfc3339()));
        }
    }

    fn say(&self, text: &str) {
        self.screen.line(&format!("backfill {}: {text}", self.series));
    }

    /// Says what became of it all.
    fn end(self, sent: Result<Sent>, started: Instant) -> Result<Outcome> {
        let Self { series, screen, course, progress, publisher, refused, .. } = self;
        drop(progress);
        let done = publisher.acknowledged();
        let total = course.total().max(done + refused);
        let sent = match sent {
            Err(error) if done > 0 => {
                return Err(error.context(format!("stopped after {done} of {} candles", course.total().max(done))));
            }
            sent => sent?,
        };
        let (is_through, missing) = (sent == Sent::All, total - done - refused);
        screen.line(&format!(
            "backfill {series}: {}{done} of {} published in {:.1} s{}{}",
            if is_through { "" } else { "interrupted, " },
            counted(total as u64, "candle"),
            started.elapsed().as_secs_f64(),
            if refused > 0 { format!(", {refused} refused") } else { String::new() },
            if is_through && missing > 0 {
                format!(", the venue has none for the other {missing}")
            } else {
                String::new()
            },
        ));
        Ok(match sent {
            Sent::Interrupted => Outcome::Interrupted,
            Sent::All if refused > 0 => Outcome::RowsRefused,
            Sent::All => Outcome::Done,
        })
    }
}

fn no_candles(venue: &str, timeframe: Timeframe) -> Fault {
    Fault::Usage(format!("{venue} has no candles of {timeframe}, and none that they could be built of"))
}

/// The source that tells how to reach the series' venue.
fn source_of<'a>(config: &'a Config, series: &Series) -> Result<&'a SourceConfig, Fault> {
    let venue = series.venue();
    let of_venue = |source: &&SourceConfig| source.venue.as_str() == venue;
    let names_it = |source: &&SourceConfig| source.symbols.iter().any(|symbol| symbol.as_str() == series.symbol());
    let mut sources = config.sources.iter().filter(of_venue);
    sources
        .clone()
        .find(names_it)
        .or_else(|| sources.next())
        .ok_or_else(|| Fault::Usage(format!("sources: none has venue = {venue:?}, which tells how to reach it")))
}

/// What is to be fetched; `None`: nothing.
fn span(
    grid: Grid,
    from: UnixMillis,
    to: Option<UnixMillis>,
    held: Option<UnixMillis>,
    now: UnixMillis,
    grace: Duration,
) -> Option<Span> {
    let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
    let over = grid.newest_over(UnixMillis(now.0.saturating_sub(grace)));
    // `to` is not part of the range: a candle that begins there does not belong to it.
    let last = to.map_or(over, |to| grid.floor(UnixMillis(to.0 - 1)).min(over));
    let start = grid.ceil(from);
    let first = held.map_or(start, |held| start.max(grid.after(grid.floor(held))));
    (first <= last && first.0 > 0).then_some(Span { first, last })
}

/// Why there is nothing to be fetched.
fn why_nothing(from: UnixMillis, held: Option<UnixMillis>) -> String {
    match held.filter(|held| from <= *held) {
        Some(held) => format!("redis holds candles up to {}", held.rfc3339()),
        None => "no candle that is closed begins in that range".to_owned(),
    }
}

async fn next(deliveries: &mut mpsc::Receiver<Brought>, stop: &CancellationToken) -> Option<Brought> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        brought = deliveries.recv() => brought,
    }
}

async fn fetch(
    client: RestClient,
    clock: Clock,
    mut pager: Box<dyn venue::pager::Pager>,
    deliveries: mpsc::Sender<Brought>,
) -> Result<()> {
    let mut sink = Channel(deliveries);
    let ended = walk(&client, clock, pager.as_mut(), &mut sink).await;
    sink.send(Brought::Ended(ended)).await;
    Ok(())
}

struct Channel(mpsc::Sender<Brought>);

impl Channel {
    async fn send(&self, brought: Brought) {
        // Who takes the pages ends with the command.
        let _ = self.0.send(brought).await;
    }
}

impl Sink for Channel {
    async fn room(&mut self) {
        // The next page is asked for once it has a place to wait. Who takes the pages ends with the command.
        let _ = self.0.reserve().await;
    }

    async fn rows(&mut self, rows: Vec<Row>) {
        self.send(Brought::Rows(rows)).await;
    }
}

impl Witness for Channel {
    async fn limited(&mut self, reason: &str, wait: Duration) {
        self.send(Brought::Limited(reason.to_owned(), wait)).await;
    }

    async fn requested(&mut self, _outcome: Requested) {}
}

/// How the command ends where the venue refuses.
fn fault(venue: &str, address: &str, series: &Series, failure: Failure) -> Fault {
    match failure {
        Failure::UnknownSymbol(reason) => Fault::Usage(format!("{venue} has no candles of {series}: {reason}")),
        Failure::Refused(reason) => {
            Fault::Usage(format!("{venue} at {address} refuses to answer for {series}: {reason}"))
        }
        failure => Fault::Unreachable(format!("{venue} at {address}: {failure}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::profile::Week;

    #[test]
    fn the_range_is_what_redis_does_not_hold() {
        let minute = |minute: i64| UnixMillis(minute * 60_000);
        let grid = Grid::new(Timeframe::M1, Week::Monday);
        let range = |from, to, held| {
            let span = span(grid, from, to, held, UnixMillis(1_000 * 60_000 + 7_000), Duration::from_secs(5));
            span.map(|span| (span.first.0 / 60_000, span.last.0 / 60_000))
        };
        assert_eq!(range(minute(10), Some(minute(20)), None), Some((10, 19)));
        assert_eq!(range(UnixMillis(600_001), Some(UnixMillis(1_200_001)), None), Some((11, 20)));
        assert_eq!(range(minute(10), None, None), Some((10, 999)));
        assert_eq!(range(minute(10), Some(minute(5_000)), None), Some((10, 999)));
        assert_eq!(range(minute(10), Some(minute(20)), Some(minute(14))), Some((15, 19)));
        assert_eq!(range(minute(10), Some(minute(20)), Some(minute(3))), Some((10, 19)));
        assert_eq!(range(minute(10), Some(minute(20)), Some(minute(19))), None);
        assert_eq!(range(minute(20), Some(minute(20)), None), None);
        assert_eq!(range(minute(1_000), None, None), None);
    }
}
