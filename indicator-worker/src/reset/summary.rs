//! What was reset, in words.

use std::fmt::Write as _;

use candlewire_common::series::Series;

use super::erasure::Verdict;
use super::wish::Wish;

/// How many series that were kept are named.
const NAMED: usize = 10;

/// What became of the series that were found.
#[derive(Debug)]
pub(super) struct Summary {
    erased: u64,
    short: u64,
    kept: Vec<Series>,
    missing: Vec<Series>,
    /// The wishes that mean nothing that is there.
    idle: Vec<String>,
}

impl Summary {
    /// Sums up the verdicts on what was wished for.
    pub(super) fn of(verdicts: &[(Series, Verdict)], wishes: &[Wish]) -> Self {
        let is = |wanted: Verdict| verdicts.iter().filter(move |(_, verdict)| *verdict == wanted);
        let names = |wanted: Verdict| is(wanted).map(|(series, _)| series.clone()).collect::<Vec<_>>();
        let short = is(Verdict::Short).count() as u64;
        let is_there =
            |wish: &&Wish| verdicts.iter().any(|(series, verdict)| *verdict != Verdict::Missing && wish.means(series));
        let idle = wishes.iter().filter(|wish| !is_there(wish)).map(ToString::to_string).collect();
        let erased = is(Verdict::Erased).count() as u64 + short;
        Self { erased, short, kept: names(Verdict::Kept), missing: names(Verdict::Missing), idle }
    }

    /// A series that was named and is not there.
    pub(super) fn missing(&self, wishes: &[Wish]) -> Option<&Series> {
        self.missing
            .iter()
            .find(|series| wishes.iter().any(|wish| matches!(wish, Wish::One(named) if named == *series)))
    }

    /// The lines for people.
    pub(super) fn text(&self, dry_run: bool) -> String {
        let Self { erased, short, kept, idle, .. } = self;
        let mut text = String::new();
        // Writing to a string can't fail.
        for wish in idle {
            let _ = writeln!(text, "{wish} matches no series");
        }
        for series in kept.iter().take(NAMED) {
            let _ = writeln!(text, "{series} stays as it is: its history does not reach its last candle");
        }
        if let Some(more @ 1..) = kept.len().checked_sub(NAMED) {
            let _ = writeln!(text, "so do {more} more");
        }
        let verb = if dry_run { "would reset" } else { "reset" };
        let subject = match erased {
            0 => return text + &format!("{verb} nothing\n"),
            1 => "it",
            _ => "each",
        };
        let _ =
            writeln!(text, "{verb} {erased} series; {subject} is rebuilt from its history when its next candle comes");
        if *short > 0 {
            let _ = writeln!(
                text,
                "{short} of them with fewer candles of history than they have seen: averages that need more warm up again"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str) -> Series {
        format!("csv:{name}:1h").parse().unwrap()
    }

    fn wishes(texts: &[&str]) -> Vec<Wish> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn every_wish_is_answered() {
        let wishes = wishes(&["csv:A:1h", "csv:B*:1h", "csv:Z*:1h"]);
        let verdicts = [(series("A"), Verdict::Erased), (series("B"), Verdict::Short), (series("BB"), Verdict::Kept)];
        let summary = Summary::of(&verdicts, &wishes);
        assert_eq!(summary.missing(&wishes), None);
        let lines = "\
csv:Z*:1h matches no series
csv:BB:1h stays as it is: its history does not reach its last candle
reset 2 series; each is rebuilt from its history when its next candle comes
1 of them with fewer candles of history than they have seen: averages that need more warm up again
";
        assert_eq!(summary.text(false), lines);
    }

    #[test]
    fn one_and_none_are_worded_as_such() {
        let one = Summary::of(&[(series("A"), Verdict::Erased)], &wishes(&["*"]));
        assert_eq!(one.text(true), "would reset 1 series; it is rebuilt from its history when its next candle comes\n");
        let none = Summary::of(&[], &wishes(&["*"]));
        assert_eq!(none.text(false), "* matches no series\nreset nothing\n");
        let many: Vec<(Series, Verdict)> = (0..12).map(|at| (series(&format!("S{at}")), Verdict::Kept)).collect();
        let text = Summary::of(&many, &wishes(&["*"])).text(false);
        assert!(text.contains("so do 2 more\nreset nothing\n"), "{text}");
    }

    #[test]
    fn a_named_series_that_is_not_there_is_found_out() {
        let verdicts = [(series("A"), Verdict::Missing)];
        let named = wishes(&["csv:A:1h"]);
        assert_eq!(Summary::of(&verdicts, &named).missing(&named), Some(&series("A")));
        // What vanished between the search and the look was not asked for by its name.
        let globbed = wishes(&["csv:*:1h"]);
        assert_eq!(Summary::of(&verdicts, &globbed).missing(&globbed), None);
    }
}
