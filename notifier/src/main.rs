//! The `notifier` program: command line, logging, runtime, exit code.

use std::process::ExitCode;

use candlewire_common::{cli, exit, logging, tls};
use notifier::Cli;

fn main() -> ExitCode {
    let cli: Cli = match cli::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    logging::init(cli.global.log_format);
    tls::install();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit::code("notifier", &Err(error.into())),
    };
    let outcome = runtime.block_on(notifier::run(cli));
    // A console that nobody reads may hold a blocking write for ever.
    runtime.shutdown_background();
    exit::code("notifier", &outcome)
}
