//! The bundled candles, as texts: what a foreign program would read from the files.

use std::path::PathBuf;

/// Every bundled candle file.
pub const FILES: [&str; 11] = [
    "AAPL-1d.csv",
    "BTC-1m-2023-01-15.csv",
    "BTCUSD-1m-2019-03-29.csv",
    "BTCUSDT-1s-2025-03-25.csv",
    "ETHUSDT-1s-2025-03-25.csv",
    "EURUSD-1h-2017.csv",
    "GOOG-1d.csv",
    "IBM-1d.csv",
    "MSFT-1d.csv",
    "SOL-1m-2023-01-01.csv",
    "SOLUSDT-1s-2025-03-25.csv",
];

/// One row of a candle file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Unix milliseconds.
    pub open_time: i64,
    /// Open, high, low, close and volume as they are written.
    pub texts: [String; 5],
}

/// Where a bundled file is.
pub fn path(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../data")).join(file)
}

/// Reads a bundled file.
///
/// # Panics
///
/// When the file is not as it was bundled.
pub fn rows(file: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let row = |line: &str| {
        let mut cells = line.split(',');
        let open_time = cells.next().and_then(|cell| cell.parse().ok())?;
        let texts: Vec<String> = cells.map(str::to_owned).collect();
        Some(Row { open_time, texts: texts.try_into().ok()? })
    };
    text.lines().skip(1).map(|line| row(line).unwrap_or_else(|| panic!("{file}: {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_file_is_there_in_order() {
        for file in FILES {
            let rows = rows(file);
            assert!(rows.len() > 100 && rows.is_sorted_by_key(|row| row.open_time), "{file}");
        }
    }
}
