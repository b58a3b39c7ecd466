//! One backtest from files to output: reads, computes, writes. It blocks, and looks at the stop all the while.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use candlewire_common::candle::ClosedCandle;
use candlewire_common::candle_file;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::screen::Screen;
use candlewire_common::series::Series;
use candlewire_common::signal::Signal;
use indicatif::ProgressBar;
use tokio_util::sync::CancellationToken;

use super::engine::{Engine, Finding};
use super::exits::{ExitLevels, Range};
use super::ledger::{Ledger, Opening};
use super::row_log::RowLog;
use super::sheet::{Form, Sheet};
use super::summary::{FilteredCounts, Span, Summary};

/// How many candles pass between two looks at the stop and the terminal.
const LOOK_EVERY: u64 = 1_024;

/// What is to be tested.
#[derive(Debug)]
pub(super) struct Session {
    /// The files.
    pub(super) files: Vec<PathBuf>,
    /// The series that their candles belong to.
    pub(super) series: Series,
    /// How the signals are written.
    pub(super) form: Form,
    /// Standard error.
    pub(super) screen: Screen,
}

/// What a strategy has to show so far.
#[derive(Debug)]
struct Book {
    ledger: Ledger,
    filtered: FilteredCounts,
}

impl Session {
    /// Does everything.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for a file that can't be read; a fault of standard output, unless its reader went away, which
    /// is no fault.
    pub(super) fn run(&self, mut engine: Engine, stop: &CancellationToken) -> Result<Outcome> {
        let mut rows = RowLog::new(&self.screen, &self.series);
        let candles = candle_file::read_all(&self.files, self.series.timeframe(), &mut rows, stop);
        rows.end_of_files();
        let candles = candles.map_err(Fault::from)?;
        match self.compute(&candles, &mut engine, &mut rows, stop) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(error).context("write to standard output");
            }
            Ok(()) => rows.close(&self.series),
            Err(_) => {}
        }
        Ok(if stop.is_cancelled() { Outcome::Interrupted } else { rows.outcome() })
    }

    /// Computes and writes; ends early once `stop` is cancelled.
    fn compute(
        &self,
        candles: &[ClosedCandle],
        engine: &mut Engine,
        rows: &mut RowLog,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let mut books: Vec<Book> = engine.strategies().map(|_| Book::new()).collect();
        let mut sheet = Sheet::new(io::stdout(), self.form, books.len())?;
        let bar = self.bar(candles.len());
        let looked = (0..).zip(candles).take_while(|(at, _)| {
            let is_look = at % LOOK_EVERY == 0;
            if is_look {
                bar.set_position(*at);
            }
            !(is_look && stop.is_cancelled())
        });
        let span = self.walk(looked.map(|(_, candle)| candle), engine, &mut books, &mut sheet, rows);
        // However it ended, nothing of the bar stays on the screen.
        bar.finish_and_clear();
        let span = span?;
        if stop.is_cancelled() {
            return Ok(());
        }
        let is_ready = engine.is_ready();
        let summary = |(name, book): (&str, Book)| Summary {
            strategy: name.to_owned(),
            series: self.series.to_string(),
            span,
            balance: book.ledger.balance(),
            filtered: book.filtered,
            is_ready,
        };
        let summaries: Vec<Summary> = engine.strategies().zip(books).map(summary).collect();
        sheet.finish(&summaries, &self.screen)
    }

    /// Takes in one candle after the other.
    fn walk<'a, W: Write>(
        &self,
        candles: impl Iterator<Item = &'a ClosedCandle>,
        engine: &mut Engine,
        books: &mut [Book],
        sheet: &mut Sheet<W>,
        rows: &mut RowLog,
    ) -> io::Result<Span> {
        let (mut span, mut findings) = (Span::default(), Vec::new());
        for candle in candles {
            findings.clear();
            if let Err(reason) = engine.step(candle, |place, finding| findings.push((place, finding))) {
                rows.left_out(candle.open_time(), &reason);
                continue;
            }
            self.count(&mut span, candle);
            enter(books, candle, &findings, sheet)?;
        }
        Ok(span)
    }

    fn count(&self, span: &mut Span, candle: &ClosedCandle) {
        let (open_time, close_time) = (candle.open_time(), self.series.timeframe().close_time(candle.open_time()));
        span.candles += 1;
        span.ends = Some((span.ends.map_or(open_time, |(first, _)| first), close_time));
    }

    /// A bar for people, unless standard output is written to the same terminal meanwhile.
    fn bar(&self, candles: usize) -> ProgressBar {
        let has_terminal_to_itself = self.form == Form::Tables || !io::stdout().is_terminal();
        if self.screen.is_terminal() && has_terminal_to_itself {
            self.screen.bar(self.series.to_string(), candles as u64)
        } else {
            ProgressBar::hidden()
        }
    }
}

impl Book {
    fn new() -> Self {
        Self { ledger: Ledger::default(), filtered: Engine::reasons().map(|reason| (reason, 0)).collect() }
    }
}

/// Enters a candle into every book, then what was found on it into that of the strategy.
fn enter<W: Write>(
    books: &mut [Book],
    candle: &ClosedCandle,
    findings: &[(usize, Finding)],
    sheet: &mut Sheet<W>,
) -> io::Result<()> {
    let range = Range { high: candle.high().to_f64(), low: candle.low().to_f64() };
    for book in books.iter_mut() {
        book.ledger.candle(range);
    }
    for (place, finding) in findings {
        let book = &mut books[*place];
        match finding {
            Finding::Signal(signal) => {
                book.ledger.signal(opening(signal, candle));
                sheet.signal(*place, signal)?;
            }
            Finding::Filtered(reason) => {
                if let Some((_, count)) = book.filtered.iter_mut().find(|(name, _)| name == reason) {
                    *count += 1;
                }
            }
        }
    }
    Ok(())
}

fn opening(signal: &Signal, candle: &ClosedCandle) -> Opening {
    let levels = ExitLevels { stop: signal.stop_loss, target: signal.take_profit };
    Opening { direction: signal.direction, price: candle.close().to_f64(), levels }
}
