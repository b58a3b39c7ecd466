//! Standard error, shared by reports, log lines and the progress bar.
//!
//! Whatever is written goes above the bar, never into it.

use std::io::{self, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

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

    /// Shows a bar below everything else.
    pub fn show(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
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
