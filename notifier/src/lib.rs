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
mod audience;
mod channel;
mod chart;
mod command;
mod deliveries;
mod dispatcher;
mod doctor;
mod failure;
mod gauges;
mod http;
mod intake;
mod ledger;
mod link;
mod message;
mod minute;
mod payload;
mod queue;
mod recipient;
mod redaction;
mod reload;
mod roster;
#[cfg(test)]
mod sample;
mod schedule;
mod script;
mod service;
mod signature;
mod standing;
mod template;
mod text;
mod trouble;
mod turns;

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::Outcome;
use candlewire_common::health_check;
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
    /// Ask the notifier that runs here whether it is ready: one line, exit code 0 or 1
    Health,
    /// Send one marked test alert to a recipient
    Test {
        /// The recipient's name in the configuration
        name: String,
    },
    /// Show how the recipients stand: what waits, what failed, whose breaker is open
    Status {
        /// One JSON object a line, for programs
        #[arg(long)]
        json: bool,
    },
    /// Check Redis, the signals, and of each recipient its settings, whether it can be reached, and its queue
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor {
        /// One JSON object a line, for programs
        #[arg(long)]
        json: bool,
    },
    /// Try a recipient again that was disabled
    Enable {
        /// The recipient's name in the configuration
        name: String,
    },
    /// Look at the alerts that were given up on, or send them again
    Dead {
        #[command(subcommand)]
        command: DeadCommand,
    },
}

const DOCTOR_HELP: &str = "\
One line for each thing; what is not well says what to do. Nothing is changed, and no alert is sent.

Exit codes:
  0    everything works, warnings aside
  1    something does not work
  64   bad usage or configuration";

#[derive(Debug, Subcommand)]
enum DeadCommand {
    /// List them with the last answer
    List {
        /// The recipient's name in the configuration; all of them without one
        name: Option<String>,
        /// One JSON object a line, for programs
        #[arg(long)]
        json: bool,
    },
    /// Send them again, with the same ids, however old they are
    Redrive {
        /// The recipient's name in the configuration; all of them without one
        name: Option<String>,
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
        Command::Health => health_check::run(cli.global.http.unwrap_or(cli.global.load()?.http.notifier)).await,
        Command::Test { name } => command::probe::run(&cli.global, &name).await,
        Command::Status { json } => command::status::run(&cli.global, json).await,
        Command::Doctor { json } => doctor::run(&cli.global, json).await,
        Command::Enable { name } => command::enable::run(&cli.global, &name).await,
        Command::Dead { command: DeadCommand::List { name, json } } => {
            command::dead::list(&cli.global, name.as_deref(), json).await
        }
        Command::Dead { command: DeadCommand::Redrive { name } } => {
            command::dead::redrive(&cli.global, name.as_deref()).await
        }
    }
}
