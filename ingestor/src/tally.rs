//! What became of the rows that are not published: each is reported and counted here, in one step.

use std::path::Path;

use candlewire_common::candle_file::{RowRefusal, RowReport};
use candlewire_common::screen::Screen;

use crate::discard::Discard;
use crate::replay_metrics::ReplayMetrics;

/// Reports and counts rows.
#[derive(Debug)]
pub struct Tally {
    screen: Screen,
    metrics: ReplayMetrics,
    refused: u64,
    duplicates: u64,
}

impl Tally {
    /// Begins at zero.
    pub fn new(screen: Screen, metrics: ReplayMetrics) -> Self {
        Self { screen, metrics, refused: 0, duplicates: 0 }
    }

    /// Rows refused so far.
    pub fn rows_refused(&self) -> u64 {
        self.refused
    }

    /// Duplicates skipped so far.
    pub fn rows_repeated(&self) -> u64 {
        self.duplicates
    }
}

impl RowReport for Tally {
    fn received(&mut self) {
        self.metrics.received.increment(1);
    }

    /// Says `file:line: reason`.
    fn refused(&mut self, file: &Path, line: u64, refusal: &RowRefusal) {
        self.refused += 1;
        self.metrics.discarded(refusal.into(), 1);
        self.screen.line(&format!("{}:{line}: {refusal}", file.display()));
    }

    fn duplicates(&mut self, count: u64) {
        self.duplicates += count;
        self.metrics.discarded(Discard::Duplicate, count);
    }
}
