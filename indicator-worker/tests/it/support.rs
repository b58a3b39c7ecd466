//! What the tests of the core share: candles from the bundled files, and states driven by them.

use std::sync::Arc;

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::config::Config;
use candlewire_common::decimal::Decimal;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::bundled;
use indicator_worker::core::{Plans, SeriesPlan};

pub(crate) fn candle(open_time: i64, prices: [&str; 4]) -> ClosedCandle {
    let [open, high, low, close] = prices.map(|text| text.parse().unwrap());
    let bar = Bar { open, high, low, close, volume: Decimal::ZERO };
    ClosedCandle::new(UnixMillis(open_time), bar, UnixMillis(open_time)).unwrap()
}

/// A flat bar at one price.
pub(crate) fn flat(open_time: i64, price: &str) -> ClosedCandle {
    candle(open_time, [price; 4])
}

pub(crate) fn bundled_candles(file: &str) -> Vec<ClosedCandle> {
    let prices = |row: &bundled::Row| {
        let [open, high, low, close, _] = &row.texts;
        candle(row.open_time, [open, high, low, close])
    };
    bundled::rows(file).iter().map(prices).collect()
}

pub(crate) fn plan(config: &str, series: &Series) -> Arc<SeriesPlan> {
    Plans::new(&Config::from_text(config, None, &[]).unwrap()).plan(series)
}

/// A strategy table for crossing two averages on everything.
pub(crate) fn strategy(name: &str, fast: &str, slow: &str) -> String {
    format!("[[strategies]]\nname = \"{name}\"\nseries = [\"*\"]\nfast = \"{fast}\"\nslow = \"{slow}\"\n")
}
