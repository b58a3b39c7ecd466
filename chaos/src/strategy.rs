//! The strategies, once for the worker's configuration and the oracle alike.
//!
//! Owns their list and the text of `candlewire.toml`. It knows the configuration as a person does, by its page.

use std::fmt;
use std::time::Duration;

use crate::series::{PARTITIONS, Series};

/// How many candles of each series the workers keep.
pub const HISTORY: usize = 300;

/// A moving average of the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// The mean of so many closes.
    Sma(usize),
    /// The exponential average of so many.
    Ema(usize),
}

impl fmt::Display for Average {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sma(period) => write!(f, "sma({period})"),
            Self::Ema(period) => write!(f, "ema({period})"),
        }
    }
}

/// Two averages that cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Its name.
    pub name: &'static str,
    /// Whether it runs on the series with recursive averages alone.
    pub only_recursive: bool,
    /// The average that crosses.
    pub fast: Average,
    /// The one that is crossed.
    pub slow: Average,
    /// The periods of the average true range, where it has one.
    pub atr: Option<usize>,
}

/// Every strategy, in the order in which a candle's signals are found.
pub const STRATEGIES: [Strategy; 5] = [
    window("pulse", 2, 3),
    window("wave", 3, 8),
    window("tide", 10, 40),
    Strategy { name: "swell", only_recursive: true, fast: Average::Ema(3), slow: Average::Ema(9), atr: None },
    Strategy { name: "surf", only_recursive: true, fast: Average::Sma(2), slow: Average::Ema(6), atr: Some(5) },
];

const fn window(name: &'static str, fast: usize, slow: usize) -> Strategy {
    Strategy { name, only_recursive: false, fast: Average::Sma(fast), slow: Average::Sma(slow), atr: None }
}

impl Strategy {
    /// Whether it runs on this series.
    pub fn covers(&self, series: &Series) -> bool {
        series.is_recursive || !self.only_recursive
    }

    /// Returns its table in the configuration.
    fn table(&self) -> String {
        let Self { name, only_recursive, fast, slow, atr } = self;
        let symbols = if *only_recursive { "E*" } else { "*" };
        let risk = atr.map_or_else(String::new, |n| format!("atr = \"atr({n})\"\nstop_atr = 2.0\ntarget_atr = 3.0\n"));
        format!(
            "[[strategies]]\nname = \"{name}\"\nseries = [\"chaos:{symbols}:*\"]\nfast = \"{fast}\"\nslow = \"{slow}\"\n{risk}"
        )
    }
}

/// Returns the configuration of a worker that reaches Redis at this URL.
pub fn config(redis_url: &str, lease_ttl: Duration) -> String {
    let tables: String = STRATEGIES.iter().map(Strategy::table).collect();
    let lease_ms = lease_ttl.as_millis();
    format!(
        "[redis]\nurl = \"{redis_url}\"\npartitions = {PARTITIONS}\n[cache]\nhistory = {HISTORY}\n\
         [http]\nindicator_worker = \"127.0.0.1:0\"\n[worker]\nlease_ttl = \"{lease_ms}ms\"\n{tables}"
    )
}

#[cfg(test)]
mod tests {
    use candlewire_common::config::Config;

    use super::*;
    use crate::series;

    #[test]
    fn candlewire_accepts_it_and_covers_the_same_series() -> anyhow::Result<()> {
        let text = config("redis://127.0.0.1:15000/0", Duration::from_secs(1));
        let config = Config::from_text(&text, None, &[])?;
        assert_eq!(config.worker.lease_ttl, Duration::from_secs(1));
        for series in series::all() {
            let parsed = series.name.parse()?;
            for (ours, theirs) in STRATEGIES.iter().zip(&config.strategies) {
                assert_eq!((ours.name, ours.covers(&series)), (&*theirs.name, theirs.covers(&parsed)), "{series:?}");
            }
        }
        Ok(())
    }
}
