//! Pictures of crossings: the last candles of a series, the strategy's averages, and where they crossed.
//!
//! Owns when a picture is made: once for each signal however many chats ask, a few at a time, and within bounds of time,
//! since an alert must not wait for its picture. What can't be drawn is told, and the alert goes without. Nothing here
//! sends anything.

mod axis;
mod canvas;
mod clip;
mod history;
mod lettering;
mod model;
mod palette;
mod picture;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use candlewire_common::config::RedisConfig;
use candlewire_common::connection::{RedisTarget, describe};
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::signal::Signal;
use candlewire_common::strategy::Strategy;
use redis::RedisError;
use tokio::sync::{OnceCell, Semaphore};

use canvas::DrawError;
use history::Histories;
use model::Chart;

/// How many pictures are kept: those of the last signals, which some chats may not have asked for yet.
const KEPT_MAX: usize = 32;
/// How many pictures are drawn at a time.
const DRAWINGS_MAX: usize = 2;
/// How long a picture may take, all in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a signal has no picture.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum NoPicture {
    /// The candle that crossed is not in the history: trimmed already, or a foreign producer's.
    #[error("the candle that crossed is not in the history")]
    NotInHistory,
    /// One candle makes no picture.
    #[error("the history has but one candle")]
    TooFew,
    /// The history can't be read now.
    #[error("reading the history: {}", describe(.0))]
    Redis(#[from] RedisError),
    /// What was read is no history.
    #[error("reading the history: {0}")]
    Unreadable(String),
    /// It would have come too late.
    #[error("it took longer than {} s", PATIENCE.as_secs())]
    Late,
    /// Drawing failed.
    #[error(transparent)]
    Draw(#[from] DrawError),
}

type Outcome = Result<Arc<[u8]>, NoPicture>;
/// What is known of a signal's picture; empty while it is made.
type Cell = Arc<OnceCell<Outcome>>;

/// Draws pictures of crossings.
pub(crate) struct Charts {
    histories: Histories,
    strategies: Vec<Strategy>,
    /// Newest last. A few, so that looking through them costs nothing.
    kept: Mutex<VecDeque<(Signal, Cell)>>,
    drawings: Arc<Semaphore>,
}

impl Charts {
    /// Prepares drawing; nothing is connected yet.
    pub(crate) fn new(
        target: RedisTarget,
        redis: &RedisConfig,
        metrics: RedisMetrics,
        strategies: Vec<Strategy>,
    ) -> Self {
        Self {
            histories: Histories::new(target, redis, metrics),
            strategies,
            kept: Mutex::default(),
            drawings: Arc::new(Semaphore::new(DRAWINGS_MAX)),
        }
    }

    /// Draws a signal's picture, as PNG bytes, or gives the one that was drawn before. Cancel-safe: another call that
    /// waits for the same picture goes on with it.
    ///
    /// # Errors
    ///
    /// [`NoPicture`], which is not remembered: the next call tries again.
    pub(crate) async fn picture(&self, signal: &Signal) -> Outcome {
        let cell = self.cell(signal);
        let made = tokio::time::timeout(PATIENCE, cell.get_or_init(|| self.make(signal))).await;
        let outcome = made.map_or(Err(NoPicture::Late), Clone::clone);
        if outcome.is_err() && cell.initialized() {
            self.kept().retain(|(_, kept)| !Arc::ptr_eq(kept, &cell));
        }
        outcome
    }

    /// The place for a signal's picture. The whole signal is compared: a foreign producer may use an id twice.
    fn cell(&self, signal: &Signal) -> Cell {
        let mut kept = self.kept();
        if let Some((_, cell)) = kept.iter().find(|(known, _)| known == signal) {
            return Arc::clone(cell);
        }
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        let cell = Cell::default();
        kept.push_back((signal.clone(), Arc::clone(&cell)));
        cell
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(Signal, Cell)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make(&self, signal: &Signal) -> Outcome {
        let strategy = self.strategies.iter().find(|strategy| strategy.name == signal.strategy);
        let candles = self.histories.until(&signal.series, signal.open_time, model::reach(strategy)).await?;
        // The drawing itself holds the permit: it goes on to its end when nobody waits for it any more.
        let permit = Arc::clone(&self.drawings).acquire_owned().await.map_err(|_| NoPicture::Late)?;
        let (signal, strategy) = (signal.clone(), strategy.cloned());
        let drawing = tokio::task::spawn_blocking(move || -> Outcome {
            let _permit = permit;
            let chart = Chart::new(&signal, strategy.as_ref(), &candles)?;
            Ok(picture::draw(&chart)?.into())
        });
        drawing.await.unwrap_or_else(|error| Err(DrawError::Shape(error.to_string()).into()))
    }
}
