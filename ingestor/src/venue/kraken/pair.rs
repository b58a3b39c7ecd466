//! Names of pairs: the feed writes `BTC/USD` where REST writes `XBTUSD`.

use candlewire_common::series::Symbol;

/// How REST spells a pair; of a symbol's characters none needs escaping but the slash, which it loses.
pub(super) fn rest_name(symbol: &Symbol) -> String {
    let asset = |name| match name {
        "BTC" => "XBT",
        "DOGE" => "XDG",
        other => other,
    };
    symbol.as_str().split('/').map(asset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_has_its_own_names() {
        let pairs = [("BTC/USD", "XBTUSD"), ("ETH/BTC", "ETHXBT"), ("DOGE/EUR", "XDGEUR"), ("ADA/USDT", "ADAUSDT")];
        for (symbol, name) in pairs {
            assert_eq!(rest_name(&symbol.parse().unwrap()), name);
        }
    }
}
