//! Exit codes, and the one place where an outcome becomes one.

use std::process::ExitCode;

use crate::config::ConfigError;

/// How a program ended, other than by an unexpected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// Some input rows were refused; the rest was used.
    RowsRefused,
    /// A check found something that does not work.
    FaultsFound,
    /// A person pressed ctrl-c before a one-shot command was through.
    Interrupted,
}

/// Faults that a caller may tell apart by the exit code.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Bad usage, configuration or a missing file.
    #[error("{0}")]
    Usage(String),
    /// Redis or another service that a one-shot command needs can't be reached.
    #[error("{0}")]
    Unreachable(String),
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// The exit code of a check that found a fault.
pub const FAULTS: u8 = 1;
/// The exit code of bad usage, from `sysexits.h`.
pub const USAGE: u8 = 64;
/// The exit code of refused input.
pub const DATA: u8 = 65;
/// The exit code of an unreachable service.
pub const UNAVAILABLE: u8 = 69;
/// The exit code of a fault inside of the program.
pub const SOFTWARE: u8 = 70;
/// The exit code after ctrl-c.
pub const INTERRUPTED: u8 = 130;

/// Prints a fault as one line on standard error and turns the result into an exit code.
pub fn code(program: &str, result: &anyhow::Result<Outcome>) -> ExitCode {
    let code = match result {
        Ok(Outcome::Done) => return ExitCode::SUCCESS,
        Ok(Outcome::RowsRefused) => return ExitCode::from(DATA),
        Ok(Outcome::FaultsFound) => return ExitCode::from(FAULTS),
        Ok(Outcome::Interrupted) => return ExitCode::from(INTERRUPTED),
        Err(error) => match error.downcast_ref::<Fault>() {
            Some(Fault::Usage(_)) => USAGE,
            Some(Fault::Unreachable(_)) => UNAVAILABLE,
            None if error.downcast_ref::<ConfigError>().is_some() => USAGE,
            None => SOFTWARE,
        },
    };
    if let Err(error) = result {
        let line = format!("{program}: {error:#}\n").replace('\n', " ");
        // Standard error may be closed; then there is nobody to tell.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{}\n", line.trim_end()).as_bytes());
    }
    ExitCode::from(code)
}
