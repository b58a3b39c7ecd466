//! Conditions: what else must hold for a crossing to count: `rsi(14) < 70 and ema(50)@4h > ema(200)@4h`.
//!
//! Owns their spelling and what can be compared. Reading the values is the worker's business.

use std::cmp::Ordering;
use std::fmt;

use crate::decimal::Decimal;
use crate::indicator::Line;
use crate::syntax::{Cursor, Misread};
use crate::timeframe::Timeframe;

/// How many values of a line are remembered for the lower timeframes that look at it: a day of hours, with some to
/// spare, so that after an outage the candles of one timeframe may be published before those of another.
pub const REMEMBERED: usize = 32;

/// Two terms, and how the first must stand to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    left: Term,
    comparison: Comparison,
    right: Term,
}

/// One side of a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// A fixed number.
    Number(Decimal),
    /// The value of a line on the series itself.
    Line(Line),
    /// The value of a line on the same instrument's series of this timeframe.
    Elsewhere(Line, Timeframe),
}

/// How one side must stand to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The longer signs first, since the shorter ones begin alike.
    const ALL: [Self; 4] = [Self::LessOrEqual, Self::GreaterOrEqual, Self::Less, Self::Greater];

    fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it holds for sides that stand like this.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Term {
    /// The line that is read, where it is no number.
    pub fn line(self) -> Option<Line> {
        match self {
            Self::Number(_) => None,
            Self::Line(line) | Self::Elsewhere(line, _) => Some(line),
        }
    }

    /// The other timeframe that it looks at.
    pub fn timeframe(self) -> Option<Timeframe> {
        match self {
            Self::Number(_) | Self::Line(_) => None,
            Self::Elsewhere(_, timeframe) => Some(timeframe),
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Misread> {
        if let Some(digits) = cursor.number() {
            return digits.parse().map(Self::Number).map_err(|error| cursor.misread(format!("{digits:?} is {error}")));
        }
        let missing = "here a number, a price such as close, or an indicator such as rsi(14) is missing";
        let word = cursor.word().ok_or_else(|| cursor.misread(missing))?;
        let line = Line::read(word, cursor)?;
        if !cursor.take("@") {
            return Ok(Self::Line(line));
        }
        let timeframe = cursor.label().unwrap_or_default().parse();
        timeframe.map(|timeframe| Self::Elsewhere(line, timeframe)).map_err(|error| cursor.misread(error.to_string()))
    }
}

impl Condition {
    /// Both sides. They can be compared, and are not both numbers.
    pub fn terms(self) -> [Term; 2] {
        [self.left, self.right]
    }

    /// How the first side must stand to the second.
    pub fn comparison(self) -> Comparison {
        self.comparison
    }

    /// Reads conditions joined by `and`.
    ///
    /// # Errors
    ///
    /// [`Misread`], the first mistake and where it is.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Misread> {
        let mut cursor = Cursor::new(text);
        let mut conditions = vec![Self::read(&mut cursor)?];
        while !cursor.rest().is_empty() {
            if cursor.word() != Some("and") {
                return Err(cursor.misread("conditions are joined by and; there is no or, and no arithmetic"));
            }
            conditions.push(Self::read(&mut cursor)?);
        }
        Ok(conditions)
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Misread> {
        let left = Term::read(cursor)?;
        let comparison = Comparison::ALL.into_iter().find(|comparison| cursor.take(comparison.as_str()));
        let comparison = comparison.ok_or_else(|| cursor.misread("one of < <= > >= is missing here"))?;
        let right = Term::read(cursor)?;
        let condition = Self { left, comparison, right };
        match (left.line(), right.line()) {
            (None, None) => Err(Misread::anywhere(format!("{condition} compares two numbers"))),
            _ if left == right => Err(Misread::anywhere(format!("{condition} compares a value with itself"))),
            (Some(one), Some(other)) if one.unit() != other.unit() => {
                Err(Misread::anywhere(format!("{one} and {other} are of different kinds: they can't be compared")))
            }
            _ => Ok(condition),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Line(line) => line.fmt(f),
            Self::Elsewhere(line, timeframe) => write!(f, "{line}@{timeframe}"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, comparison, right } = self;
        write!(f, "{left} {} {right}", comparison.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let shown = |all: Vec<Condition>| all.iter().map(Condition::to_string).collect::<Vec<_>>().join(" and ");
        Condition::read_all(text).map(shown).map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_are_read_as_they_are_meant() {
        for (text, shown) in [
            ("rsi(14)<70", "rsi(14) < 70"),
            ("close > ema(200) and adx(14)>=20.5", "close > ema(200) and adx(14) >= 20.5"),
            ("ema(50)@4h > ema(200) @ 4h", "ema(50)@4h > ema(200)@4h"),
            ("0 <= macd(12,26,9).histogram", "0 <= macd(12, 26, 9).histogram"),
            ("hl2 > bbands(20, 2).upper@1d", "hl2 > bbands(20, 2).upper@1d"),
            ("rsi(14) > -1", "rsi(14) > -1"),
        ] {
            assert_eq!(read(text), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, part) in [
            ("", "is missing (at character 1)"),
            (
                "rsi(14) < 70 and",
                "a number, a price such as close, or an indicator such as rsi(14) is missing (at character 17)",
            ),
            (
                "rsi(14) < 70 and clos > ema(200)",
                "\"clos\" is neither a price (open high low close hl2 hlc3 ohlc4) nor an indicator such as ema(50) (at character 18)",
            ),
            ("rsi(14) < 70 or adx(14) > 20", "joined by and; there is no or, and no arithmetic (at character 14)"),
            ("rsi(14) = 70", "one of < <= > >= is missing here (at character 9)"),
            ("30 < rsi(14) < 70", "joined by and; there is no or, and no arithmetic (at character 14)"),
            ("rsi(0) < 70", "from 1 to 5000 (at character 5)"),
            ("1 < 2", "compares two numbers"),
            ("sma(5) > sma( 5 )", "compares a value with itself"),
            ("rsi(14) > close", "rsi(14) and close are of different kinds"),
            ("close > ema(5)@5h", "unknown timeframe \"5h\""),
            ("close > ema(5)@", "unknown timeframe \"\""),
            ("rsi(14) < 7.0.0", "\"7.0.0\" is not a finite decimal number (at character 11)"),
        ] {
            assert!(read(text).is_err_and(|error| error.contains(part)), "{text}: {:?}", read(text));
        }
    }

    #[test]
    fn each_comparison_knows_its_orders() {
        use Ordering::{Equal, Greater, Less};
        let holds = |comparison: Comparison| [Less, Equal, Greater].map(|order| comparison.holds(order));
        assert_eq!(holds(Comparison::Less), [true, false, false]);
        assert_eq!(holds(Comparison::LessOrEqual), [true, true, false]);
        assert_eq!(holds(Comparison::Greater), [false, false, true]);
        assert_eq!(holds(Comparison::GreaterOrEqual), [false, true, true]);
    }
}
