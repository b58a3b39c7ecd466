//! Where the columns of a candle file stand.
//!
//! Owns the meaning of the header. Names are matched without regard to case, order and surrounding
//! spaces; columns of other names are ignored.

use super::csv_rows::Fields;

/// The columns that a header must name.
const REQUIRED: [&str; 5] = ["open_time", "open", "high", "low", "close"];

/// Where each column stands, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// How many columns the header has.
    pub count: usize,
    /// When the bar began.
    pub open_time: usize,
    /// First price.
    pub open: usize,
    /// Highest price.
    pub high: usize,
    /// Lowest price.
    pub low: usize,
    /// Last price.
    pub close: usize,
    /// Traded volume, where the file has it.
    pub volume: Option<usize>,
}

/// Why a header can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// A required column is not named.
    #[error("column {0} is missing; the header must name open_time, open, high, low and close, and may name volume")]
    Missing(&'static str),
    /// A column is named more than once.
    #[error("column {0} is named twice")]
    Twice(&'static str),
}

impl Columns {
    /// Reads a header.
    ///
    /// # Errors
    ///
    /// [`ColumnsError`], naming the column.
    pub(super) fn read(header: Fields<'_>) -> Result<Self, ColumnsError> {
        let required = |name| find(header, name)?.ok_or(ColumnsError::Missing(name));
        let [open_time, open, high, low, close] = REQUIRED.map(required);
        Ok(Self {
            count: header.count(),
            open_time: open_time?,
            open: open?,
            high: high?,
            low: low?,
            close: close?,
            volume: find(header, "volume")?,
        })
    }
}

fn find(header: Fields<'_>, name: &'static str) -> Result<Option<usize>, ColumnsError> {
    let is_named = |&index: &usize| {
        header.get(index).is_some_and(|field| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut found = (0..header.count()).filter(is_named);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(ColumnsError::Twice(name)),
        (found, None) => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candle_file::csv_rows::CsvRows;

    fn columns(header: &str) -> Option<Result<Columns, ColumnsError>> {
        let mut rows = CsvRows::new(header.as_bytes());
        let row = rows.next_row().ok().flatten()?;
        Some(Columns::read(row.fields.ok()?))
    }

    #[test]
    fn order_case_spaces_and_further_columns_do_not_matter() {
        let columns = columns("\u{feff}note,Close, \"LOW\" ,high ,Volume,open,Open_Time\r\n");
        let expected = Columns { count: 7, open_time: 6, open: 5, high: 3, low: 2, close: 1, volume: Some(4) };
        // A quote behind a space is part of the name.
        assert_eq!(columns, Some(Err(ColumnsError::Missing("low"))));
        let columns = self::columns("\u{feff}note,Close,\" LOW\",high ,Volume,open,Open_Time\r\n");
        assert_eq!(columns, Some(Ok(expected)));
    }

    #[test]
    fn a_header_must_name_each_column_once() {
        for (header, expected) in [
            ("open_time,open,high,low,close", Ok(None)),
            ("open_time,open,high,low,close,volume", Ok(Some(5))),
            ("time,open,high,low,close", Err(ColumnsError::Missing("open_time"))),
            ("open_time;open;high;low;close", Err(ColumnsError::Missing("open_time"))),
            ("1483308000000,1.05236,1.05253,1.05221,1.05227", Err(ColumnsError::Missing("open_time"))),
            ("open_time,open,high,low,close,Close", Err(ColumnsError::Twice("close"))),
            ("open_time,open,high,low,close,volume,volume", Err(ColumnsError::Twice("volume"))),
        ] {
            assert_eq!(columns(header).map(|read| read.map(|columns| columns.volume)), Some(expected), "{header}");
        }
    }
}
