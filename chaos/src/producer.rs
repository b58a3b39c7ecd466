//! The foreign producer: candles of all series, published all the time.
//!
//! Owns the paths of the prices, what was published, and a connection of its own past all proxies. It keeps to the
//! contract: a batch is sent until it is acknowledged, and after each reconnect the last 10 s are sent again, in order,
//! before anything new. What was sent again counts as acknowledged anew, so that two crashes in a row lose nothing
//! either. A batch is one transaction: half of it could otherwise be refused when memory is short.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::candle::{Candle, Path};
use crate::control::connect;
use crate::series::{self, Series};

/// Time between two batches.
const EVERY: Duration = Duration::from_millis(12);
/// One in so many batches is a burst.
const BURST_ONE_IN: u32 = 200;
/// One in so many candles is published once more.
const REPEAT_ONE_IN: u32 = 40;
/// What is sent again after a reconnect, by the time it was first sent.
const AGAIN: Duration = Duration::from_secs(10);
/// What was acknowledged so long ago has reached the append-only file's safe part.
const SAFE_AFTER: Duration = Duration::from_secs(4);
/// How many candles are sent again at once.
const AGAIN_BATCH: usize = 500;
/// Pause before a refused batch or connection is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(15);

/// What was published.
#[derive(Clone, Debug)]
pub struct Book {
    /// Each series with its candles, in order.
    pub series: Vec<(Series, Vec<Candle>)>,
}

impl Book {
    /// Returns how many different candles there are.
    pub fn candles(&self) -> u64 {
        self.series.iter().map(|(_, candles)| candles.len() as u64).sum()
    }
}

/// A candle that may have to be sent again.
#[derive(Clone, Copy, Debug)]
struct Recent {
    place: usize,
    candle: Candle,
    sent: Instant,
    acknowledged: Instant,
}

/// Publishes candles.
#[derive(Debug)]
pub struct Producer {
    client: redis::Client,
    random: Rng,
    paths: Vec<Path>,
    book: Book,
    recent: VecDeque<Recent>,
    entries: Arc<AtomicU64>,
}

/// The connection is of no use any more.
struct Broken;

impl Producer {
    /// Prepares to publish to Redis behind `client`. `entries` counts what was acknowledged, repetitions included.
    pub fn new(client: redis::Client, seed: u64, entries: Arc<AtomicU64>) -> Self {
        let all = series::all();
        let paths = all.iter().enumerate().map(|(place, series)| Path::new(seed, place, series.step_ms)).collect();
        let book = Book { series: all.into_iter().map(|series| (series, Vec::new())).collect() };
        // Its randomness is not the schedule's.
        Self { client, random: Rng::with_seed(!seed), paths, book, recent: VecDeque::new(), entries }
    }

    /// Publishes until `stop`, then one more candle of each series, so that no state is left deleted. Returns the
    /// book once everything in it is acknowledged.
    pub async fn run(mut self, stop: CancellationToken) -> Book {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_closed = false;
        loop {
            let Ok(mut connection) = connect(&self.client).await else {
                sleep(RETRY_PAUSE).await;
                continue;
            };
            if self.send_again(&mut connection).await.is_err() {
                continue;
            }
            while !stop.is_cancelled() {
                ticks.tick().await;
                if self.send_next(&mut connection).await.is_err() {
                    break;
                }
            }
            if stop.is_cancelled() {
                if !std::mem::replace(&mut is_closed, true) {
                    (0..self.paths.len()).for_each(|place| self.step(place));
                }
                if self.send_again(&mut connection).await.is_ok() {
                    return self.book;
                }
            }
        }
    }

    /// Publishes new candles, some of them twice, or an older one again.
    async fn send_next(&mut self, connection: &mut MultiplexedConnection) -> Result<(), Broken> {
        let now = Instant::now();
        let is_settled = |recent: &Recent| now - recent.sent > AGAIN && now - recent.acknowledged > SAFE_AFTER;
        while self.recent.front().is_some_and(is_settled) {
            self.recent.pop_front();
        }
        let count = if self.random.u32(0..BURST_ONE_IN) == 0 { 150 } else { self.random.usize(1..=6) };
        let mut pipe = redis::pipe();
        pipe.atomic();
        for _ in 0..count {
            let place = self.random.usize(..self.paths.len());
            self.step(place);
            let newest = self.recent.len() - 1;
            self.add(&mut pipe, newest);
            if self.random.u32(0..REPEAT_ONE_IN) == 0 {
                let any = self.random.usize(..=newest);
                self.add(&mut pipe, any);
            }
        }
        self.send(&pipe, connection).await
    }

    /// Makes the next candle of a series. From here on it is sent until it is acknowledged.
    fn step(&mut self, place: usize) {
        let candle = self.paths[place].step();
        self.book.series[place].1.push(candle);
        let now = Instant::now();
        self.recent.push_back(Recent { place, candle, sent: now, acknowledged: now });
    }

    /// Adds a recent candle to a transaction.
    fn add(&self, pipe: &mut Pipeline, at: usize) {
        let Recent { place, candle, .. } = &self.recent[at];
        pipe.add_command(entry(&self.book.series[*place].0, candle));
    }

    /// Publishes the last 10 s again, in order. What it is interrupted in begins anew with the next connection.
    async fn send_again(&mut self, connection: &mut MultiplexedConnection) -> Result<(), Broken> {
        for from in (0..self.recent.len()).step_by(AGAIN_BATCH) {
            let to = (from + AGAIN_BATCH).min(self.recent.len());
            let mut pipe = redis::pipe();
            pipe.atomic();
            (from..to).for_each(|at| self.add(&mut pipe, at));
            self.send(&pipe, connection).await?;
            let now = Instant::now();
            self.recent.range_mut(from..to).for_each(|recent| recent.acknowledged = now);
        }
        Ok(())
    }

    /// Sends a transaction until Redis has carried it out, or the connection is broken.
    async fn send(&self, pipe: &Pipeline, connection: &mut MultiplexedConnection) -> Result<(), Broken> {
        loop {
            match pipe.query_async::<Vec<String>>(connection).await {
                Ok(ids) => {
                    self.entries.fetch_add(ids.len() as u64, Ordering::Relaxed);
                    return Ok(());
                }
                Err(error) if was_refused(&error) => sleep(RETRY_PAUSE).await,
                Err(_) => return Err(Broken),
            }
        }
    }
}

/// Whether Redis refused the transaction as a whole, out of memory or loading, over a connection that still works.
fn was_refused(error: &RedisError) -> bool {
    !(error.is_io_error() || error.is_timeout() || error.is_connection_dropped())
        && error.clone().into_server_errors().is_some()
}

/// Returns the command that publishes a candle, with the fields that the contract asks for.
pub fn entry(series: &Series, candle: &Candle) -> redis::Cmd {
    let [open, high, low, close] = candle.texts();
    let mut add = redis::cmd("XADD");
    add.arg(series.candles()).arg("*").arg("series").arg(&series.name).arg("open_time").arg(candle.open_time);
    add.arg("open").arg(open).arg("high").arg(high).arg("low").arg(low).arg("close").arg(close);
    add
}
