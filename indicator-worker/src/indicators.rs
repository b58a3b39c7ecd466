//! `indicator-worker indicators`: everything that can be computed, for people who write a configuration.

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use candlewire_common::exit::Outcome;
use candlewire_common::indicator::{Listing, PERIOD_MAX, Source, Unit};

/// Prints the registry on standard output.
///
/// # Errors
///
/// When standard output can't be written to; that nobody reads on is no error.
pub fn list() -> Result<Outcome> {
    match std::io::stdout().write_all(text().as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        _ => Ok(Outcome::Done),
    }
}

fn text() -> String {
    let (crossing, others): (Vec<Listing>, Vec<Listing>) =
        Listing::all().partition(|listing| matches!(listing.unit, Unit::Price | Unit::Momentum));
    let width = Listing::all().map(|listing| listing.usage().chars().count()).max().unwrap_or(0);
    let prices = Source::ALL.map(Source::as_str).join(" ");
    let section = |title: &str, listings: &[Listing]| {
        let entries: String = listings.iter().map(|listing| entry(*listing, width)).collect();
        format!("{title}\n\n{entries}")
    };
    [
        section("For fast and slow, when, and compute:", &crossing),
        section("For when and compute; atr for a strategy's atr, too:", &others),
        format!(
            "A period is 1 to {PERIOD_MAX} candles. x is the source: {prices}; the close where it is left out. x[1] is the\n\
             candle before. A price can stand for a line, too: fast = \"close\", or when = \"close > ema(200)\". A macd crosses its\n\
             own signal: fast = \"macd(12, 26, 9)\", slow = \"signal\".\n"
        ),
    ]
    .concat()
}

fn entry(listing: Listing, width: usize) -> String {
    let further = match listing.further {
        [] => String::new(),
        endings => format!("  {:width$}  also .{}\n", "", endings.join(" .")),
    };
    format!("  {:width$}  {}\n  {:width$}  {}\n{further}\n", listing.usage(), listing.title, "", listing.formula)
}
