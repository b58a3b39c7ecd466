//! The options that every program has, and how bad usage ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser};

use crate::config::{Config, ConfigError};
use crate::exit;
use crate::logging::LogFormat;

const CONFIG_HELP: &str = "Configuration file [default: $CANDLEWIRE_CONFIG, else candlewire.toml where it exists]";
const LOG_HELP: &str = "Form of the log lines; RUST_LOG chooses which are written";

/// Options that every program has.
#[derive(Args, Clone, Debug)]
pub struct GlobalArgs {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    pub config: Option<PathBuf>,

    /// Address of /metrics, /livez and /readyz; port 0 picks a free one and logs it
    #[arg(long, global = true, value_name = "ADDR")]
    pub http: Option<SocketAddr>,

    /// Form of the log lines.
    #[arg(long, global = true, value_enum, default_value_t, help = LOG_HELP)]
    pub log_format: LogFormat,
}

impl GlobalArgs {
    /// Reads the configuration that these options name.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], the first thing that is wrong.
    pub fn load(&self) -> Result<Config, ConfigError> {
        Config::load(self.config.as_deref())
    }
}

/// Reads the command line.
///
/// # Errors
///
/// The exit code to end with at once: 0 after help or version, 64 after bad usage.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        // Printing fails only where nobody can read it.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => ExitCode::from(exit::USAGE),
        }
    })
}
