//! Reading short formulas: `bbands(20, 2).upper`, `rsi(14) < 70 and close > ema(200)@4h`.
//!
//! Owns the tokens and the place of a mistake. What the tokens mean is decided where they are read.

use std::fmt;

/// A mistake in a formula, and the character at which it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    what: String,
    /// Counted from 1; `None` where the whole text is meant.
    character: Option<usize>,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.character {
            Some(character) => write!(f, "{} (at character {character})", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for Misread {}

impl Misread {
    /// A mistake that is not at one place.
    pub(crate) fn anywhere(what: impl Into<String>) -> Self {
        Self { what: what.into(), character: None }
    }
}

/// A place in a text, from which tokens are taken. White space between them does not count.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Where the last token began: what a complaint about it points at.
    token: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut cursor = Self { text, at: 0, token: 0 };
        cursor.skip_space();
        cursor.token = cursor.at;
        cursor
    }

    /// Takes a name: letters, digits and `_`, beginning with a letter.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let starts = rest.starts_with(|c: char| c.is_ascii_alphabetic());
        self.accept(if starts { end } else { 0 })
    }

    /// Takes a number in decimal digits, with an optional sign and point.
    pub(crate) fn number(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        let end = unsigned.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(unsigned.len());
        self.accept(if end == 0 { 0 } else { rest.len() - unsigned.len() + end })
    }

    /// Takes a run of letters and digits, such as a timeframe.
    pub(crate) fn label(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        self.accept(rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()))
    }

    /// Takes exactly this mark, if it comes next.
    pub(crate) fn take(&mut self, mark: &str) -> bool {
        let comes = self.peek(mark);
        self.accept(if comes { mark.len() } else { 0 });
        comes
    }

    /// Whether this mark comes next.
    pub(crate) fn peek(&self, mark: &str) -> bool {
        self.rest().starts_with(mark)
    }

    /// What has not been taken yet.
    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Makes what comes next the token that is complained about.
    pub(crate) fn look(&mut self) {
        self.token = self.at;
    }

    /// A complaint about the last token.
    pub(crate) fn misread(&self, what: impl Into<String>) -> Misread {
        Misread { what: what.into(), character: Some(self.text[..self.token].chars().count() + 1) }
    }

    /// Takes `bytes`, and the white space behind. Where there is nothing to take, the place itself is what
    /// a complaint points at.
    fn accept(&mut self, bytes: usize) -> Option<&'a str> {
        self.token = self.at;
        let taken = &self.text[self.at..self.at + bytes];
        self.at += bytes;
        if bytes > 0 {
            self.skip_space();
        }
        (bytes > 0).then_some(taken)
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_in_order_and_mistakes_have_a_place() {
        let mut cursor = Cursor::new("  ema ( 20 )@4h <= -1.5 é");
        assert_eq!(cursor.word(), Some("ema"));
        assert!(cursor.take("("));
        assert_eq!(cursor.number(), Some("20"));
        assert!(!cursor.take(","));
        assert!(cursor.take(")") && cursor.take("@"));
        assert_eq!(cursor.label(), Some("4h"));
        assert!(cursor.peek("<") && cursor.take("<="));
        assert_eq!((cursor.word(), cursor.number()), (None, Some("-1.5")));
        assert_eq!(cursor.number(), None);
        assert_eq!(cursor.misread("no number").to_string(), "no number (at character 25)");
        assert_eq!(cursor.rest(), "é");
    }
}
