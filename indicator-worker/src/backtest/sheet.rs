//! Standard output in one of its forms: tables for people, JSON lines or CSV for programs.
//!
//! Programs are given each signal as it is found, in the order of time; people get the signals of one strategy after
//! those of another, so that the columns can be aligned.

use std::io::{self, BufWriter, Write};

use candlewire_common::screen::Screen;
use candlewire_common::signal::Signal;

use super::signal_line::{self, COLUMNS};
use super::summary::Summary;
use super::table::Table;

/// How the signals are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Aligned tables and summaries in words.
    Tables,
    /// A JSON object a line.
    Json,
    /// CSV; the summaries go to standard error.
    Csv,
}

/// What is written to standard output.
#[derive(Debug)]
pub(super) struct Sheet<W: Write> {
    out: BufWriter<W>,
    form: Form,
    /// For people: the table of each strategy.
    tables: Vec<Table>,
}

impl<W: Write> Sheet<W> {
    /// Begins with what comes before the first signal.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when nobody takes the output; so do the others.
    pub(super) fn new(out: W, form: Form, strategies: usize) -> io::Result<Self> {
        let mut sheet = Self { out: BufWriter::new(out), form, tables: vec![Table::default(); strategies] };
        if form == Form::Csv {
            writeln!(sheet.out, "{}", COLUMNS.join(","))?;
        }
        Ok(sheet)
    }

    /// Adds a signal of the strategy at a place.
    pub(super) fn signal(&mut self, place: usize, signal: &Signal) -> io::Result<()> {
        match self.form {
            Form::Tables => {
                self.tables[place].push(signal);
                Ok(())
            }
            Form::Json => writeln!(self.out, "{}", signal_line::json(signal)?),
            Form::Csv => writeln!(self.out, "{}", signal_line::csv(signal)),
        }
    }

    /// Ends with the summaries of the strategies, in their order.
    pub(super) fn finish(mut self, summaries: &[Summary], screen: &Screen) -> io::Result<()> {
        for (place, summary) in summaries.iter().enumerate() {
            let gap = if place == 0 { "" } else { "\n" };
            let headline = format!("{} on {}", summary.strategy, summary.series);
            let text = summary.lines().join("\n");
            match self.form {
                Form::Tables => {
                    writeln!(self.out, "{gap}{headline}\n")?;
                    let lines = self.tables[place].lines();
                    for line in &lines {
                        writeln!(self.out, "{line}")?;
                    }
                    writeln!(self.out, "{}{text}", if lines.is_empty() { "" } else { "\n" })?;
                }
                Form::Json => writeln!(self.out, "{}", summary.json()?)?,
                Form::Csv => {
                    // Whoever reads both must not see the summary in the midst of the signals.
                    self.out.flush()?;
                    screen.line(&format!("{gap}{headline}\n{text}"));
                }
            }
        }
        self.out.flush()
    }
}
