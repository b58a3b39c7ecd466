//! Log lines on standard error, as text for people or JSON for programs.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// Logs a step of a signal's way: at `info` what happens live, at `debug` what comes of a file or of a venue's history, of
/// which there may be a year in a second.
#[macro_export]
macro_rules! log_step {
    ($origin:expr, $($line:tt)*) => {
        if $origin == $crate::candle::Origin::Live {
            tracing::info!($($line)*);
        } else {
            tracing::debug!($($line)*);
        }
    };
}

/// The form of the log lines.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Starts logging. `RUST_LOG` chooses what is written; by default `info` and above.
pub fn init(format: LogFormat) {
    init_to(format, io::stderr);
}

/// Starts logging to a writer that shares standard error with something else, such as a progress bar.
pub fn init_to<W: io::Write + 'static>(format: LogFormat, writer: impl Fn() -> W + Send + Sync + 'static) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_target(false);
    // Standard error may be closed; saying so there would end the program.
    let builder = builder.log_internal_errors(false);
    // A second call, as tests make it, keeps the first subscriber.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
}
