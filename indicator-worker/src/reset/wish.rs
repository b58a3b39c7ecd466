//! What is to be reset: one series by its name, or all that a pattern means.

use std::fmt;
use std::str::FromStr;

use candlewire_common::pattern::SeriesPattern;
use candlewire_common::series::Series;

/// One series, or many.
#[derive(Clone, Debug)]
pub enum Wish {
    /// The series of this name, which is expected to be there.
    One(Series),
    /// All that match, if any do.
    Many(SeriesPattern),
}

impl Wish {
    /// Whether `series` is meant.
    pub(super) fn means(&self, series: &Series) -> bool {
        match self {
            Self::One(named) => named == series,
            Self::Many(pattern) => pattern.matches(series),
        }
    }
}

impl FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('*') {
            text.parse().map(Self::Many).map_err(|error| format!("{text:?} is {error}"))
        } else {
            text.parse().map(Self::One).map_err(|error: candlewire_common::series::SeriesError| error.to_string())
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(series) => series.fmt(f),
            Self::Many(pattern) => pattern.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_series_and_a_star_makes_it_many() {
        let read = |text: &str| text.parse::<Wish>();
        assert!(matches!(read("csv:X:1h"), Ok(Wish::One(_))));
        for many in ["*", "csv:*:1h", "csv:X*:*"] {
            assert!(matches!(read(many), Ok(Wish::Many(_))), "{many}");
        }
        for nonsense in ["", "csv", "csv:X:90m", "csv:*", "csv:*:90m", "CSV:X:1h"] {
            assert!(read(nonsense).is_err(), "{nonsense}");
        }
        let series: Series = "csv:X:1h".parse().unwrap();
        let means = |text: &str| read(text).is_ok_and(|wish| wish.means(&series));
        assert_eq!(["csv:X:1h", "csv:*:1h", "*", "csv:Y:1h", "csv:*:1m"].map(means), [true, true, true, false, false]);
    }
}
