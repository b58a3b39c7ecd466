//! The `indicator-worker` program.

use std::process::ExitCode;

use anyhow::{Context, Result};
use candlewire_common::exit::Outcome;
use candlewire_common::screen::Screen;
use candlewire_common::{cli, exit, health_check, logging, tls};
use indicator_worker::args::{Args, Command};
use indicator_worker::{backtest, doctor, indicators, repartition, reset, run, show};

fn main() -> ExitCode {
    match cli::parse() {
        Ok(args) => exit::code("indicator-worker", &start(args)),
        Err(code) => code,
    }
}

fn start(args: Args) -> Result<Outcome> {
    let screen = Screen::new();
    let log = screen.clone();
    logging::init_to(args.global.log_format, move || log.clone());
    tls::install();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let outcome = runtime.block_on(dispatch(args, screen));
    // A thread may still wait for a pipe that nobody serves.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(args: Args, screen: Screen) -> Result<Outcome> {
    let load = || args.global.load();
    match args.command {
        Command::Run => run::run(load()?, args.global.http).await,
        Command::Health => health_check::run(args.global.http.unwrap_or(load()?.http.indicator_worker)).await,
        Command::Show { series, json } => show::show(&load()?, &series, json).await,
        Command::Backtest(wanted) => backtest::backtest(load()?, wanted, screen).await,
        Command::Indicators => indicators::list(),
        Command::Repartition => repartition::repartition(&load()?).await,
        Command::Doctor { json } => doctor::run(&load()?, args.global.http, json).await,
        Command::Reset { series, dry_run } => reset::reset(&load()?, &series, dry_run).await,
    }
}
