//! The check of one row: a closed candle, or the reason why it is none.
//!
//! The rules and their words are those of the candle types, so that a row is refused here for what a
//! worker would refuse its entry for; a forming bar is refused too, since it never enters a stream.

use crate::candle::ClosedCandle;
use crate::candle_entry::{OhlcvText, Unusable};
use crate::time::UnixMillis;
use crate::timeframe::Timeframe;

use super::columns::Columns;
use super::csv_rows::{Fields, RowFault};
use super::open_time::{self, OpenTimeError};
use super::timeline::Conflict;

/// Why a row is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowRefusal {
    /// The row can't be taken apart.
    #[error(transparent)]
    Row(#[from] RowFault),
    /// The row has another number of fields than the header.
    #[error("row has {found} fields, the header {expected}")]
    FieldCount {
        /// Fields of the row.
        found: usize,
        /// Fields of the header.
        expected: usize,
    },
    /// The open time can't be read.
    #[error(transparent)]
    OpenTime(#[from] OpenTimeError),
    /// A field is missing or no number, or no such bar can have been.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The bar's time is not over.
    #[error("candle is still forming until {}", .0.rfc3339())]
    Forming(UnixMillis),
    /// An earlier row has the same open time and other prices.
    #[error(transparent)]
    Conflict(#[from] Conflict),
}

/// Checks rows against a header, a timeframe and the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowCheck {
    /// Where the columns stand.
    pub(super) columns: Columns,
    /// The length of the file's candles.
    pub(super) timeframe: Timeframe,
    /// The time by which a candle must be closed.
    pub(super) now: UnixMillis,
}

impl RowCheck {
    /// Reads the candle of a row.
    ///
    /// # Errors
    ///
    /// [`RowRefusal`], the first thing that is wrong with it.
    pub(super) fn candle(&self, fields: Fields<'_>) -> Result<ClosedCandle, RowRefusal> {
        let Columns { count, open_time, open, high, low, close, volume } = self.columns;
        if fields.count() != count {
            return Err(RowRefusal::FieldCount { found: fields.count(), expected: count });
        }
        let open_time = open_time::read(required(fields, open_time, "open_time")?)?;
        let text = OhlcvText {
            open: required(fields, open, "open")?,
            high: required(fields, high, "high")?,
            low: required(fields, low, "low")?,
            close: required(fields, close, "close")?,
            volume: volume.map_or(Ok(None), |at| optional(fields, at, "volume"))?.unwrap_or("0"),
        };
        let candle = ClosedCandle::new(open_time, text.read()?, self.now).map_err(Unusable::from)?;
        let close_time = self.timeframe.close_time(open_time);
        if close_time > self.now {
            return Err(RowRefusal::Forming(close_time));
        }
        Ok(candle)
    }
}

fn required<'a>(fields: Fields<'a>, at: usize, name: &'static str) -> Result<&'a str, Unusable> {
    optional(fields, at, name)?.ok_or(Unusable::Missing(name))
}

/// The text of a field without surrounding spaces; an empty one is not there.
fn optional<'a>(fields: Fields<'a>, at: usize, name: &'static str) -> Result<Option<&'a str>, Unusable> {
    let bytes = fields.get(at).unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(bytes).map_err(|_| Unusable::NotText(name))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candle_file::csv_rows::CsvRows;

    /// Two hours after the good row's open time.
    const NOW: UnixMillis = UnixMillis(1_483_340_400_000);
    const COLUMNS: Columns = Columns { count: 7, open_time: 0, open: 1, high: 2, low: 3, close: 4, volume: Some(5) };

    fn check(row: &[u8]) -> Option<Result<ClosedCandle, RowRefusal>> {
        let mut rows = CsvRows::new(row);
        let fields = rows.next_row().ok().flatten()?.fields;
        let check = RowCheck { columns: COLUMNS, timeframe: Timeframe::H1, now: NOW };
        Some(fields.map_err(RowRefusal::from).and_then(|fields| check.candle(fields)))
    }

    #[test]
    fn numbers_keep_their_spelling_and_volume_may_be_empty() {
        let candle = check(b" 2017-01-02T05:00:00Z , 1.0500,2e0,1,1.70,,ignored \xff\r\n").and_then(Result::ok);
        let text = candle.map(|candle| {
            [candle.open(), candle.high(), candle.low(), candle.close(), candle.volume()].map(|price| price.to_string())
        });
        assert_eq!(text, Some(["1.0500", "2", "1", "1.70", "0"].map(str::to_owned)));
        assert_eq!(candle.map(|candle| candle.open_time()), Some(UnixMillis(1_483_333_200_000)));
    }

    #[test]
    fn every_fault_has_its_reason() {
        for (row, expected) in [
            (&b"1483333200,1,2,1,2"[..], "row has 5 fields, the header 7"),
            (b"1483333200,1,2,1,2,3,4,5", "row has 8 fields, the header 7"),
            (b"1483333200,\"1,2,1,2,3,", "quote is never closed"),
            (b",1,2,1,2,3,", "field open_time is missing"),
            (b"1483333200,1,2,1,,3,", "field close is missing"),
            (b"1483333200,1,2\xff,1,2,3,", "field high is not text"),
            (b"soon,1,2,1,2,3,", r#"open_time "soon" is neither ISO 8601 nor Unix seconds or milliseconds"#),
            (b"1483333200000.5,1,2,1,2,3,", r#"open_time "1483333200000.5" is not a whole millisecond"#),
            (b"0,1,2,1,2,3,", "open_time 0 is not after 1970-01-01"),
            (b"1483430401,1,2,1,2,3,", "open_time 1483430401000 is more than a day ahead"),
            (b"1483333200,1,2,1,nan,3,", r#"close "nan" is not a finite decimal number"#),
            (
                b"1483333200,1,2,1,1.1234567890123456789,3,",
                r#"close "1.1234567890123456789" is more than 18 significant digits"#,
            ),
            (b"1483333200,1,2,3,2,3,", "impossible bar: low 3 is above high 2"),
            (b"1483333200,3,2,1,2,3,", "impossible bar: open 3 is outside of low 1 and high 2"),
            (b"1483333200,1,2,1,2,-3,", "negative volume -3"),
            (b"1483340399,1,2,1,2,3,", "candle is still forming until 2017-01-02T07:59:59Z"),
            (b"1483336800.001,1,2,1,2,3,", "candle is still forming until 2017-01-02T07:00:00.001Z"),
        ] {
            let refusal = check(row).and_then(Result::err).map(|refusal| refusal.to_string());
            assert_eq!(refusal.as_deref(), Some(expected), "{}", String::from_utf8_lossy(row));
        }
        assert!(check(b"1483336800,1,2,1,2,3,").is_some_and(|row| row.is_ok()), "just closed");
    }
}
