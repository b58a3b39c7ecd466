//! The `demo` program: runtime and exit code around `demo::run`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use candlewire_common::cli;
use demo::arguments::Arguments;
use demo::ending::{self, Ending};

fn main() -> ExitCode {
    match cli::parse::<Arguments>() {
        Ok(arguments) => ending::exit_code(start(&arguments)),
        Err(code) => code,
    }
}

fn start(arguments: &Arguments) -> Result<Ending> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(demo::run(arguments))
}
