//! What can be configured: `sma(50)`, `ema(200, hl2)`, `bbands(20, 2)`, and the lines they draw.

use std::fmt;
use std::str::FromStr;

use super::arguments::{Arguments, PERIOD_MAX, Source, usage};
use super::kernel::{Reach, Unit};
use super::registry::Name;
use super::sample::Units;
use super::window::Needs;
use crate::syntax::{Cursor, Misread};

/// An indicator and its arguments, as it is configured, shown and named in the state hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndicatorSpec {
    pub(super) name: Name,
    pub(super) arguments: Arguments,
}

impl IndicatorSpec {
    /// What its values are.
    pub fn unit(self) -> Unit {
        self.name.about().unit
    }

    /// Whether the value depends on all candles before it, however faintly.
    pub fn is_recursive(self) -> bool {
        self.reach().settling.is_some()
    }

    /// What must be known of past candles so that its state can be restored.
    pub fn needs(self) -> Needs {
        self.reach().needs
    }

    /// The index of the first candle with a value, counted from 0.
    pub fn first(self) -> usize {
        self.reach().first
    }

    /// How many candles a rebuild needs until the value has 8 correct digits.
    pub fn settling(self) -> usize {
        let Reach { first, needs, settling, .. } = self.reach();
        settling.unwrap_or(0).max(needs.candles()).max(first + 1)
    }

    /// Whether its sums hold numbers of so many digits. Where they don't, it has no value.
    pub fn fits(self, units: Units) -> bool {
        self.reach().weight.fits(units)
    }

    /// Its values, each with the ending that names it; the first has none.
    pub fn outputs(self) -> impl Iterator<Item = (Output, Option<&'static str>)> {
        let further =
            self.name.about().further.iter().enumerate().map(|(place, name)| (Output(place + 1), Some(*name)));
        std::iter::once((Output::MAIN, None)).chain(further)
    }

    fn reach(self) -> Reach {
        self.name.reach(&self.arguments)
    }

    /// Reads the arguments of an indicator whose name was just taken.
    fn read(name: &str, cursor: &mut Cursor<'_>) -> Result<Self, Misread> {
        let found = Name::ALL.iter().copied().find(|known| known.about().name == name);
        let Some(found) = found else {
            if let Some(found) = Name::ALL.iter().find(|known| known.about().name == name.to_ascii_lowercase()) {
                return Err(cursor.misread(format!("{name:?} is written in lower case: {}", found.about().name)));
            }
            let known: Vec<&str> = Name::ALL.iter().map(|known| known.about().name).collect();
            return Err(cursor.misread(format!("unknown indicator {name:?}, known: {}", known.join(" "))));
        };
        let start = cursor.clone();
        let arguments = Arguments::read(name, found.about().parameters, cursor)?;
        found.check(&arguments).map_err(|what| start.misread(what))?;
        let spec = Self { name: found, arguments };
        let needed = spec.needs().candles();
        if needed > usize::from(PERIOD_MAX) {
            let what = format!("{spec} looks back on {needed} candles: a history keeps {PERIOD_MAX}");
            return Err(start.misread(what));
        }
        Ok(spec)
    }
}

impl FromStr for IndicatorSpec {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut cursor = Cursor::new(text);
        let example = "not an indicator: write it as sma(50) or atr(14), for example";
        let name = cursor.word().filter(|_| cursor.peek("(")).ok_or_else(|| Misread::anywhere(example))?;
        let spec = Self::read(name, &mut cursor)?;
        cursor.look();
        if cursor.rest().is_empty() { Ok(spec) } else { Err(cursor.misread(format!("nothing may follow {spec}"))) }
    }
}

impl fmt::Display for IndicatorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = self.name.about();
        let mut text = about.name.to_owned();
        self.arguments.write(about.parameters, &mut text)?;
        f.pad(&text)
    }
}

/// One of an indicator's values, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Output(pub(super) usize);

impl Output {
    /// The value that has the indicator's own name.
    pub const MAIN: Self = Self(0);
}

/// What can be drawn over the candles and compared with other lines: a price, or one of an indicator's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// A price of the candle itself.
    Price(Source),
    /// An indicator's value.
    Indicator(IndicatorSpec, Output),
}

impl Line {
    /// What its values are.
    pub fn unit(self) -> Unit {
        match self {
            Self::Price(_) => Unit::Price,
            Self::Indicator(spec, _) => spec.unit(),
        }
    }

    /// The indicator, where it is one's.
    pub fn indicator(self) -> Option<IndicatorSpec> {
        match self {
            Self::Price(_) => None,
            Self::Indicator(spec, _) => Some(spec),
        }
    }

    /// Whether it is named by the indicator alone.
    pub fn is_main(self) -> bool {
        matches!(self, Self::Indicator(_, Output::MAIN))
    }

    /// Another of the same indicator's values, by the ending that names it.
    pub fn sibling(self, ending: &str) -> Option<Self> {
        let spec = self.indicator()?;
        let place = spec.name.about().further.iter().position(|name| *name == ending)?;
        Some(Self::Indicator(spec, Output(place + 1)))
    }

