//! The programs that judge Prometheus's and Alertmanager's files: `promtool` and `amtool`.
//!
//! Owns the run of one command to its end. What it prints, and whether it is content, is the caller's to look at.

use std::io;
use std::time::Duration;

use crate::program::ProgramError;
use crate::program_command::{Finished, ProgramCommand};

/// How long one command may take, also on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// One of the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrometheusTool {
    /// Prometheus's: `check config`, `check rules`, `check metrics`, `test rules`.
    Promtool,
    /// Alertmanager's: `check-config`, `config routes test`.
    Amtool,
}

/// A tool could not be run.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusToolError {
    /// It is not on the path.
    #[error("{0} is not installed: run `make tools`")]
    Missing(&'static str),
    /// It did not end, or the operating system refused.
    #[error(transparent)]
    Program(ProgramError),
    /// It was not content.
    #[error("{command}\n{output}")]
    Refused {
        /// The command line.
        command: String,
        /// All it printed.
        output: String,
    },
}

impl PrometheusTool {
    /// Returns the program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Promtool => "promtool",
            Self::Amtool => "amtool",
        }
    }

    /// Runs a command with `input` on its standard input.
    ///
    /// # Errors
    ///
    /// [`PrometheusToolError::Missing`] if it is not installed. A program that is not content is no error here.
    pub async fn run(self, arguments: &[&str], input: &str) -> Result<Finished, PrometheusToolError> {
        let command = ProgramCommand::new(self.name()).args(arguments).input(input);
        let ended = match command {
            Ok(command) => command.run_to_end(DEADLINE).await,
            Err(error) => Err(error),
        };
        ended.map_err(|error| match error {
            ProgramError::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                PrometheusToolError::Missing(self.name())
            }
            error => PrometheusToolError::Program(error),
        })
    }

    /// Runs a command that has to be content, and returns what it printed on both streams.
    ///
    /// # Errors
    ///
    /// [`PrometheusToolError::Refused`] with all that it printed if it was not.
    pub async fn approve(self, arguments: &[&str], input: &str) -> Result<String, PrometheusToolError> {
        let finished = self.run(arguments, input).await?;
        let output = format!("{}{}", finished.stdout, finished.stderr);
        if finished.status.success() {
            return Ok(output);
        }
        Err(PrometheusToolError::Refused { command: format!("{} {}", self.name(), arguments.join(" ")), output })
    }
}
