//! The rows of a CSV file, each with the line it begins on.
//!
//! Owns quoting, the counting of lines and the limit of a row. Whatever the bytes are, each line that
//! is not blank belongs to exactly one row: a quote that is never closed costs the line it stands on,
//! not the rest of the file. It knows nothing of columns or candles.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

/// The most bytes a row may have, its line breaks included.
pub const ROW_BYTES_MAX: usize = 16 * 1024;

/// Why a row can't be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// The row has more than [`ROW_BYTES_MAX`] bytes.
    #[error("row is longer than {ROW_BYTES_MAX} bytes")]
    TooLong,
    /// A quote opens that nothing closes within [`ROW_BYTES_MAX`] bytes.
    #[error("quote is never closed")]
    UnclosedQuote,
}

/// Reads rows one by one.
#[derive(Debug)]
pub(super) struct CsvRows<R> {
    input: R,
    line_number: u64,
    /// Lines that were read but belong to no row yet: more than one only while a quote is open.
    ahead: VecDeque<Line>,
    parser: Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// One row and where it begins.
#[derive(Debug)]
pub(super) struct CsvRow<'a> {
    /// The line the row begins on; the first is 1.
    pub line: u64,
    /// Its fields without their quotes.
    pub fields: Result<Fields<'a>, RowFault>,
}

/// The fields of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    text: &'a [u8],
    ends: &'a [usize],
}

