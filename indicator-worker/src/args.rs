//! The command line.

use candlewire_common::cli::GlobalArgs;
use candlewire_common::series::Series;
use clap::{Parser, Subcommand};

use crate::backtest::BacktestArgs;
use crate::reset::Wish;

/// Computes moving averages from candle streams and writes signals where they cross.
#[derive(Debug, Parser)]
#[command(name = "indicator-worker", version, arg_required_else_help = true)]
pub struct Args {
    /// Options of every program.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the worker can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take partitions and process their candles until stopped
    Run,
    /// Ask the worker that runs here whether it is ready: one line, exit code 0 or 1
    Health,
    /// Print the state of one series
    Show {
        /// The series, such as binance:BTCUSDT:1h
        series: Series,
        /// Print a JSON object for programs
        #[arg(long)]
        json: bool,
    },
    /// List the indicators that can be configured, with their arguments
    Indicators,
    /// Find the signals in the candles of CSV files, and sum up what became of them; without Redis
    Backtest(BacktestArgs),
    /// Move the data to the configured number of partitions, while all workers are stopped
    Repartition,
    /// Check Redis, workers, streams, and strategies beside the series that there are
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor {
        /// One JSON object a line, for programs
        #[arg(long)]
        json: bool,
    },
    /// Forget the cached state of series; it is rebuilt from their histories
    #[command(after_long_help = RESET_HELP)]
    Reset {
        /// Series, such as binance:BTCUSDT:1h, or patterns with * for any characters of one part: 'binance:*:1h'
        #[arg(required = true, value_name = "SERIES")]
        series: Vec<Wish>,
        /// Only say what would be reset
        #[arg(long)]
        dry_run: bool,
    },
}

const DOCTOR_HELP: &str = "\
One line for each thing; what is not well says what to do. Nothing is changed.

Exit codes:
  0    everything works, warnings aside
  1    something does not work
  64   bad usage or configuration";

const RESET_HELP: &str = "\
Workers may run meanwhile: no signal is lost or found twice, and no candle is applied again. A state that its history
can't rebuild is kept. Patterns go into quotes, or the shell may read them first.

Example:
  indicator-worker reset binance:BTCUSDT:1h 'csv:*:*'

Exit codes:
  0    done, also where a pattern matches nothing
  64   bad usage or configuration, or a series that is not there; nothing was changed
  69   Redis can't be reached";
