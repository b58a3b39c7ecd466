//! How the demo ends: the last words and the exit code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use candlewire_common::exit::{self, Fault};

use crate::interrupts::Interrupt;

/// The exit code of a demo that did not show what it should.
const FAILED: u8 = 1;

/// What a demo that came to its end has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Each signal arrived exactly once, with a valid signature.
    Passed,
    /// It was not so; one line for each fault.
    Failed(Vec<String>),
}

/// Says on standard error what went wrong, if anything did, and turns it into an exit code.
pub fn exit_code(ended: Result<Ending>) -> ExitCode {
    let (code, words) = match ended {
        Ok(Ending::Passed) => return ExitCode::SUCCESS,
        Ok(Ending::Failed(faults)) => (FAILED, faults),
        Err(error) => match (error.downcast_ref::<Interrupt>(), error.downcast_ref::<Fault>()) {
            (Some(interrupt), _) => (interrupt.exit_code(), vec![error.to_string()]),
            (_, Some(Fault::Usage(_))) => (exit::USAGE, vec![error.to_string()]),
            _ => (FAILED, vec![format!("{error:#}")]),
        },
    };
    for line in words {
        // Standard error may be closed; then there is nobody to tell.
        writeln!(std::io::stderr(), "demo: {line}").ok();
    }
    ExitCode::from(code)
}
