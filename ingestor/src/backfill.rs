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
use candlewire_common::screen::Screen;
use candlewire_common::series::{Series, SeriesError};
use candlewire_common::shutdown;
use candlewire_common::time::UnixMillis;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::arguments::BackfillArgs;
use crate::clock::Clock;
use crate::live::grid::Grid;
use crate::progress::Progress;
use crate::publisher::{Publisher, Sent};
use crate::rest::client::RestClient;
use crate::rest::walk::{Requested, Sink, walk};
use crate::venue::answer::{Failure, Row, RowState};
use crate::venue::{self, Span, Subscription};

/// How many pages may wait to be published.
const PAGES_MAX: usize = 4;

/// What a walk brings.
enum Brought {
    Rows(Vec<Row>),
    Limited(String, Duration),
    Ended(Result<(), Failure>),
}

/// What became of a backfill.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    refused: u64,
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
    let source = source_of(config, &series)?;
    let (venue, clock) = (venue::open(source)?, Clock::system());
    let client = RestClient::of_source(source, &venue, clock)?;
    let grid = Grid::new(series.timeframe(), venue.profile().week);
    let symbol = series.symbol().parse().map_err(|error: SeriesError| Fault::Usage(error.to_string()))?;
    let subscription = Subscription { symbol, timeframe: series.timeframe() };

    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let mut publisher =
        Publisher::connect(RedisTarget::new(&config.redis)?, config, series.clone(), Origin::Backfill).await?;
    let held = publisher.newest_held().await?;
    let Some(span) = span(grid, from, to, held, clock.now(), source.grace) else {
        screen.line(&format!("backfill {series}: nothing is missing{}", held_to(held)));
        return Ok(Outcome::Done);
    };
    if held.is_some_and(|held| from.0 <= held.0) {
        screen.line(&format!(
            "backfill {series}: redis holds candles up to {}: what follows is fetched",
            span.first.rfc3339()
        ));
    }
    let total = usize::try_from(grid.count(span.first, span.last)).unwrap_or(usize::MAX);
    let mut progress = Progress::new(screen.clone(), "backfill", series.clone(), total);
    let pager = venue::any_pager(&venue, &subscription, span, clock.now())
        .ok_or_else(|| Fault::Usage(format!("{} has no candles of {}", venue.profile().name, series.timeframe())))?;

    let (sender, mut deliveries) = mpsc::channel(PAGES_MAX);
    tasks.spawn(fetch(client, clock, pager, sender));
    let (mut candles, mut tally, mut ended) = (Vec::new(), Tally::default(), None);
    let mut sent = Sent::All;
    while let Some(brought) = next(&mut deliveries, &stop).await {
        match brought {
            Brought::Limited(reason, wait) => screen.line(&format!(
                "backfill {series}: the venue wants fewer requests ({reason}): none for {} s",
                wait.as_secs()
            )),
            Brought::Rows(rows) => {
                tally.take(&rows, span, grid, &mut candles, &screen, &series);
                sent = publisher.publish(&candles, candles.len(), &stop).await?;
                if let Some(last) = candles.last() {
                    let done = grid.count(span.first, last.open_time());
                    progress.advance(usize::try_from(done).unwrap_or(usize::MAX), last.open_time());
                }
            }
            Brought::Ended(outcome) => ended = Some(outcome),
        }
        if sent == Sent::Interrupted || ended.is_some() {
            break;
        }
    }
    drop(progress);
    let is_stopped = stop.is_cancelled();
    stop.cancel();
    tasks.shutdown().await;
    let done = publisher.acknowledged();
    screen.line(&format!(
        "backfill {series}: {}{done} of {total} candles published in {:.1} s{}",
        if is_stopped { "interrupted, " } else { "" },
        started.elapsed().as_secs_f64(),
        tally.remarks(total.saturating_sub(done), is_stopped),
    ));
    match ended {
        Some(Err(failure)) => Err(fault(venue.profile().name, &series, failure).into()),
        _ if is_stopped => Ok(Outcome::Interrupted),
        _ if tally.refused > 0 => Ok(Outcome::RowsRefused),
        _ => Ok(Outcome::Done),
    }
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
    let start = if grid.holds(from) { from } else { grid.after(grid.floor(from)) };
    let first = held.map_or(start, |held| start.max(grid.after(grid.floor(held))));
    (first <= last && first.0 > 0).then_some(Span { first, last })
}

fn held_to(held: Option<UnixMillis>) -> String {
    held.map_or_else(String::new, |held| format!(": redis holds candles up to {}", held.rfc3339()))
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
    async fn room(&mut self) {}

    async fn rows(&mut self, rows: Vec<Row>) {
        self.send(Brought::Rows(rows)).await;
    }

    async fn limited(&mut self, reason: &str, wait: Duration) {
        self.send(Brought::Limited(reason.to_owned(), wait)).await;
    }

    async fn requested(&mut self, _outcome: Requested) {}
}

impl Tally {
    /// Takes the rows that are closed candles of the range; the others are counted and said.
    fn take(
        &mut self,
        rows: &[Row],
        span: Span,
        grid: Grid,
        candles: &mut Vec<ClosedCandle>,
        screen: &Screen,
        series: &Series,
    ) {
        let is_wanted =
            |row: &&Row| (span.first..=span.last).contains(&row.open_time) && row.state != RowState::Forming;
        for row in rows.iter().filter(is_wanted) {
            let is_next = candles.last().is_none_or(|last: &ClosedCandle| last.open_time() < row.open_time);
            match ClosedCandle::new(row.open_time, row.bar, UnixMillis::now()) {
                Ok(candle) if grid.holds(row.open_time) && is_next => candles.push(candle),
                Ok(_) => self.refuse(screen, series, row.open_time, "it does not follow the candle before"),
                Err(error) => self.refuse(screen, series, row.open_time, error),
            }
        }
    }

    fn refuse(&mut self, screen: &Screen, series: &Series, open_time: UnixMillis, reason: impl std::fmt::Display) {
        self.refused += 1;
        screen.line(&format!("{series} at {}: {reason}", open_time.rfc3339()));
    }

    /// What else there is to say of the outcome.
    fn remarks(self, missing: usize, is_stopped: bool) -> String {
        let refused = (self.refused > 0).then(|| format!(", {} refused", self.refused));
        let is_missing = missing > 0 && !is_stopped;
        let missing = is_missing.then(|| format!(", the venue has no candles for the other {missing}"));
        refused.into_iter().chain(missing).collect()
    }
}

/// How the command ends where the venue refuses.
fn fault(venue: &str, series: &Series, failure: Failure) -> Fault {
    match failure {
        Failure::UnknownSymbol(reason) => Fault::Usage(format!("{venue} has no candles of {series}: {reason}")),
        Failure::Refused(reason) => Fault::Usage(format!("{venue} refuses to answer for {series}: {reason}")),
        failure => Fault::Unreachable(format!("{venue}: {failure}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::timeframe::Timeframe;

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