    /// Reads a line whose first word was just taken.
    pub(crate) fn read(word: &str, cursor: &mut Cursor<'_>) -> Result<Self, Misread> {
        if let Some(source) = Source::named(word).filter(|_| !cursor.peek("(")) {
            return Ok(Self::Price(source));
        }
        if let Some(source) = Source::named(&word.to_ascii_lowercase()).filter(|source| source.as_str() != word) {
            return Err(cursor.misread(format!("{word:?} is written in lower case: {source}")));
        }
        if !cursor.peek("(") && !Name::ALL.iter().any(|name| name.about().name == word) {
            let prices = Source::ALL.map(Source::as_str).join(" ");
            return Err(
                cursor.misread(format!("{word:?} is neither a price ({prices}) nor an indicator such as ema(50)"))
            );
        }
        let spec = IndicatorSpec::read(word, cursor)?;
        if !cursor.take(".") {
            return Ok(Self::Indicator(spec, Output::MAIN));
        }
        let further = spec.name.about().further;
        let ending = cursor.word().unwrap_or_default();
        Self::Indicator(spec, Output::MAIN).sibling(ending).ok_or_else(|| {
            let known = if further.is_empty() { "nothing".to_owned() } else { format!(".{}", further.join(" .")) };
            cursor.misread(format!("of {spec} there is {known} to ask for by a point"))
        })
    }
}

impl FromStr for Line {
    type Err = Misread;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut cursor = Cursor::new(text);
        let example = "not an average: write it as sma(50), for example, or close for the price itself";
        let word = cursor.word().ok_or_else(|| Misread::anywhere(example))?;
        let line = Self::read(word, &mut cursor)?;
        if cursor.rest().is_empty() {
            return Ok(line);
        }
        let rest = cursor.clone().take("@");
        let hint = if rest { "; another timeframe is for when alone" } else { "" };
        cursor.look();
        Err(cursor.misread(format!("nothing may follow {line}{hint}")))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price(source) => source.fmt(f),
            Self::Indicator(spec, Output(0)) => spec.fmt(f),
            Self::Indicator(spec, Output(place)) => {
                f.pad(&format!("{spec}.{}", spec.name.about().further.get(place - 1).unwrap_or(&"")))
            }
        }
    }
}

/// An indicator as it is listed for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The name in the configuration.
    pub name: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What is computed.
    pub formula: &'static str,
    /// The endings of its further values.
    pub further: &'static [&'static str],
    /// What its values are.
    pub unit: Unit,
    of: Name,
}

impl Listing {
    /// Every indicator.
    pub fn all() -> impl Iterator<Item = Self> {
        Name::ALL.iter().map(|&of| {
            let about = of.about();
            let (name, title, formula, further, unit) =
                (about.name, about.title, about.formula, about.further, about.unit);
            Self { name, title, formula, further, unit, of }
        })
    }

    /// How it is written: `sma(n[, source])`.
    pub fn usage(self) -> String {
        usage(self.name, self.of.about().parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Result<String, String> {
        text.parse::<IndicatorSpec>().map(|spec| spec.to_string()).map_err(|error| error.to_string())
    }

    fn line(text: &str) -> Result<String, String> {
        text.parse::<Line>().map(|line| line.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn spelling_is_forgiven_and_made_one() {
        for (text, one) in [
            (" sma ( 050 ) ", "sma(50)"),
            ("atr(14)", "atr(14)"),
            ("atr(14,sma)", "atr(14, sma)"),
            ("ema(20, close)", "ema(20)"),
            ("ema(20,hl2)", "ema(20, hl2)"),
            ("bbands(20,2.50)", "bbands(20, 2.5)"),
            ("macd(12,26,9)", "macd(12, 26, 9)"),
        ] {
            assert_eq!(spec(text), Ok(one.to_owned()));
        }
        assert_eq!(line("bbands(20,2) . upper"), Ok("bbands(20, 2).upper".to_owned()));
        assert_eq!(line("close"), Ok("close".to_owned()));
    }

    #[test]
    fn each_slip_is_explained() {
        for (text, part) in [
            ("sma", "write it as sma(50)"),
            ("sma(50", "write it as sma(n[, source]) (at character 7)"),
            ("smaa(50)", "unknown indicator \"smaa\", known: sma ema wma"),
            ("sma(0)", "sma takes a period n here, a whole number from 1 to 5000 (at character 5)"),
            ("sma(5001)", "from 1 to 5000"),
            ("hma(1)", "from 2 to 5000"),
            ("ema(2.5)", "ema takes a period n here"),
            ("ema(+5)", "ema takes a period n here"),
            ("ema(5, vwap)", "open high low close hl2 hlc3 ohlc4 (at character 8)"),
            ("atr(14, 3)", "atr takes sma here, or nothing (at character 9)"),
            ("atr()", "atr takes a period n here"),
            ("bbands(20)", "write it as bbands(n, k[, source])"),
            ("bbands(20, 0)", "from 0.001 to 100 (at character 12)"),
            ("macd(26, 12, 9)", "must be shorter than the second (at character 1)"),
            ("sma(5) x", "nothing may follow sma(5) (at character 8)"),
            ("macd(12,26,9).signal", "nothing may follow macd(12, 26, 9) (at character 14)"),
            ("SMA(5)", "\"SMA\" is written in lower case: sma (at character 1)"),
            ("kama(5000)", "kama(5000) looks back on 5001 candles: a history keeps 5000"),
            ("hma(4931)", "hma(4931) looks back on 5001 candles"),
        ] {
            assert!(spec(text).is_err_and(|error| error.contains(part)), "{text}: {:?}", spec(text));
        }
        for (text, part) in [
            ("clos", "\"clos\" is neither a price (open high low close hl2 hlc3 ohlc4) nor an indicator"),
            ("", "not an average"),
            ("sma(5).upper", "of sma(5) there is nothing"),
            ("bbands(5, 2).mid", "of bbands(5, 2) there is .upper .lower to ask for by a point (at character 14)"),
            ("ema(5)@4h", "another timeframe is for when alone (at character 7)"),
            ("rsi", "write it as rsi(n[, source])"),
            ("Close", "\"Close\" is written in lower case: close"),
        ] {
            assert!(line(text).is_err_and(|error| error.contains(part)), "{text}: {:?}", line(text));
        }
    }
}
