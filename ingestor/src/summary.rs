//! The last line of a replay.

use std::fmt;
use std::time::Duration;

use candlewire_common::exit::Outcome;
use candlewire_common::phrase::counted;

/// What became of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Candles that Redis has acknowledged.
    pub published: usize,
    /// Candles that were to be published.
    pub total: usize,
    /// Rows that are no candle.
    pub refused: u64,
    /// Rows that repeat another.
    pub duplicates: u64,
    /// How long it took.
    pub took: Duration,
    /// Whether it ended before all was published.
    pub interrupted: bool,
}

impl Summary {
    /// How the program ends.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self { interrupted: true, .. } => Outcome::Interrupted,
            Self { refused: 1.., .. } => Outcome::RowsRefused,
            _ => Outcome::Done,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { published, total, refused, duplicates, took, interrupted } = *self;
        if interrupted {
            write!(f, "interrupted, {published} of ")?;
        }
        let total = total as u64;
        let (candles, rows, repeats) =
            (counted(total, "candle"), counted(refused, "row"), counted(duplicates, "duplicate"));
        write!(f, "{candles} published in {:.1} s, {rows} refused, {repeats} skipped", took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Summary = Summary {
        published: 6225,
        total: 6225,
        refused: 0,
        duplicates: 0,
        took: Duration::from_millis(123),
        interrupted: false,
    };

    #[test]
    fn it_says_what_became_of_every_row() {
        assert_eq!(ALL.to_string(), "6225 candles published in 0.1 s, 0 rows refused, 0 duplicates skipped");
        let few = Summary { published: 1, total: 1, refused: 1, duplicates: 1, ..ALL };
        assert_eq!(few.to_string(), "1 candle published in 0.1 s, 1 row refused, 1 duplicate skipped");
        let cut = Summary { published: 500, interrupted: true, ..ALL };
        assert_eq!(
            cut.to_string(),
            "interrupted, 500 of 6225 candles published in 0.1 s, 0 rows refused, 0 duplicates skipped"
        );
    }

    #[test]
    fn an_interruption_outweighs_refused_rows() {
        assert_eq!(ALL.outcome(), Outcome::Done);
        assert_eq!(Summary { refused: 2, ..ALL }.outcome(), Outcome::RowsRefused);
        assert_eq!(Summary { refused: 2, interrupted: true, ..ALL }.outcome(), Outcome::Interrupted);
    }
}
