//! Standard error, shared by reports, log lines and the progress bar.
//!
//! Whatever is written goes above the bar, never into it.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often a bar is drawn while nothing happens: its times go on.
const TICK: Duration = Duration::from_millis(200);
/// Fits 80 columns; a wider screen has a longer bar.
const TEMPLATE: &str = "{prefix} [{wide_bar}] {human_pos}/{human_len} {rate} ETA {eta} {msg}";
/// The same for what has no known end.
const COUNTER: &str = "{prefix} {human_pos}";

/// A handle on standard error; all clones are one.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: MultiProgress,
}

impl Screen {
    /// Takes standard error.
    pub fn new() -> Self {
        Self { bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()) }
    }

    /// Whether a person watches, so that a bar makes sense.
    pub fn is_terminal(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// Shows a bar for `total` things below everything else.
    pub fn bar(&self, prefix: String, total: u64) -> ProgressBar {
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Writing to the bar's own text can't fail.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        };
        // The template is tested; without it the bar has indicatif's own shape.
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style.with_key("rate", rate).progress_chars("=> "));
        let bar = self.bars.add(bar);
        bar.set_prefix(prefix);
        bar.enable_steady_tick(TICK);
        bar
    }

    /// Shows how many things there are so far, where nobody knows of how many.
    pub fn counter(&self, prefix: String) -> ProgressBar {
        let style = ProgressStyle::with_template(COUNTER).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let counter = self.bars.add(ProgressBar::no_length().with_style(style));
        counter.set_prefix(prefix);
        counter.enable_steady_tick(TICK);
        counter
    }

    /// Writes one line.
    pub fn line(&self, text: &str) {
        // Standard error may be closed; then there is nobody to tell.
        let _ = self.bars.suspend(|| io::stderr().write_all(format!("{text}\n").as_bytes()));
    }
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bars.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_valid() {
        assert!(ProgressStyle::with_template(COUNTER).is_ok());
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
