//! The signal of the contract's example, for tests.

use candlewire_common::signal::Signal;
use candlewire_common::stream::Fields;

/// The fields of the example's entry.
pub(crate) const FIELDS: [(&str, &str); 16] = [
    ("id", "sig_0123456789abcdef0123456789abcdef"),
    ("strategy", "golden-cross"),
    ("series", "binance:BTCUSDT:1h"),
    ("direction", "buy"),
    ("open_time", "1795291200000"),
    ("close_time", "1795294800000"),
    ("price", "42001.37"),
    ("fast", "41890.2"),
    ("slow", "41880.9"),
    ("atr", "120.5"),
    ("stop_loss", "41760.37"),
    ("take_profit", "42362.87"),
    ("risk_reward", "1.5"),
    ("origin", "live"),
    ("candle_us", "1795294800050000"),
    ("emitted_us", "1795294800123000"),
];

/// The example, decoded.
pub(crate) fn signal() -> Signal {
    let fields = FIELDS.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    match Signal::decode(&Fields(fields.collect())) {
        Ok(signal) => signal,
        Err(error) => panic!("{error}"),
    }
}
