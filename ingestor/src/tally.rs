//! What became of the rows that are not published: each is reported and counted here, in one step.

use std::path::Path;

use crate::candle_row::RowRefusal;
use crate::replay_metrics::{Discard, ReplayMetrics};
use crate::screen::Screen;

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

    /// A row was read.
    pub fn received(&self) {
        self.metrics.received.increment(1);
    }

    /// A row is refused: says `file:line: reason`.
    pub fn refuse(&mut self, file: &Path, line: u64, refusal: &RowRefusal) {
        self.refused += 1;
        self.metrics.discarded(refusal.discard(), 1);
        self.screen.line(&format!("{}:{line}: {refusal}", file.display()));
    }

    /// Rows repeat others and are skipped.
    pub fn skip_duplicates(&mut self, count: u64) {
        self.duplicates += count;
        self.metrics.discarded(Discard::Duplicate, count);
    }

    /// Rows refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Duplicates skipped so far.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }
}
