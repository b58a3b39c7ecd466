//! The command line, as `--help` shows it.

use std::path::PathBuf;

use clap::Parser;

/// Shows Candlewire at work: real candles become delivered alerts
#[derive(Clone, Debug, Parser)]
#[command(name = "demo", version, after_long_help = HELP)]
pub struct Arguments {
    /// Directory that holds the bundled candles
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,

    /// Keep everything running after the summary, until ctrl-c
    #[arg(long)]
    pub keep: bool,
}

const HELP: &str = "\
What happens:
  A private Redis on a free port, an indicator-worker, a notifier and a receiver of webhooks are
  started. `ingestor replay` publishes real candles at full speed, then some at an even pace. The
  alerts are shown as they arrive and every signature is checked. At the end signals and alerts are
  compared one by one, and everything is stopped and removed, also on ctrl-c.

  The programs have to be built beside this one; `make demo` does that and installs redis-server.

Examples:
  make demo
  target/release/demo --keep

Exit codes:
  0    each signal arrived exactly once, with a valid signature
  1    that was not so, or a program failed; the reason is the last thing printed
  64   bad usage, or candles that are not there
  130  interrupted by ctrl-c; 143 by SIGTERM, 129 by the end of the terminal";
