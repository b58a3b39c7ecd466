//! The `ingestor` program: logging, metrics and runtime around `ingestor::run`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use candlewire_common::exit::{self, Outcome};
use candlewire_common::metrics::{self, Process};
use candlewire_common::screen::Screen;
use candlewire_common::{cli, logging, tls};
use ingestor::arguments::Arguments;

fn main() -> ExitCode {
    match cli::parse::<Arguments>() {
        Ok(arguments) => exit::code("ingestor", &start(arguments)),
        Err(code) => code,
    }
}

fn start(arguments: Arguments) -> Result<Outcome> {
    let screen = Screen::new();
    let log = screen.clone();
    logging::init_to(arguments.global.log_format, move || log.clone());
    tls::install();
    // Before any handle: one that is made earlier never records.
    let page = metrics::install(Process::Ingestor)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let outcome = runtime.block_on(ingestor::run(arguments, page, screen));
    // A thread may still wait for a pipe that nobody writes to.
    runtime.shutdown_background();
    outcome
}
