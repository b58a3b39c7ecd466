//! The command line, as `--help` shows it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::schedule::Terms;

/// The seed of a run that names none: it is the same every time, so that runs can be compared.
pub const SEED: u64 = 20_261_124;

/// Breaks indicator-workers, their connections and their Redis, and checks that no signal is lost or doubled
#[derive(Clone, Debug, Parser)]
#[command(name = "chaos", version, after_long_help = HELP)]
pub struct Arguments {
    /// What all randomness of the schedule comes from
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub seed: u64,

    /// How many faults
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub faults: u32,

    /// How many workers there are at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub workers_max: u8,

    /// The workers' lease
    #[arg(long, value_name = "SPAN", default_value = "1s", value_parser = lease)]
    pub lease_ttl: Duration,

    /// Write the figures to a file, too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Keep what each worker logs, down to debug, in a directory
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,

    /// Tell each fault on standard error as it comes
    #[arg(long)]
    pub trace: bool,
}

const HELP: &str = "\
What happens:
  A private Redis and up to four workers, each behind a proxy, process candles that a foreign
  producer publishes all the time. Meanwhile workers are killed and frozen, connections cut at the
  worst moments, and Redis killed, robbed of its last writes, or filled. At the end every signal is
  compared with an exact replay of each series.

  The programs have to be built beside this one; `make chaos` does that.

Examples:
  make chaos
  make chaos SEED=7
  target/release/chaos --seed 7 --faults 100 --trace

Exit codes:
  0    nothing was lost, doubled, reordered or unexpected, and the time limits held
  1    that was not so; the last lines say what, and how to replay it
  64   bad usage
  130  interrupted by ctrl-c";

impl Arguments {
    /// Returns the terms of the schedule.
    pub fn terms(&self) -> Terms {
        Terms {
            seed: self.seed,
            faults: self.faults as usize,
            workers_max: usize::from(self.workers_max),
            lease_ttl: self.lease_ttl,
        }
    }

    /// Returns the command that plays the same schedule again.
    pub fn replay(&self) -> String {
        let Self { seed, faults, workers_max, lease_ttl, .. } = self;
        let lease = format!("{}ms", lease_ttl.as_millis());
        format!("target/release/chaos --seed {seed} --faults {faults} --workers-max {workers_max} --lease-ttl {lease}")
    }
}

/// Reads a lease within the bounds of `worker.lease_ttl`.
fn lease(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_millis(500)..=Duration::from_mins(5);
    if bounds.contains(&span) { Ok(span) } else { Err("not from 500ms to 5m".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replay_command_is_read_back_as_the_same_terms() -> Result<(), clap::Error> {
        let one = Arguments::try_parse_from(["chaos", "--seed", "7", "--lease-ttl", "1500ms"])?;
        let again = Arguments::try_parse_from(one.replay().split(' '))?;
        assert_eq!((again.replay(), again.seed, again.lease_ttl), (one.replay(), 7, Duration::from_millis(1_500)));
        assert!(Arguments::try_parse_from(["chaos", "--lease-ttl", "1ms"]).is_err());
        Ok(())
    }
}
