//! What the person sees: lines that stay, and on a terminal one that changes.
//!
//! Owns all writing to standard output. The line that changes goes to standard error and only if
//! that is a terminal, so a log or a pipe holds nothing but whole lines.

use std::io::Write;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

/// Standard output and the changing line below it.
#[derive(Debug)]
pub struct Screen {
    status: ProgressBar,
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Screen {
    /// Starts without a changing line.
    pub fn new() -> Self {
        let style = ProgressStyle::default_spinner();
        // The template is a constant, which a run on a terminal proves right.
        let style = style.clone().template("  {spinner} {wide_msg}").unwrap_or(style);
        let status = ProgressBar::new_spinner().with_style(style);
        status.finish_and_clear();
        Self { status }
    }

    /// Writes lines that stay.
    ///
    /// # Errors
    ///
    /// When nobody reads them any more.
    pub fn text(&self, text: &str) -> Result<()> {
        let written = self.status.suspend(|| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()
        });
        written.context("write to standard output")
    }

    /// Shows or replaces the line that changes.
    pub fn status(&self, text: String) {
        self.status.set_message(text);
        if self.status.is_finished() {
            self.status.reset();
        }
        self.status.tick();
    }

    /// Removes the line that changes.
    pub fn clear_status(&self) {
        self.status.finish_and_clear();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.clear_status();
    }
}
