//! How far a replay or a backfill is: a bar on a terminal, otherwise a plain line every few seconds.

use std::time::Duration;

use candlewire_common::screen::Screen;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use indicatif::ProgressBar;
use tokio::time::Instant;

/// The shortest time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far it is. Dropped, it leaves nothing on the screen.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
    command: &'static str,
    series: Series,
    total: usize,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Begins at zero of `total` candles, for a command of this name.
    pub fn new(screen: Screen, command: &'static str, series: Series, total: usize) -> Self {
        let shape = if screen.is_terminal() {
            Shape::Bar(screen.bar(series.to_string(), total as u64))
        } else {
            Shape::Lines { last: Instant::now() }
        };
        Self { screen, command, series, total, shape }
    }

    /// Shows that `passed` candles of the total are through, the last of them opened at `open_time`.
    pub fn advance(&mut self, passed: usize, open_time: UnixMillis) {
        match &mut self.shape {
            Shape::Bar(bar) => {
                bar.set_message(open_time.rfc3339());
                bar.set_position(passed as u64);
            }
            Shape::Lines { last } if last.elapsed() >= LINE_EVERY && passed < self.total => {
                *last = Instant::now();
                let Self { command, series, total, .. } = self;
                let line = format!("{command} {series}: {passed} of {total} candles, now at {}", open_time.rfc3339());
                self.screen.line(&line);
            }
            Shape::Lines { .. } => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shape::Bar(bar) = &self.shape {
            bar.finish_and_clear();
        }
    }
}
