//! The demo: Candlewire's real programs turn real candles into delivered alerts before one's eyes.
//!
//! It is a foreign program to Candlewire. What it knows of signals and alerts comes from the streams
//! and from the webhooks, as for anyone who keeps to the contract, and it passes only if the two
//! agree one by one. Everything it starts belongs to it alone and ends with it.

pub mod act;
pub mod alert;
pub mod arguments;
pub mod cache_ratio;
pub mod candle_files;
pub mod comparison;
pub mod ending;
pub mod inbox;
pub mod interrupts;
pub mod latency;
pub mod ledger;
pub mod replay;
#[cfg(test)]
mod sample;
pub mod screen;
pub mod service;
pub mod settings;
pub mod show;
pub mod stage;
pub mod summary;
pub mod wording;

use anyhow::Result;

use crate::arguments::Arguments;
use crate::ending::Ending;
use crate::interrupts::{Interrupt, Interrupts};
use crate::screen::Screen;
use crate::show::Show;
use crate::wording::counted;

const CLOSING: &str =
    "Everything is stopped and removed; `target/release/demo --keep` goes on until ctrl-c, to look at the metrics.";

/// Runs the demo from its start to the end of everything that it started.
///
/// # Errors
///
/// The fault that ended it early, which may be an [`Interrupt`].
pub async fn run(arguments: &Arguments) -> Result<Ending> {
    let mut interrupts = Interrupts::listen()?;
    let screen = Screen::new();
    let mut show = interrupts.guard(Show::open(arguments, &screen)).await?;
    let summary = interrupts.guard(show.play()).await?;
    let faults = summary.faults();
    screen.text(&summary.text())?;
    if faults.is_empty() {
        let signals = counted(summary.signals.len() as u64, "signal");
        screen.text(&format!("\nPassed: {signals}, each delivered exactly once with a valid signature."))?;
    }
    if arguments.keep {
        screen.text(&show.directions()?)?;
        match interrupts.guard(show.stay()).await {
            // Here an interrupt is what was asked for.
            Err(error) if error.is::<Interrupt>() => {}
            other => other?,
        }
    }
    interrupts.guard(show.close()).await?;
    screen.text(CLOSING)?;
    Ok(if faults.is_empty() { Ending::Passed } else { Ending::Failed(faults) })
}
