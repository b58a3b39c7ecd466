//! How far the warm-up is: a bar on a terminal, otherwise a line at its end.

use std::sync::{Arc, Mutex, PoisonError};

use candlewire_common::screen::Screen;
use indicatif::ProgressBar;
use tokio::time::Instant;

/// The warm-up of all sources; clones are one.
#[derive(Clone, Debug)]
pub struct WarmupProgress(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    bar: Option<ProgressBar>,
    started: Instant,
    series: usize,
    warmed: usize,
    candles: u64,
}

impl WarmupProgress {
    /// Begins with the number of series, none of which is warm.
    pub fn new(screen: &Screen, series: usize) -> Self {
        let bar = screen.is_terminal().then(|| screen.bar("history".to_owned(), series as u64));
        Self(Arc::new(Mutex::new(Inner { bar, started: Instant::now(), series, warmed: 0, candles: 0 })))
    }

    /// Notes that a series has its history, or goes on where it was.
    pub fn warmed(&self, candles: u32) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.warmed == inner.series {
            return;
        }
        inner.warmed += 1;
        inner.candles += u64::from(candles);
        if let Some(bar) = &inner.bar {
            bar.set_position(inner.warmed as u64);
        }
        if inner.warmed == inner.series {
            let Inner { series, candles, started, .. } = *inner;
            if let Some(bar) = inner.bar.take() {
                bar.finish_and_clear();
            }
            let seconds = started.elapsed().as_secs_f64();
            tracing::info!("{series} series are followed; {candles} candles of history fetched in {seconds:.1} s");
        }
    }
}
