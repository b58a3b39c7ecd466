//! An alert as it came in.
//!
//! Owns the reading of a webhook that was verified already, and the one line it is shown as.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use candlewire_common::time::UnixMicros;
use candlewire_testkit::webhook_receiver::Received;
use serde::Deserialize;

/// What the demo reads of a webhook's body.
#[derive(Debug, Deserialize)]
struct Body {
    #[serde(rename = "type")]
    event: String,
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    id: String,
    strategy: String,
    symbol: String,
    timeframe: String,
    direction: String,
    open_time: String,
    price: String,
}

/// An alert as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The signal's id.
    pub id: String,
    /// When it arrived.
    pub arrived: UnixMicros,
    /// It as one line for people.
    pub line: String,
}

impl Alert {
    /// Reads a webhook.
    ///
    /// # Errors
    ///
    /// If it is not the alert of a signal as the contract describes it.
    pub fn read(webhook: &Received) -> Result<Self> {
        let body: Body = serde_json::from_slice(&webhook.body).context("read an alert's body")?;
        let id = webhook.header("webhook-id").unwrap_or_default();
        ensure!(body.data.id == id, "alert {} came as webhook {id:?}", body.data.id);
        let expected = format!("signal.{}", body.data.direction);
        ensure!(body.event == expected, "alert {id} has type {:?} instead of {expected:?}", body.event);
        let line = body.data.to_string();
        Ok(Self { id: body.data.id, arrived: micros(webhook.arrived), line })
    }
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.direction == "buy" { "🟢 BUY " } else { "🔴 SELL" };
        // A daily candle has no time of day worth telling; another's has minutes.
        let shown = if self.timeframe.ends_with('d') { 10 } else { 16 };
        let time = self.open_time.get(..shown).unwrap_or(&self.open_time).replace('T', " ");
        let Self { symbol, timeframe, strategy, price, .. } = self;
        write!(f, "{side} {symbol} {timeframe} · {strategy} · {price} · {time}")
    }
}

fn micros(time: SystemTime) -> UnixMicros {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(direction: &str, timeframe: &str) -> Data {
        Data {
            id: "sig_1".to_owned(),
            strategy: "golden-cross".to_owned(),
            symbol: "AAPL".to_owned(),
            timeframe: timeframe.to_owned(),
            direction: direction.to_owned(),
            open_time: "2003-05-01T00:00:00Z".to_owned(),
            price: "130.31".to_owned(),
        }
    }

    #[test]
    fn line_tells_all_at_a_glance() {
        assert_eq!(data("buy", "1d").to_string(), "🟢 BUY  AAPL 1d · golden-cross · 130.31 · 2003-05-01");
        assert_eq!(data("sell", "1h").to_string(), "🔴 SELL AAPL 1h · golden-cross · 130.31 · 2003-05-01 00:00");
    }
}
