//! The `chaos` program: runtime, report and exit code around `chaos::run`.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use candlewire_common::{cli, exit};
use chaos::arguments::Arguments;
use chaos::report;
use tokio::runtime::Runtime;
use tokio::signal::ctrl_c;

/// The exit code of a run that did not show what it should.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let arguments = match cli::parse::<Arguments>() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match Runtime::new().context("start the runtime").and_then(|runtime| runtime.block_on(start(&arguments))) {
        Ok(code) => code,
        Err(error) => {
            say(std::io::stderr(), &format!("chaos: {error:#}\nchaos: to replay: {}", arguments.replay()));
            ExitCode::from(FAILED)
        }
    }
}

async fn start(arguments: &Arguments) -> Result<ExitCode> {
    let figures = tokio::select! {
        figures = chaos::run(arguments) => figures?,
        // What it started is dropped with it, and so is gone.
        _ = ctrl_c() => return Ok(ExitCode::from(exit::INTERRUPTED)),
    };
    say(std::io::stdout(), &report::text(&figures));
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)?;
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    let failures = figures.failures();
    if failures.is_empty() {
        let signals = report::grouped(figures.expected);
        say(std::io::stdout(), &format!("\nPassed: {signals} signals, each in its stream exactly once and in order."));
        return Ok(ExitCode::SUCCESS);
    }
    for failure in &failures {
        say(std::io::stderr(), &format!("chaos: {failure}"));
    }
    say(std::io::stderr(), &format!("chaos: FAILED with seed {}; to replay: {}", arguments.seed, arguments.replay()));
    Ok(ExitCode::from(FAILED))
}

/// Writes lines. A stream that is closed has nobody to tell.
fn say(mut stream: impl Write, text: &str) {
    writeln!(stream, "{text}").and_then(|()| stream.flush()).ok();
}
