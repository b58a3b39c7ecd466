//! How much history a series wants before its first live candle.

use candlewire_common::config::Config;
use candlewire_common::indicator::IndicatorSpec;
use candlewire_common::series::Series;
use candlewire_common::strategy::Strategy;

/// What is worth having of a series that no strategy names: enough to look at.
const AT_LEAST: usize = 100;
/// The most history that is fetched.
const AT_MOST: usize = 5_000;

/// What the strategies and indicator tables need of a series to show the right values at once.
pub fn wanted(config: &Config, series: &Series) -> u32 {
    let strategies = config.strategies.iter().filter(|strategy| {
        // What is looked at from below needs as much.
        let is_looked_at = strategy.timeframes().any(|timeframe| timeframe == series.timeframe());
        strategy.covers(series) || is_looked_at
    });
    let tables = config.indicators.iter().filter(|table| table.covers(series));
    let computed = tables.flat_map(|table| table.compute.iter().map(|named| IndicatorSpec::settling(named.spec)));
    let needed = strategies.map(Strategy::settling).chain(computed).max().unwrap_or(0);
    u32::try_from(needed.clamp(AT_LEAST, AT_MOST)).unwrap_or(u32::MAX)
}
