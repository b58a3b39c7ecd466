//! The demo's `candlewire.toml`.
//!
//! Owns its text: the strategies over the bundled series and the one recipient. It shows nothing that
//! a person could not write; ports are left to the system, so that demos run side by side.

/// What differs from run to run.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The private Redis.
    pub redis_url: &'a str,
    /// Where alerts are posted to.
    pub hook_url: &'a str,
    /// What they are signed with.
    pub secret: &'a str,
}

/// How many partitions the demo has.
pub const PARTITIONS: u16 = 16;

/// What every key begins with.
pub const PREFIX: &str = "cw";

impl Settings<'_> {
    /// Returns the file's text.
    pub fn text(&self) -> String {
        let Self { redis_url, hook_url, secret } = self;
        format!(
            r#"[redis]
url = "{redis_url}"
prefix = "{PREFIX}"
partitions = {PARTITIONS}

[http]
ingestor = "127.0.0.1:0"
indicator_worker = "127.0.0.1:0"
notifier = "127.0.0.1:0"

[worker]
lease_ttl = "5s"
{STRATEGIES}
[delivery]
max_age = "off"                 # these candles are years old

[[recipients]]
name = "demo"
kind = "webhook"
url = "{hook_url}"
secret = "{secret}"
allow_private = true            # the receiver is on this machine
"#
        )
    }
}

const STRATEGIES: &str = r#"
[[strategies]]
name = "golden-cross"
series = ["csv:*:1h", "csv:*:1d", "csv:BTCUSD:1m"]
fast = "sma(50)"
slow = "sma(200)"
atr = "atr(14)"
stop_atr = 2.0
target_atr = 3.0
min_risk_reward = 1.5

[[strategies]]
name = "ema-12-26"
series = ["csv:*:1h", "csv:*:1d"]
fast = "ema(12)"
slow = "ema(26)"

[[strategies]]
name = "sma-10-30"
series = ["csv:BTCUSD:1m"]
fast = "sma(10)"
slow = "sma(30)"

[[strategies]]
name = "pulse"                  # crosses all the time: each crossing measures a latency
series = ["csv:BTC:1m", "csv:SOL:1m", "csv:*:1s"]
fast = "sma(2)"
slow = "sma(3)"
"#;

#[cfg(test)]
mod tests {
    use candlewire_common::config::Config;

    use super::*;
    use crate::act::ACTS;

    #[test]
    fn candlewire_accepts_it_and_every_series_has_a_strategy() -> anyhow::Result<()> {
        let settings = Settings {
            redis_url: "redis://127.0.0.1:15000/0",
            hook_url: "http://127.0.0.1:15001/hook",
            secret: "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        };
        let config = Config::from_text(&settings.text(), None, &[])?;
        assert_eq!(config.redis.partitions.count(), PARTITIONS);
        for bundled in ACTS.iter().flat_map(|act| act.series) {
            let series = bundled.name().parse()?;
            assert!(config.strategies.iter().any(|strategy| strategy.covers(&series)), "{series}");
        }
        Ok(())
    }
}
