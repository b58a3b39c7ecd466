//! The JSON body of a webhook, as the contract shows it.
//!
//! A pure function of the alert: every attempt sends the same bytes.

use serde::Serialize;

use crate::alert::Alert;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    event: &'static str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: &'a str,
    strategy: &'a str,
    series: &'a str,
    venue: &'a str,
    symbol: &'a str,
    timeframe: &'static str,
    direction: &'static str,
    open_time: String,
    close_time: String,
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
    origin: &'static str,
    emitted_at: String,
}

/// Writes the body of an alert.
///
/// # Errors
///
/// [`serde_json::Error`] never comes of these fields; the caller gives up on the alert if it does.
pub(crate) fn body(alert: &Alert) -> Result<Vec<u8>, serde_json::Error> {
    let signal = &alert.signal;
    let data = Data {
        id: signal.id.as_str(),
        strategy: &signal.strategy,
        series: signal.series.as_str(),
        venue: signal.series.venue(),
        symbol: signal.series.symbol(),
        timeframe: signal.series.timeframe().as_str(),
        direction: signal.direction.as_str(),
        open_time: signal.open_time.rfc3339(),
        close_time: signal.close_time().rfc3339(),
        price: &signal.price,
        fast: signal.fast,
        slow: signal.slow,
        atr: signal.atr,
        stop_loss: signal.stop_loss,
        take_profit: signal.take_profit,
        risk_reward: signal.risk_reward,
        origin: signal.origin.as_str(),
        emitted_at: signal.emitted_us.rfc3339(),
    };
    serde_json::to_vec(&Body { event: alert.event(), timestamp: signal.emitted_us.rfc3339(), data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_body_is_what_the_contract_shows() {
        let expected = concat!(
            r#"{"type":"signal.buy","timestamp":"2026-11-21T21:00:00.123Z","#,
            r#""data":{"id":"sig_0123456789abcdef0123456789abcdef","strategy":"golden-cross","#,
            r#""series":"binance:BTCUSDT:1h","venue":"binance","symbol":"BTCUSDT","#,
            r#""timeframe":"1h","direction":"buy","open_time":"2026-11-21T20:00:00Z","close_time":"2026-11-21T21:00:00Z","#,
            r#""price":"42001.37","fast":41890.2,"slow":41880.9,"atr":120.5,"stop_loss":41760.37,"take_profit":42362.87,"#,
            r#""risk_reward":1.5,"origin":"live","emitted_at":"2026-11-21T21:00:00.123Z"}}"#,
        );
        assert_eq!(text(&Alert::of(sample::signal())), expected);
    }

    #[test]
    fn what_a_strategy_has_no_value_for_is_absent() {
        let mut signal = sample::signal();
        (signal.atr, signal.stop_loss, signal.take_profit, signal.risk_reward) = (None, None, None, None);
        let text = text(&Alert::of(signal));
        assert!(text.contains(r#""slow":41880.9,"origin""#), "{text}");
    }

    #[test]
    fn a_test_alert_is_marked() {
        let alert = Alert::test(candlewire_common::time::UnixMicros(1_700_000_000_000_000));
        let text = alert.map(|alert| text(&alert)).unwrap_or_default();
        assert!(
            text.starts_with(r#"{"type":"test","timestamp":"2023-11-14T22:13:20.000Z","data":{"id":"test_"#),
            "{text}"
        );
    }

    fn text(alert: &Alert) -> String {
        body(alert).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }
}
