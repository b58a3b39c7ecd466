//! The notifier: alerts from the signal streams to their recipients.
//!
//! Two steps, so that nothing is lost and nobody is delayed by others. The intake reads signals and
//! queues an alert for every recipient whose filters let it through, in one idempotent script; one task
//! for each recipient then takes due jobs from its queue under a lease, makes an attempt and settles it:
//! delivered, due again, expired, or dead letter. An alert leaves the queues only when it is settled, so
//! each arrives at least once, always under the same id.
//!
//! It finds no signals and judges no prices.

mod address;
mod alert;
mod attempt;
mod channel;
mod chart;
mod dispatcher;
mod failure;
mod gauges;
mod http;
mod intake;
mod ledger;
mod link;
mod pace;
mod payload;
mod probe;
mod queue;
mod recipient;
mod redaction;
#[cfg(test)]
mod sample;
mod schedule;
mod script;
mod service;
mod signature;
mod standing;
mod text;
mod trouble;
mod turns;

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::Outcome;
use clap::{Parser, Subcommand};

/// Delivers Candlewire's signals to recipients.
#[derive(Debug, Parser)]
#[command(name = "notifier", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Options that every program has.
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Deliver signals until stopped
    Run,
    /// Send one marked test alert to a recipient
    Test {
        /// The recipient's name in the configuration
        name: String,
    },
}

/// Does what the command line asks for.
///
/// # Errors
///
/// A fault, which the exit code and one line tell.
pub async fn run(cli: Cli) -> Result<Outcome> {
    match cli.command {
        Command::Run => service::run(&cli.global).await,
        Command::Test { name } => probe::run(&cli.global, &name).await,
    }
}
