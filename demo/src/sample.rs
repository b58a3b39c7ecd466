//! Signals and alerts for the tests of this crate.

use candlewire_common::time::UnixMicros;

use crate::alert::Alert;
use crate::ledger::SignalRecord;

/// A signal found 2 ms after its candle was sent.
pub(crate) fn signal(id: &str) -> SignalRecord {
    SignalRecord {
        id: id.to_owned(),
        series: "csv:BTC:1m".to_owned(),
        sent: UnixMicros(1_000),
        emitted: UnixMicros(3_000),
    }
}

/// Its alert, arrived 5 ms after the candle was sent.
pub(crate) fn alert(id: &str) -> Alert {
    Alert { id: id.to_owned(), arrived: UnixMicros(6_000), line: String::new() }
}