/// A line with its line break. A longer one than a row may have is cut behind that size.
#[derive(Debug)]
struct Line {
    number: u64,
    text: Vec<u8>,
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// One of them, counted from 0.
    pub(super) fn get(&self, index: usize) -> Option<&'a [u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text.get(start..end)
    }
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the rows of `input`.
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            line_number: 0,
            ahead: VecDeque::new(),
            parser: ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build(),
            text: vec![0; ROW_BYTES_MAX],
            ends: vec![0; ROW_BYTES_MAX + 1],
        }
    }

    /// Reads the next row; blank lines are none.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when the input can't be read further.
    pub(super) fn next_row(&mut self) -> io::Result<Option<CsvRow<'_>>> {
        let line = loop {
            match self.line_ahead(0)? {
                None => return Ok(None),
                Some(line) if line.text.trim_ascii().is_empty() => {}
                Some(line) => break line.number,
            }
            self.ahead.pop_front();
        };
        let fields = self.take_fields()?;
        Ok(Some(CsvRow { line, fields }))
    }

    /// Takes as many lines as the first of those ahead needs to be a whole row.
    fn take_fields(&mut self) -> io::Result<Result<Fields<'_>, RowFault>> {
        let (mut lines, mut size, mut written, mut ended) = (0, 0, 0, 0);
        while let Some(text) = self.line_ahead(lines)?.map(|line| std::mem::take(&mut line.text)) {
            size += text.len();
            let fits = size <= ROW_BYTES_MAX;
            let step = fits.then(|| self.parser.read_record(&text, &mut self.text[written..], &mut self.ends[ended..]));
            self.ahead[lines].text = text;
            let Some((result, _, wrote, ends)) = step else { break };
            (lines, written, ended) = (lines + 1, written + wrote, ended + ends);
            if let ReadRecordResult::Record = result {
                self.ahead.drain(..lines);
                return Ok(Ok(Fields { text: &self.text[..written], ends: &self.ends[..ended] }));
            }
        }
        self.parser.reset();
        self.ahead.pop_front();
        Ok(Err(if lines == 0 { RowFault::TooLong } else { RowFault::UnclosedQuote }))
    }

    fn line_ahead(&mut self, index: usize) -> io::Result<Option<&mut Line>> {
        while self.ahead.len() <= index {
            let Some(line) = self.read_line()? else { return Ok(None) };
            self.ahead.push_back(line);
        }
        Ok(self.ahead.get_mut(index))
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        let read = (&mut self.input).take(ROW_BYTES_MAX as u64 + 1).read_until(b'\n', &mut text)?;
        if read == 0 {
            return Ok(None);
        }
        if text.last() != Some(&b'\n') {
            // Either the line goes on, and is too long, or the file ends here.
            self.input.skip_until(b'\n')?;
            text.push(b'\n');
        }
        self.line_number += 1;
        Ok(Some(Line { number: self.line_number, text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A row's line and its fields as text.
    type ReadRow = (u64, Result<Vec<String>, RowFault>);

    fn rows(text: &[u8]) -> io::Result<Vec<ReadRow>> {
        let mut rows = CsvRows::new(text);
        let mut all = Vec::new();
        while let Some(CsvRow { line, fields }) = rows.next_row()? {
            let texts = fields.map(|fields| {
                (0..fields.count())
                    .filter_map(|index| fields.get(index).map(|field| String::from_utf8_lossy(field).into_owned()))
                    .collect()
            });
            all.push((line, texts));
        }
        Ok(all)
    }

    fn good(line: u64, fields: &[&str]) -> ReadRow {
        (line, Ok(fields.iter().map(|&field| field.to_owned()).collect()))
    }

    #[test]
    fn lines_are_counted_through_blank_ones_and_quoted_breaks() -> io::Result<()> {
        let text = b"a,b\n\n1,\"x\ny\"\n\r\n  \n2,\"\"\"\"\r\n3,";
        let expected = [good(1, &["a", "b"]), good(3, &["1", "x\ny"]), good(7, &["2", "\"\r"]), good(8, &["3", ""])];
        // The carriage return is part of the line: whoever reads a field trims it.
        assert_eq!(rows(text)?, expected);
        Ok(())
    }

    #[test]
    fn byte_order_mark_is_dropped() -> io::Result<()> {
        assert_eq!(rows(b"\xef\xbb\xbfopen,close\n1,2\n")?, [good(1, &["open", "close"]), good(2, &["1", "2"])]);
        Ok(())
    }

    #[test]
    fn an_open_quote_costs_one_line() -> io::Result<()> {
        let expected = [good(1, &["1", "2"]), (2, Err(RowFault::UnclosedQuote)), good(3, &["5", "6"]), good(5, &["7"])];
        assert_eq!(rows(b"1,2\n3,\"4\n5,6\n\n7\n")?, expected);
        let far = [b"1,\"2\n".to_vec(), b"3,4\n".repeat(ROW_BYTES_MAX), b"5,\"6\"\n".to_vec()].concat();
        let rows = rows(&far)?;
        assert_eq!(rows.len(), ROW_BYTES_MAX + 2);
        assert_eq!(rows.iter().filter(|(_, fields)| fields.is_err()).count(), 1);
        Ok(())
    }

    #[test]
    fn a_long_line_costs_itself() -> io::Result<()> {
        let longest = [b"x".repeat(ROW_BYTES_MAX - 1), b"\n".to_vec()].concat();
        let text =
            [longest.clone(), b"x".to_vec(), longest.clone(), b",".repeat(1_000_000), b"\n1,2\n".to_vec()].concat();
        let rows = rows(&text)?;
        assert!(rows[0].1.is_ok());
        assert_eq!(rows[1..], [(2, Err(RowFault::TooLong)), (3, Err(RowFault::TooLong)), good(4, &["1", "2"])]);
        Ok(())
    }

    fn csv_bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![any::<u8>(), Just(b'\n'), Just(b','), Just(b'"'), Just(b'\r')];
        proptest::collection::vec(byte, 0..300)
    }

    fn table() -> impl Strategy<Value = Vec<Vec<String>>> {
        proptest::collection::vec(proptest::collection::vec("[a-c ,\"\n]{0,6}", 1..5), 1..20)
    }

    /// Whether a writer leaves nothing of the row but spaces, which are a blank line.
    fn is_blank(row: &[String]) -> bool {
        matches!(row, [only] if !only.is_empty() && only.bytes().all(|b| b == b' '))
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_on_ascending_lines(bytes in csv_bytes()) {
            let lines: Vec<u64> = rows(&bytes)?.into_iter().map(|(line, _)| line).collect();
            let count = bytes.split(|&b| b == b'\n').count() as u64;
            prop_assert!(lines.is_sorted_by(|a, b| a < b));
            prop_assert!(lines.iter().all(|&line| (1..=count).contains(&line)));
        }

        #[test]
        fn what_a_csv_writer_writes_is_read(table in table()) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &table {
                writer.write_record(row)?;
            }
            let bytes = writer.into_inner().map_err(|error| TestCaseError::fail(error.to_string()))?;
            let read: Vec<_> = rows(&bytes)?.into_iter().map(|(_, fields)| fields).collect();
            let written: Vec<_> = table.into_iter().filter(|row| !is_blank(row)).map(Ok).collect();
            prop_assert_eq!(read, written);
        }
    }
}
