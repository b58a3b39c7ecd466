//! The command line of a backtest, as `--help` shows it.

use std::path::PathBuf;

use candlewire_common::series::Series;
use clap::Args;

/// What is to be tested, and how it is to be shown.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct BacktestArgs {
    /// CSV files, all of one series
    #[arg(
        required = true,
        value_name = "FILE",
        help = "CSV files of one series: open_time,open,high,low,close[,volume]"
    )]
    pub files: Vec<PathBuf>,

    /// Series that the candles belong to, such as csv:EURUSD:1h
    #[arg(long, value_name = "SERIES")]
    pub series: Series,

    /// Only this strategy, instead of all that cover the series
    #[arg(long, value_name = "NAME")]
    pub strategy: Option<String>,

    /// Print a JSON object a line: each signal, then a summary for each strategy
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,

    /// Print the signals as CSV, and the summary on standard error
    #[arg(long)]
    pub csv: bool,
}

const HELP: &str = "\
Files are read as `ingestor replay` reads them: rows in any order, open_time in ISO 8601, Unix seconds or
milliseconds; a row that is no closed candle is reported as FILE:LINE: REASON and left out. No Redis is
needed. The signals are those that a worker finds which has never seen the series before.

The summary:
  to the opposite  A signal opens at the close of its candle and ends at the close of the next signal of
                   the other direction. Each is counted for itself, also two of one direction in a row; the
                   last ones, which no opposite signal ends, are open and not counted.
  stop or target   Which of them the following candles reach first, until the opposite signal's candle or the
                   last one. Where one candle reaches both, it is the stop.
  losses           The most losing signals in a row, and the deepest fall from a peak, as if each signal
                   staked all that the ones before it had left.
No costs are taken off.

Examples:
  indicator-worker backtest data/EURUSD-1h-2017.csv --series csv:EURUSD:1h
  indicator-worker backtest 2024.csv 2025.csv --series csv:BTCUSDT:1m --strategy swing --json

Exit codes:
  0    every row was used
  64   bad usage or configuration, no strategy for the series, or a file that can't be read
  65   some rows were refused, the others were used
  130  interrupted";
