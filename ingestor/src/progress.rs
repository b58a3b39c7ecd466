//! How far a replay is: a bar on a terminal, otherwise a plain line every few seconds.

use std::time::Duration;

use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use tokio::time::Instant;

use crate::screen::Screen;

/// The shortest time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often the bar is drawn while nothing happens: its times go on.
const TICK: Duration = Duration::from_millis(200);
/// Fits 80 columns; a wider screen has a longer bar.
const TEMPLATE: &str = "{prefix} [{wide_bar}] {human_pos}/{human_len} {rate} ETA {eta} {msg}";

/// Shows how far a replay is. Dropped, it leaves nothing on the screen.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
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
    /// Begins at zero of `total` candles.
    pub fn new(screen: Screen, series: Series, total: usize) -> Self {
        let shape = if screen.is_terminal() {
            Shape::Bar(shown_bar(&screen, &series, total))
        } else {
            Shape::Lines { last: Instant::now() }
        };
        Self { screen, series, total, shape }
    }

    /// Shows that `published` candles are published, the last of them opened at `open_time`.
    pub fn advance(&mut self, published: usize, open_time: UnixMillis) {
        match &mut self.shape {
            Shape::Bar(bar) => {
                bar.set_message(open_time.rfc3339());
                bar.set_position(published as u64);
            }
            Shape::Lines { last } if last.elapsed() >= LINE_EVERY && published < self.total => {
                *last = Instant::now();
                let Self { series, total, .. } = self;
                let line = format!(
                    "replay {series}: {published} of {total} candles published, now at {}",
                    open_time.rfc3339()
                );
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

fn shown_bar(screen: &Screen, series: &Series, total: usize) -> ProgressBar {
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // Writing to the bar's own text can't fail.
        let _ = write!(out, "{:.0}/s", state.per_sec());
    };
    // The template is tested; without it the bar has indicatif's own shape.
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar =
        screen.show(ProgressBar::new(total as u64).with_style(style.with_key("rate", rate).progress_chars("=> ")));
    bar.set_prefix(series.to_string());
    bar.enable_steady_tick(TICK);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_valid() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
