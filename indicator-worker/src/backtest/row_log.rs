//! What is said about rows: how many were read while that lasts, and which are left out.

use std::path::Path;

use candlewire_common::candle_file::{RowRefusal, RowReport};
use candlewire_common::exit::Outcome;
use candlewire_common::screen::Screen;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use indicatif::ProgressBar;

/// How many rows pass between two looks at the terminal.
const SHOWN_EVERY: u64 = 1_024;

/// Reports and counts rows.
#[derive(Debug)]
pub(super) struct RowLog {
    screen: Screen,
    counter: Option<ProgressBar>,
    read: u64,
    refused: u64,
    duplicates: u64,
}

impl RowLog {
    /// Begins at zero.
    pub(super) fn new(screen: &Screen, series: &Series) -> Self {
        let counter = screen.is_terminal().then(|| screen.counter(format!("{series}: rows read")));
        Self { screen: screen.clone(), counter, read: 0, refused: 0, duplicates: 0 }
    }

    /// All files are read.
    pub(super) fn end_of_files(&mut self) {
        if let Some(counter) = self.counter.take() {
            counter.finish_and_clear();
        }
    }

    /// The row of a candle can't be computed with.
    pub(super) fn left_out(&mut self, open_time: UnixMillis, reason: &str) {
        self.refused += 1;
        self.screen.line(&format!("candle of {}: {reason}", open_time.rfc3339()));
    }

    /// Says how many rows were not used, if any.
    pub(super) fn close(&self, series: &Series) {
        let Self { refused, duplicates, .. } = *self;
        if refused + duplicates > 0 {
            let plural = |count| if count == 1 { "" } else { "s" };
            let (rows, repeats) = (plural(refused), plural(duplicates));
            let line =
                format!("backtest {series}: {refused} row{rows} refused, {duplicates} duplicate{repeats} skipped");
            self.screen.line(&line);
        }
    }

    /// How the program ends.
    pub(super) fn outcome(&self) -> Outcome {
        if self.refused > 0 { Outcome::RowsRefused } else { Outcome::Done }
    }
}

impl RowReport for RowLog {
    fn received(&mut self) {
        self.read += 1;
        if let Some(counter) = self.counter.as_ref().filter(|_| self.read.is_multiple_of(SHOWN_EVERY)) {
            counter.set_position(self.read);
        }
    }

    /// Says `file:line: reason`.
    fn refused(&mut self, file: &Path, line: u64, refusal: &RowRefusal) {
        self.refused += 1;
        self.screen.line(&format!("{}:{line}: {refusal}", file.display()));
    }

    fn duplicates(&mut self, count: u64) {
        self.duplicates += count;
    }
}

impl Drop for RowLog {
    fn drop(&mut self) {
        self.end_of_files();
    }
}
