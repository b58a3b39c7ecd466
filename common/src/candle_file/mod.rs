//! Candle files: opened, their headers read, and all their rows gathered.
//!
//! A file that can't be read is a mistake in the command and ends it before anything is done with its
//! candles; a row that is no candle is reported and left out. What is done with the candles, and how a
//! report looks, is the program's business.

mod columns;
mod csv_rows;
mod open_time;
mod row;
mod timeline;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::candle::ClosedCandle;
use crate::exit::Fault;
use crate::time::UnixMillis;
use crate::timeframe::Timeframe;
use tokio_util::sync::CancellationToken;

use columns::Columns;
use csv_rows::CsvRows;
use row::RowCheck;
use timeline::{Place, Timeline};

pub use columns::ColumnsError;
pub use csv_rows::{ROW_BYTES_MAX, RowFault};
pub use open_time::{OpenTimeError, read as read_open_time};
pub use row::RowRefusal;
pub use timeline::Conflict;

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CandleFileError {
    /// The operating system refuses to read it.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// It has no header.
    #[error("{}: file is empty", .0.display())]
    Empty(PathBuf),
    /// Its header can't be taken apart.
    #[error("{}:{line}: {fault}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: u64,
        /// What is wrong with it.
        fault: RowFault,
    },
    /// Its header does not name the columns.
    #[error("{}:{line}: {error}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The header's line.
        line: u64,
        /// What is wrong with it.
        error: ColumnsError,
    },
}

