//! A signal for programs: a JSON object or a row of CSV, with the names and values of its entry in the stream.

use candlewire_common::signal::Signal;
use serde::Serialize;

/// The columns, in their order.
pub(super) const COLUMNS: [&str; 13] = [
    "id",
    "strategy",
    "series",
    "direction",
    "open_time",
    "close_time",
    "price",
    "fast",
    "slow",
    "atr",
    "stop_loss",
    "take_profit",
    "risk_reward",
];

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    id: &'a str,
    strategy: &'a str,
    series: &'a str,
    direction: &'static str,
    open_time: i64,
    close_time: i64,
    price: &'a str,
    fast: f64,
    slow: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    atr: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    take_profit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk_reward: Option<f64>,
}

/// The signal as a JSON object. Times are Unix milliseconds, the price is the candle's own text, and what the strategy
/// does not ask for is absent.
pub(super) fn json(signal: &Signal) -> serde_json::Result<String> {
    serde_json::to_string(&Line {
        r#type: "signal",
        id: signal.id.as_str(),
        strategy: &signal.strategy,
        series: signal.series.as_str(),
        direction: signal.direction.as_str(),
        open_time: signal.open_time.0,
        close_time: signal.close_time().0,
        price: &signal.price,
        fast: signal.fast,
        slow: signal.slow,
        atr: signal.atr,
        stop_loss: signal.stop_loss,
        take_profit: signal.take_profit,
        risk_reward: signal.risk_reward,
    })
}

/// The signal as a row of CSV; what the strategy does not ask for is empty.
pub(super) fn csv(signal: &Signal) -> String {
    let fields = signal.encode();
    let cell = |name: &str| {
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map_or(String::new(), |(_, value)| quoted(value))
    };
    COLUMNS.map(cell).join(",")
}

/// Quotes a cell where it needs it: a strategy's name may hold a comma.
fn quoted(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::candle::Origin;
    use candlewire_common::series::Series;
    use candlewire_common::signal::{Direction, SignalId};
    use candlewire_common::time::{UnixMicros, UnixMillis};

    fn signal() -> Signal {
        let (series, open_time): (Series, _) = ("csv:X:1m".parse().unwrap(), UnixMillis(60_000));
        Signal {
            id: SignalId::derive("a", &series, open_time, Direction::Buy),
            strategy: "a, \"b\"".to_owned(),
            series,
            direction: Direction::Buy,
            open_time,
            price: "1.50".to_owned(),
            fast: 1.5,
            slow: 1e-7,
            atr: None,
            stop_loss: Some(0.1 + 0.2),
            take_profit: None,
            risk_reward: None,
            origin: Origin::Replay,
            candle_us: UnixMicros(0),
            emitted_us: UnixMicros(0),
        }
    }

    #[test]
    fn programs_get_every_digit() {
        let signal = signal();
        let id = signal.id.as_str();
        let json = json(&signal).unwrap();
        let expected = format!(
            r#"{{"type":"signal","id":"{id}","strategy":"a, \"b\"","series":"csv:X:1m","direction":"buy","open_time":60000,"close_time":120000,"price":"1.50","fast":1.5,"slow":1e-7,"stop_loss":0.30000000000000004}}"#
        );
        assert_eq!(json, expected);
        let expected =
            format!(r#"{id},"a, ""b""",csv:X:1m,buy,60000,120000,1.50,1.5,0.0000001,,0.30000000000000004,,"#);
        assert_eq!(csv(&signal), expected);
    }
}
