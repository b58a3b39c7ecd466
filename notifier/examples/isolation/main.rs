//! Measures how long alerts take to recipients that are well while others hang or fail.
//!
//! Owns the surroundings: a Redis of its own, the built `notifier`, twenty receivers, of which five hang and five
//! answer 500, and a thousand signals at each of several rates. For each it prints the time from the signal's entry in
//! its stream (the entry's own id) to its arrival at the ten good receivers. Receivers and Redis share the machine with
//! the notifier, so the figures are those of the whole.
//!
//! ```text
//! cargo build --release -p notifier --bins
//! cargo run --release -p notifier --example isolation
//! ```

mod bench;
mod latency;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::Bench;
use latency::Latency;

/// How many signals each run has.
const SIGNALS: u32 = 1_000;

/// Signals a second: what a busy market gives, ten times that, and all at once.
const RATES: [(&str, Option<u32>); 3] = [("20/s", Some(20)), ("200/s", Some(200)), ("burst", None)];

#[tokio::main]
async fn main() -> Result<()> {
    say("rate    alerts   p50 ms   p99 ms   max ms   last after the first signal")?;
    for (name, rate) in RATES {
        let bench = Bench::start().await?;
        let signals = bench.publish(SIGNALS, rate.map(|rate| Duration::from_secs(1) / rate)).await?;
        let arrivals = bench.arrivals(SIGNALS).await?;
        let latency = Latency::of(&signals, &arrivals).context("an alert of a signal that was not published")?;
        say(&format!("{name:<7} {latency}"))?;
    }
    Ok(())
}

/// Prints a line at once.
fn say(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("print")
}
