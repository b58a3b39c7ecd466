//! The command line.

use candlewire_common::cli::GlobalArgs;
use candlewire_common::series::Series;
use clap::{Parser, Subcommand};

use crate::backtest::BacktestArgs;

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
}
