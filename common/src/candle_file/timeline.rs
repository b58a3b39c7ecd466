//! The candles of all files in the order of their open times, each open time once.
//!
//! Workers drop what is older than the last candle applied, so candles are handed on in the order of
//! open times, whatever the order of rows and files was. Of rows with one open time the first stands.

use crate::candle::ClosedCandle;
use crate::time::UnixMillis;

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The file, by its position on the command line.
    pub file: usize,
    /// The line within it; the header is line 1.
    pub line: u64,
}

/// Rows that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("open_time {open_time} was already given with other prices at {file}:{line}")]
pub struct Conflict {
    /// The open time that both rows have.
    pub open_time: UnixMillis,
    /// The file of the row that stands.
    pub file: String,
    /// Its line.
    pub line: u64,
}

/// Gathers candles in the order of reading.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    rows: Vec<(ClosedCandle, Place)>,
}

/// Candles in open-time order, and what was left out for it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// What the files hold.
    pub candles: Vec<ClosedCandle>,
    /// How many rows repeated an earlier one.
    pub duplicates: u64,
    /// Rows that contradict an earlier one, which stands, in the order of reading.
    pub conflicts: Vec<Contradiction>,
}

/// A row that contradicts an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contradiction {
    /// The row that is refused.
    pub refused: Place,
    /// The row that stands.
    pub standing: Place,
    /// The open time of both.
    pub open_time: UnixMillis,
}

impl Timeline {
    /// Adds the candle of a row.
    pub(super) fn push(&mut self, candle: ClosedCandle, place: Place) {
        self.rows.push((candle, place));
    }

    /// Puts the candles in order.
    pub(super) fn settle(self) -> Settled {
        let mut rows = self.rows;
        let mut settled = Settled::default();
        // Stable: of rows with one open time the one that was read first comes first.
        rows.sort_by_key(|(candle, _)| candle.open_time());
        rows.dedup_by(|(later, refused), (kept, standing)| {
            let repeats = later.open_time() == kept.open_time();
            if later == kept {
                settled.duplicates += 1;
            } else if repeats {
                let open_time = kept.open_time();
                settled.conflicts.push(Contradiction { refused: *refused, standing: *standing, open_time });
            }
            repeats
        });
        settled.conflicts.sort_by_key(|conflict| conflict.refused);
        settled.candles = rows.into_iter().map(|(candle, _)| candle).collect();
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candle::Bar;
    use proptest::prelude::*;

    fn candle(minute: i64, close: &str) -> Option<ClosedCandle> {
        let price = |text: &str| text.parse().ok();
        let bar =
            Bar { open: price("1")?, high: price("9")?, low: price("1")?, close: price(close)?, volume: price("0")? };
        ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now()).ok()
    }

    fn settled(rows: &[(i64, &str)]) -> Settled {
        let mut timeline = Timeline::default();
        for (line, &(minute, close)) in (2..).zip(rows) {
            let Some(candle) = candle(minute, close) else { continue };
            timeline.push(candle, Place { file: 0, line });
        }
        timeline.settle()
    }

    fn minutes(settled: &Settled) -> Vec<i64> {
        settled.candles.iter().map(|candle| candle.open_time().0 / 60_000).collect()
    }

    #[test]
    fn newest_first_becomes_oldest_first() {
        let settled = settled(&[(3, "1"), (2, "1"), (1, "1")]);
        assert_eq!(minutes(&settled), [1, 2, 3]);
        assert_eq!((settled.duplicates, settled.conflicts.len()), (0, 0));
    }

    #[test]
    fn of_one_open_time_the_first_row_stands() {
        let settled = settled(&[(2, "5"), (1, "4"), (2, "6"), (2, "5.0"), (1, "7"), (2, "5")]);
        assert_eq!(minutes(&settled), [1, 2]);
        assert_eq!(settled.candles.iter().map(|candle| candle.close().to_string()).collect::<Vec<_>>(), ["4", "5"]);
        assert_eq!(settled.duplicates, 2);
        let conflict = |refused, standing, minute: i64| Contradiction {
            refused: Place { file: 0, line: refused },
            standing: Place { file: 0, line: standing },
            open_time: UnixMillis(minute * 60_000),
        };
        assert_eq!(settled.conflicts, [conflict(4, 2, 2), conflict(6, 3, 1)]);
    }

    proptest! {
        #[test]
        fn every_row_is_kept_skipped_or_refused(rows in proptest::collection::vec((1..20_i64, 1..4_u8), 0..60)) {
            let texts: Vec<(i64, String)> = rows.into_iter().map(|(minute, close)| (minute, close.to_string())).collect();
            let rows: Vec<(i64, &str)> = texts.iter().map(|(minute, close)| (*minute, close.as_str())).collect();
            let settled = settled(&rows);
            prop_assert!(minutes(&settled).is_sorted_by(|a, b| a < b));
            let left_out = usize::try_from(settled.duplicates)? + settled.conflicts.len();
            prop_assert_eq!(settled.candles.len() + left_out, rows.len());
            prop_assert!(settled.conflicts.iter().all(|conflict| conflict.standing < conflict.refused));
        }
    }
}
