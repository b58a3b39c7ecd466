//! The command line, as `--help` shows it.

use std::path::PathBuf;

use candlewire_common::candle_file::read_open_time;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use clap::{Args, Parser, Subcommand};

use crate::speed::Speed;

/// Publishes candles to Candlewire
#[derive(Debug, Parser)]
#[command(name = "ingestor", version)]
pub struct Arguments {
    /// Options that every program has.
    #[command(flatten)]
    pub global: GlobalArgs,

    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// What the ingestor can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connect every source, and publish closed candles as they happen
    #[command(after_long_help = RUN_HELP)]
    Run(RunArgs),
    /// Ask the ingestor that runs here whether it is ready: one line, exit code 0 or 1
    Health,
    /// Fetch a range of one series from its venue, and publish what is missing
    Backfill(BackfillArgs),
    /// Publish the candles of CSV files, in open-time order
    Replay(ReplayArgs),
    /// Check Redis, and of each source reachability, clock, symbols, feed and budget
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor {
        /// One JSON object a line, for programs
        #[arg(long)]
        json: bool,
    },
}

/// What `run` does where there is nothing to connect.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// CSV file to replay where the configuration names no sources; otherwise this and the two below do nothing
    #[arg(long, value_name = "FILE", requires = "series")]
    pub or_replay: Option<PathBuf>,

    /// Series that the file's candles belong to, such as csv:EURUSD:1h
    #[arg(long, value_name = "SERIES", requires = "or_replay")]
    pub series: Option<Series>,

    /// How fast it is replayed: "max", or a factor such as 60x, which makes an hour last a minute
    #[arg(long, value_name = "SPEED", default_value_t, requires = "or_replay")]
    pub speed: Speed,
}

impl RunArgs {
    /// What is to be replayed in place of live candles, if anything.
    pub fn replay(self) -> Option<ReplayArgs> {
        let (file, series) = self.or_replay.zip(self.series)?;
        Some(ReplayArgs { files: vec![file], series, speed: self.speed })
    }
}

/// What is to be fetched.
#[derive(Args, Debug)]
#[command(after_long_help = BACKFILL_HELP)]
pub struct BackfillArgs {
    /// Series, such as binance:BTCUSDT:1h; a source of its venue tells how to reach it
    #[arg(long, value_name = "SERIES")]
    pub series: Series,

    /// The first open time: ISO 8601 (UTC where it names no zone), Unix seconds or milliseconds
    #[arg(long, value_name = "T", value_parser = read_open_time)]
    pub from: UnixMillis,

    /// Candles that open before this; by default all that are closed
    #[arg(long, value_name = "T", value_parser = read_open_time)]
    pub to: Option<UnixMillis>,
}

/// How files are to be replayed.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = REPLAY_HELP)]
pub struct ReplayArgs {
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

    /// How fast: "max", or a factor such as 60x, which makes an hour last a minute
    #[arg(long, value_name = "SPEED", default_value_t)]
    pub speed: Speed,
}

const RUN_HELP: &str = "\
Connects the venues of [[sources]], publishes each candle once it is closed, and fetches what is missing: the
candles since the last one that Redis holds, or else the history that the strategies need. Runs until SIGTERM
or ctrl-c; an outage of a venue or of Redis is waited out.

With --or-replay, and without [[sources]], it publishes that file like `ingestor replay`, again from the beginning after
each start, and then stays until it is stopped: a container that nobody has configured yet shows life.

Exit codes:
  0    stopped by SIGTERM or ctrl-c
  64   bad usage or configuration";

const BACKFILL_HELP: &str = "\
Workers apply candles in order, so what lies before the newest candle that Redis holds is left out: an
interrupted backfill goes on where it was, and history before the first candle needs an empty series.

Example:
  ingestor backfill --series binance:BTCUSDT:1h --from 2026-01-01

Exit codes:
  0    everything the venue has is published
  64   bad usage or configuration, or a symbol that the venue does not know
  65   some candles of the venue were refused, the others were published
  69   the venue or Redis can't be reached
  130  interrupted";

const DOCTOR_HELP: &str = "\
One line for each thing; a FAULT line says what to do. Nothing is changed or published.

Exit codes:
  0    everything works, warnings aside
  1    something does not work
  64   bad usage or configuration";

const REPLAY_HELP: &str = "\
Files:
  The first line names the columns, in any order: open_time, open, high, low, close and, if there is
  one, volume. Other columns are ignored. open_time is ISO 8601 (UTC where it names no zone), Unix
  seconds or Unix milliseconds. Rows may be in any order, also across files; of equal rows one is
  published.

  A row that is no closed candle is reported as FILE:LINE: REASON and left out; the others are
  published. Publishing the same candles again does no harm.

Examples:
  ingestor replay data/EURUSD-1h-2017.csv --series csv:EURUSD:1h
  ingestor replay 2024.csv 2025.csv --series csv:BTCUSDT:1m --speed 60x

Exit codes:
  0    every row was published
  64   bad usage or configuration, or a file that can't be read; nothing was published
  65   some rows were refused, the others were published
  69   Redis can't be reached, or has no room: workers don't read, or memory is short
  130  interrupted";