impl From<CandleFileError> for Fault {
    fn from(error: CandleFileError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A file whose header was read.
#[derive(Debug)]
pub struct CandleFile<R> {
    path: PathBuf,
    rows: CsvRows<R>,
    columns: Columns,
}

/// Who is told what becomes of the rows while files are read.
pub trait RowReport {
    /// A row was read.
    fn received(&mut self);
    /// The row at a line of a file is left out.
    fn refused(&mut self, file: &Path, line: u64, refusal: &RowRefusal);
    /// So many rows repeat others and are skipped.
    fn duplicates(&mut self, count: u64);
}

/// A row's line, and its candle or why it has none.
pub type CheckedRow = (u64, Result<ClosedCandle, RowRefusal>);

impl CandleFile<BufReader<File>> {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    ///
    /// [`CandleFileError`], naming the file.
    pub fn open(path: &Path) -> Result<Self, CandleFileError> {
        let refused = |error| CandleFileError::Io { path: path.to_owned(), error };
        if fs::metadata(path).map_err(refused)?.is_dir() {
            return Err(refused(io::ErrorKind::IsADirectory.into()));
        }
        Self::new(path, BufReader::new(File::open(path).map_err(refused)?))
    }
}

impl<R: BufRead> CandleFile<R> {
    /// Reads the header of `input`, which is called `path`.
    ///
    /// # Errors
    ///
    /// [`CandleFileError`], naming the file.
    pub fn new(path: &Path, input: R) -> Result<Self, CandleFileError> {
        let path = path.to_owned();
        let mut rows = CsvRows::new(input);
        let row = match rows.next_row() {
            Ok(Some(row)) => row,
            Ok(None) => return Err(CandleFileError::Empty(path)),
            Err(error) => return Err(CandleFileError::Io { path, error }),
        };
        let line = row.line;
        match row.fields.map(Columns::read) {
            Ok(Ok(columns)) => Ok(Self { path, rows, columns }),
            Ok(Err(error)) => Err(CandleFileError::Columns { path, line, error }),
            Err(fault) => Err(CandleFileError::Header { path, line, fault }),
        }
    }

    /// Reads and checks the next row.
    ///
    /// # Errors
    ///
    /// [`CandleFileError::Io`] when the file can't be read further.
    pub fn next_row(&mut self, timeframe: Timeframe, now: UnixMillis) -> Result<Option<CheckedRow>, CandleFileError> {
        let check = RowCheck { columns: self.columns, timeframe, now };
        let row = self.rows.next_row().map_err(|error| CandleFileError::Io { path: self.path.clone(), error })?;
        Ok(row.map(|row| (row.line, row.fields.map_err(RowRefusal::from).and_then(|fields| check.candle(fields)))))
    }
}

/// Checks that every file can be opened and has a good header. A pipe is not touched: it can be read
/// only once.
///
/// # Errors
///
/// [`CandleFileError`], about the first file that can't be used.
pub fn check_all(paths: &[PathBuf]) -> Result<(), CandleFileError> {
    for path in paths {
        let found = fs::metadata(path).map_err(|error| CandleFileError::Io { path: path.clone(), error })?;
        if found.is_file() || found.is_dir() {
            CandleFile::open(path)?;
        }
    }
    Ok(())
}

/// Reads all rows of all files and puts their candles in order. Ends early, with nothing, once `stop`
/// is cancelled.
///
/// # Errors
///
/// [`CandleFileError`], about the first file that can't be read.
pub fn read_all(
    paths: &[PathBuf],
    timeframe: Timeframe,
    report: &mut impl RowReport,
    stop: &CancellationToken,
) -> Result<Vec<ClosedCandle>, CandleFileError> {
    let now = UnixMillis::now();
    let mut timeline = Timeline::default();
    for (index, path) in paths.iter().enumerate() {
        let mut file = CandleFile::open(path)?;
        while let Some((line, row)) = file.next_row(timeframe, now)? {
            if stop.is_cancelled() {
                return Ok(Vec::new());
            }
            report.received();
            match row {
                Ok(candle) => timeline.push(candle, Place { file: index, line }),
                Err(refusal) => report.refused(path, line, &refusal),
            }
        }
    }
    let settled = timeline.settle();
    report.duplicates(settled.duplicates);
    for found in settled.conflicts {
        let (standing, refused) = (found.standing, found.refused);
        let file = paths[standing.file].display().to_string();
        let conflict = Conflict { open_time: found.open_time, file, line: standing.line };
        report.refused(&paths[refused.file], refused.line, &conflict.into());
    }
    Ok(settled.candles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candle::Bar;
    use crate::decimal::Decimal;
    use proptest::prelude::*;

    fn rows(bytes: &[u8]) -> Result<Vec<CheckedRow>, CandleFileError> {
        let mut file = CandleFile::new(Path::new("x.csv"), bytes)?;
        let mut rows = Vec::new();
        while let Some(row) = file.next_row(Timeframe::M1, UnixMillis::now())? {
            rows.push(row);
        }
        Ok(rows)
    }

    fn refusal(bytes: &[u8]) -> Option<String> {
        rows(bytes).err().map(|error| error.to_string())
    }

    #[test]
    fn a_file_without_a_good_header_is_refused() {
        assert_eq!(refusal(b"\n \n").as_deref(), Some("x.csv: file is empty"));
        assert_eq!(refusal(b"open_time,\"open\n1,2\n").as_deref(), Some("x.csv:1: quote is never closed"));
        let missing = refusal(b"\nopen_time,open,high,low\n").unwrap_or_default();
        assert!(missing.starts_with("x.csv:2: column close is missing; the header must name"), "{missing}");
        assert!(refusal(b"open_time,open,high,low,close\n").is_none());
    }

    #[test]
    fn lines_are_those_of_an_editor() -> Result<(), CandleFileError> {
        let text = b"open_time,open,high,low,close,note\r\n60,1,1,1,1,\"two\r\nlines\"\r\n\r\n120,1,1,1,x,\r\n180,1,1,1,1,\r\n";
        let lines: Vec<(u64, bool)> = rows(text)?.iter().map(|(line, row)| (*line, row.is_ok())).collect();
        assert_eq!(lines, [(2, true), (5, false), (6, true)]);
        Ok(())
    }

    fn candles() -> impl Strategy<Value = Vec<ClosedCandle>> {
        let candle = (1..1_700_000_000_000_i64, 0..1_000_000_i64, 0..1_000_000_i64, 0..9_999_999_i64, 0..8_u32);
        let candle = candle.prop_filter_map("a readable candle", |(time, a, b, volume, scale)| {
            let price = |ticks: i64| format!("{ticks}e-{scale}").parse::<Decimal>().ok();
            let bar = Bar {
                open: price(a)?,
                high: price(a.max(b))?,
                low: price(a.min(b))?,
                close: price(b)?,
                volume: price(volume)?,
            };
            // Milliseconds below 1e11 read as seconds.
            ClosedCandle::new(UnixMillis(time.max(100_000_000_000)), bar, UnixMillis::now()).ok()
        });
        proptest::collection::vec(candle, 0..30)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            candles in candles(),
            as_date in any::<bool>(),
            crlf in any::<bool>(),
            quoted in any::<bool>(),
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let style = if quoted { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
            let mut builder = csv::WriterBuilder::new();
            let mut writer = builder.terminator(terminator).quote_style(style).from_writer(Vec::new());
            writer.write_record(["low", "Volume", "note", "open", "high", "open_time", "close"])?;
            for candle in &candles {
                let time = if as_date { candle.open_time().rfc3339() } else { candle.open_time().to_string() };
                let bar = [candle.open(), candle.high(), candle.low(), candle.close(), candle.volume()];
                let [open, high, low, close, volume] = bar.map(|number| number.to_string());
                writer.write_record([low.as_str(), &volume, "a,\n\"b\"", &open, &high, &time, &close])?;
            }
            let bytes = writer.into_inner().map_err(|error| TestCaseError::fail(error.to_string()))?;
            let read: Vec<_> = rows(&bytes)?.into_iter().map(|(_, row)| row).collect();
            prop_assert_eq!(read, candles.into_iter().map(Ok).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = rows(&bytes);
            let _ = rows(&[&b"open_time,open,high,low,close,volume\n"[..], &bytes].concat());
        }

        #[test]
        fn any_cells_are_read_or_refused(cells in proptest::collection::vec("[-+.,0-9eE\"\nTZ:]{0,60}", 0..20)) {
            let text = format!("open_time,open,high,low,close\n{}", cells.join("\n"));
            prop_assert!(rows(text.as_bytes()).is_ok());
        }
    }
}
