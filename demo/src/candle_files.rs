//! The bundled candle files.
//!
//! Owns the check that they are there, and how many rows each has. What is in the rows is the
//! ingestor's to judge.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candlewire_common::exit::Fault;

use crate::act::{ACTS, BundledSeries};

/// The files of all acts, found in one directory.
#[derive(Debug)]
pub struct CandleFiles {
    directory: PathBuf,
    rows: HashMap<&'static str, u64>,
}

impl CandleFiles {
    /// Finds the files of all acts and counts their rows.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] for the first file that can't be read.
    pub fn find(directory: &Path) -> Result<Self, Fault> {
        let mut rows = HashMap::new();
        for series in ACTS.iter().flat_map(|act| act.series) {
            let path = directory.join(series.file);
            let text = fs::read_to_string(&path).map_err(|error| {
                let hint = "run the demo from the project's directory, or name its data with --data DIR";
                Fault::Usage(format!("{}: {error}; {hint}", path.display()))
            })?;
            let lines = text.lines().skip(1).filter(|line| !line.trim().is_empty());
            rows.insert(series.file, lines.map(|_| 1).sum());
        }
        Ok(Self { directory: directory.to_owned(), rows })
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns where a series' file is.
    pub fn path(&self, series: &BundledSeries) -> PathBuf {
        self.directory.join(series.file)
    }

    /// Returns how many candles a series' file should hold.
    pub fn rows(&self, series: &BundledSeries) -> u64 {
        self.rows.get(series.file).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundled_files_are_all_there() -> Result<(), Fault> {
        let files = CandleFiles::find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../data"))?;
        let rows: u64 = ACTS.iter().flat_map(|act| act.series).map(|series| files.rows(series)).sum();
        assert_eq!(rows, 20_165);
        Ok(())
    }

    #[test]
    fn missing_file_is_named_with_the_way_out() {
        let error = CandleFiles::find(Path::new("/nowhere")).err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(error.starts_with("/nowhere/EURUSD-1h-2017.csv: ") && error.ends_with("--data DIR"), "{error}");
    }
}
