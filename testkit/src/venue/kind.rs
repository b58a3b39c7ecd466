//! What differs between venues without being protocol: names of symbols and timeframes, and how numbers are written.

use super::bar::{Bar, SIZE_DECIMALS, fixed, trimmed};

/// A venue that can be mocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VenueKind {
    /// Binance spot.
    Binance,
    /// Kraken: REST and WebSocket v2.
    Kraken,
    /// Coinbase Advanced Trade.
    Coinbase,
    /// Bybit v5 spot.
    Bybit,
    /// OKX v5 spot.
    Okx,
    /// OANDA v20.
    Oanda,
}

/// Timeframes with their names, in the order of [`VenueKind`]; empty if the venue has none.
const TIMEFRAMES: [(i64, [&str; 6]); 19] = [
    (1_000, ["1s", "", "", "", "1s", ""]),
    (5_000, ["", "", "", "", "", "S5"]),
    (10_000, ["", "", "", "", "", "S10"]),
    (15_000, ["", "", "", "", "", "S15"]),
    (30_000, ["", "", "", "", "", "S30"]),
    (60_000, ["1m", "1", "ONE_MINUTE", "1", "1m", "M1"]),
    (120_000, ["", "", "", "", "", "M2"]),
    (180_000, ["3m", "", "", "3", "3m", ""]),
    (240_000, ["", "", "", "", "", "M4"]),
    (300_000, ["5m", "5", "FIVE_MINUTE", "5", "5m", "M5"]),
    (900_000, ["15m", "15", "FIFTEEN_MINUTE", "15", "15m", "M15"]),
    (1_800_000, ["30m", "30", "THIRTY_MINUTE", "30", "30m", "M30"]),
    (3_600_000, ["1h", "60", "ONE_HOUR", "60", "1H", "H1"]),
    (7_200_000, ["2h", "", "TWO_HOUR", "120", "2H", "H2"]),
    (14_400_000, ["4h", "240", "FOUR_HOUR", "240", "4H", "H4"]),
    (21_600_000, ["6h", "", "SIX_HOUR", "360", "6Hutc", "H6"]),
    (43_200_000, ["12h", "", "", "720", "12Hutc", "H12"]),
    (86_400_000, ["1d", "1440", "ONE_DAY", "D", "1Dutc", "D"]),
    (10_800_000, ["", "", "", "", "", "H3"]),
];

/// Kraken's own names of two currencies.
const KRAKEN_NAMES: [(&str, &str); 2] = [("BTC", "XBT"), ("DOGE", "XDG")];

impl VenueKind {
    /// All venues.
    pub const ALL: [Self; 6] = [Self::Binance, Self::Kraken, Self::Coinbase, Self::Bybit, Self::Okx, Self::Oanda];

    /// Returns the name that the venue's REST API has for `BASE-QUOTE`.
    pub fn rest_symbol(self, canonical: &str) -> String {
        match self {
            Self::Binance | Self::Bybit => canonical.replace('-', ""),
            Self::Kraken => {
                let name = |currency: &str| {
                    let own = KRAKEN_NAMES.iter().find(|(name, _)| *name == currency);
                    own.map_or(currency, |(_, own)| own).to_owned()
                };
                canonical.split('-').map(name).collect()
            }
            Self::Coinbase | Self::Okx => canonical.to_owned(),
            Self::Oanda => canonical.replace('-', "_"),
        }
    }

    /// Returns the name that the venue's live feed has for `BASE-QUOTE`, as messages bear it; in the names of Binance's
    /// streams it is in lower case.
    pub fn feed_symbol(self, canonical: &str) -> String {
        match self {
            Self::Kraken => canonical.replace('-', "/"),
            _ => self.rest_symbol(canonical),
        }
    }

    /// Returns the venue's name of a timeframe that is aligned to UTC.
    pub fn timeframe_name(self, timeframe_ms: i64) -> Option<&'static str> {
        let row = TIMEFRAMES.iter().find(|(length, _)| *length == timeframe_ms)?;
        Some(row.1[self.column()]).filter(|name| !name.is_empty())
    }

    /// Returns the length of the timeframe that the venue calls `name`.
    pub(crate) fn timeframe_ms(self, name: &str) -> Option<i64> {
        let named = |row: &&(i64, [&str; 6])| !name.is_empty() && row.1[self.column()] == name;
        TIMEFRAMES.iter().find(named).map(|row| row.0)
    }

    fn column(self) -> usize {
        Self::ALL.iter().position(|&kind| kind == self).unwrap_or(0)
    }

    /// Returns whether REST has a (flat) row for a time without trades.
    pub fn shows_empty(self) -> bool {
        !matches!(self, Self::Coinbase | Self::Oanda)
    }

    /// Returns whether live candles bear a flag that says closed.
    pub fn flags_close(self) -> bool {
        matches!(self, Self::Binance | Self::Bybit | Self::Okx)
    }

    /// Writes a price as REST does.
    pub(crate) fn price_text(self, units: i64, decimals: u32) -> String {
        match self {
            Self::Binance => {
                let scale = 10_i128.pow(SIZE_DECIMALS.saturating_sub(decimals));
                fixed(i128::from(units) * scale, SIZE_DECIMALS)
            }
            Self::Kraken | Self::Oanda => fixed(i128::from(units), decimals),
            Self::Coinbase | Self::Bybit | Self::Okx => trimmed(i128::from(units), decimals),
        }
    }

    /// Writes a bar's volume as REST does.
    pub(crate) fn volume_text(self, bar: &Bar) -> String {
        match self {
            Self::Oanda => bar.count.to_string(),
            Self::Binance | Self::Kraken => fixed(i128::from(bar.volume), SIZE_DECIMALS),
            Self::Coinbase | Self::Bybit | Self::Okx => trimmed(i128::from(bar.volume), SIZE_DECIMALS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_spelled_as_each_venue_does() {
        let names = VenueKind::ALL.map(|kind| (kind.rest_symbol("BTC-USD"), kind.feed_symbol("BTC-USD")));
        let pairs = names.iter().map(|(rest, feed)| format!("{rest} {feed}")).collect::<Vec<_>>();
        let expected = [
            "BTCUSD BTCUSD",
            "XBTUSD BTC/USD",
            "BTC-USD BTC-USD",
            "BTCUSD BTCUSD",
            "BTC-USD BTC-USD",
            "BTC_USD BTC_USD",
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn timeframe_names_lead_back() {
        for kind in VenueKind::ALL {
            for (length, _) in TIMEFRAMES {
                if let Some(name) = kind.timeframe_name(length) {
                    assert_eq!(kind.timeframe_ms(name), Some(length), "{kind:?} {name}");
                }
            }
        }
        assert_eq!(VenueKind::Binance.timeframe_ms("1M"), None);
    }
}
