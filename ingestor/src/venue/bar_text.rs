//! Numbers as venues write them: texts, or JSON numbers that must not pass through floating point.
//!
//! A venue's volume may have more digits than a decimal holds; the rest of it is cut off, as nothing depends on it.
//! A price with so many is no price.

use std::fmt;

use candlewire_common::candle::Bar;
use candlewire_common::decimal::{Decimal, DecimalError};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A number in its own spelling, whether it stands in quotes or not.
#[derive(Clone, Copy, Deserialize)]
#[serde(transparent)]
pub struct Number<'a> {
    #[serde(borrow)]
    raw: &'a RawValue,
}

/// The five numbers of a bar in a venue's spelling.
#[derive(Clone, Copy, Debug)]
pub struct BarText<'a> {
    /// First price.
    pub open: Number<'a>,
    /// Highest price.
    pub high: Number<'a>,
    /// Lowest price.
    pub low: Number<'a>,
    /// Last price.
    pub close: Number<'a>,
    /// Traded volume.
    pub volume: Number<'a>,
}

/// A number that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} {text} is {error}")]
pub struct NumberError {
    name: &'static str,
    text: String,
    error: DecimalError,
}

impl<'a> Number<'a> {
    /// The text between the quotes, if there are any.
    pub fn text(self) -> &'a str {
        let raw = self.raw.get();
        raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw)
    }

    /// Reads a price; `name` is for the error.
    ///
    /// # Errors
    ///
    /// [`NumberError`] where it is no decimal.
    pub fn price(self, name: &'static str) -> Result<Decimal, NumberError> {
        Decimal::read(self.text().as_bytes()).map_err(|error| self.refused(name, error))
    }

    /// Reads a volume, of which the digits beyond the eighteenth are cut off.
    ///
    /// # Errors
    ///
    /// [`NumberError`] where it is no decimal.
    pub fn volume(self, name: &'static str) -> Result<Decimal, NumberError> {
        Decimal::read_cut(self.text().as_bytes()).map_err(|error| self.refused(name, error))
    }

    /// Reads a whole number, such as a time.
    pub fn whole(self) -> Option<i64> {
        self.text().parse().ok()
    }

    fn refused(self, name: &'static str, error: DecimalError) -> NumberError {
        /// As much of a text as a log line has room for.
        const SHOWN: usize = 40;
        NumberError { name, text: self.text().chars().take(SHOWN).collect(), error }
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.raw.get())
    }
}

impl BarText<'_> {
    /// Reads all five.
    ///
    /// # Errors
    ///
    /// [`NumberError`], the first that is none.
    pub fn read(self) -> Result<Bar, NumberError> {
        Ok(Bar {
            open: self.open.price("open")?,
            high: self.high.price("high")?,
            low: self.low.price("low")?,
            close: self.close.price("close")?,
            volume: self.volume.volume("volume")?,
        })
    }
}
