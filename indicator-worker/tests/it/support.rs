//! What the tests of the core share: candles from the bundled files, and states driven by them.

use std::sync::Arc;

use candlewire_common::candle::{Bar, ClosedCandle};
use candlewire_common::config::Config;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use candlewire_testkit::bundled;
use indicator_worker::core::{Plans, SeriesPlan};

/// Open, high, low, close and volume.
pub(crate) fn candle(open_time: i64, numbers: [&str; 5]) -> ClosedCandle {
    let [open, high, low, close, volume] = numbers.map(|text| text.parse().unwrap());
    let bar = Bar { open, high, low, close, volume };
    ClosedCandle::new(UnixMillis(open_time), bar, UnixMillis(open_time)).unwrap()
}

/// A flat bar at one price.
pub(crate) fn flat(open_time: i64, price: &str) -> ClosedCandle {
    candle(open_time, [price, price, price, price, "0"])
}

pub(crate) fn bundled_candles(file: &str) -> Vec<ClosedCandle> {
    let read = |row: &bundled::Row| candle(row.open_time, row.texts.each_ref().map(String::as_str));
    bundled::rows(file).iter().map(read).collect()
}

pub(crate) fn plan(config: &str, series: &Series) -> Arc<SeriesPlan> {
    Plans::new(&Config::from_text(config, None, &[]).unwrap()).plan(series)
}

/// A strategy table for crossing two averages on everything.
pub(crate) fn strategy(name: &str, fast: &str, slow: &str) -> String {
    format!("[[strategies]]\nname = \"{name}\"\nseries = [\"*\"]\nfast = \"{fast}\"\nslow = \"{slow}\"\n")
}
