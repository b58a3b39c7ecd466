//! The ingestor: brings candles from outside into Candlewire's candle streams.
//!
//! `run` follows venues, `backfill` fetches a range of one series, `replay` publishes files, `doctor` checks what `run`
//! needs. What is published is a closed candle that was checked by the types of
//! `candlewire-common`, in open-time order within its series; whether a candle is new to Candlewire is
//! the worker's to decide, so publishing one again is always safe.

pub mod arguments;
pub mod backfill;
pub mod backpressure;
pub mod calendar;
pub mod clock;
pub mod course;
pub mod discard;
pub mod doctor;
pub mod feed;
pub mod grid;
pub mod live;
pub mod pace;
pub mod partition_stream;
pub mod progress;
pub mod publisher;
pub mod replay;
pub mod replay_metrics;
pub mod rest;
pub mod resume;
pub mod speed;
pub mod stand_in;
pub mod summary;
pub mod tally;
pub mod venue;
pub mod waiting;

use anyhow::Result;
use candlewire_common::exit::Outcome;
use candlewire_common::health_check;
use candlewire_common::metrics::Page;
use candlewire_common::screen::Screen;

use crate::arguments::{Arguments, Command};

/// Does what the command line asks for.
///
/// # Errors
///
/// A fault whose exit code `candlewire_common::exit::code` knows.
pub async fn run(arguments: Arguments, page: Page, screen: Screen) -> Result<Outcome> {
    let (config, http) = (arguments.global.load()?, arguments.global.http);
    match arguments.command {
        Command::Run(wanted) => match wanted.replay() {
            Some(replay) if config.sources.is_empty() => stand_in::run(&config, http, replay, page, screen).await,
            _ => live::run::run(&config, http, page, screen).await,
        },
        Command::Health => health_check::run(http.unwrap_or(config.http.ingestor)).await,
        Command::Backfill(wanted) => backfill::run(&config, wanted, screen).await,
        Command::Doctor { json } => doctor::run(&config, http, json).await,
        Command::Replay(wanted) => replay::run(&config, http, wanted, page, screen).await,
    }
}
