//! A candle as OKX writes it, in REST and in the feed: nine columns of text.

use candlewire_common::time::UnixMillis;

use crate::venue::answer::{Row, RowState};
use crate::venue::bar_text::{BarText, Number};

/// Reads open time, open, high, low, close, volume, volume in base currency, what does not matter, and whether the
/// candle is closed.
pub(super) fn read(symbol: &str, columns: &[Number]) -> Result<Row, String> {
    let [open_time, open, high, low, close, spot_volume, base_volume, _, confirm, ..] = *columns else {
        return Err(format!("{} columns", columns.len()));
    };
    let open_time = open_time.whole().ok_or_else(|| format!("open time {open_time:?}"))?;
    let volume = if is_contract(symbol) { base_volume } else { spot_volume };
    let bar = BarText { open, high, low, close, volume }.read().map_err(|error| error.to_string())?;
    let state = match confirm.text() {
        "1" => RowState::Closed,
        "0" => RowState::Forming,
        _ => return Err(format!("confirm {confirm:?}")),
    };
    Ok(Row { open_time: UnixMillis(open_time), bar, state })
}

/// Whether the first volume counts contracts: `BTC-USDT` is spot, `BTC-USDT-SWAP` and `BTC-USD-250328` are not.
fn is_contract(symbol: &str) -> bool {
    symbol.split('-').count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &str =
        r#"["1747094040000","102806.1","102820.4","102806.1","102820.5","1040.37","10.4037","1069603.34883","1"]"#;

    fn read_text(symbol: &str, text: &str) -> Result<Row, String> {
        read(symbol, &serde_json::from_str::<Vec<Number>>(text).unwrap())
    }

    #[test]
    fn columns_are_read() {
        for (symbol, volume) in [("BTC-USDT", "1040.37"), ("BTC-USDT-SWAP", "10.4037"), ("BTC-USD-250328", "10.4037")] {
            let row = read_text(symbol, COLUMNS).unwrap();
            assert_eq!((row.open_time.0, row.state), (1_747_094_040_000, RowState::Closed));
            let bar = row.bar;
            let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume].map(|number| number.to_string());
            assert_eq!(numbers, ["102806.1", "102820.4", "102806.1", "102820.5", volume], "{symbol}");
        }
        assert_eq!(read_text("A-B", &COLUMNS.replace(r#","1"]"#, r#","0"]"#)).unwrap().state, RowState::Forming);
    }

    #[test]
    fn what_is_no_candle_is_told() {
        for (columns, expected) in [
            ("[]", "0 columns"),
            (r#"["1","1","1","1","1","1","1","1"]"#, "8 columns"),
            (r#"["","1","1","1","1","1","1","1","1"]"#, "open time \"\""),
            (r#"["1","1","1","1","1","1","1","1","2"]"#, "confirm \"2\""),
            (r#"["1",null,"1","1","1","1","1","1","1"]"#, "open null is not a finite decimal number"),
        ] {
            assert_eq!(read_text("A-B", columns).unwrap_err(), expected);
        }
    }
}
