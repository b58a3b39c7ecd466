//! The `indicator-worker` program.

use std::process::ExitCode;

use anyhow::Result;
use candlewire_common::exit::Outcome;
use candlewire_common::{cli, exit, logging, tls};
use indicator_worker::args::{Args, Command};
use indicator_worker::{indicators, repartition, run, show};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Args = match cli::parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    logging::init(args.global.log_format);
    tls::install();
    exit::code("indicator-worker", &dispatch(args).await)
}

async fn dispatch(args: Args) -> Result<Outcome> {
    let load = || args.global.load();
    match args.command {
        Command::Indicators => indicators::list(),
        Command::Run => run::run(load()?, args.global.http).await,
        Command::Show { series, json } => show::show(&load()?, &series, json).await,
        Command::Repartition => repartition::repartition(&load()?).await,
    }
}
