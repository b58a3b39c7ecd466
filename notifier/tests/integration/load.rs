//! Many signals at once: of several series, published as workers do, in few round trips.

use anyhow::Result;
use redis::aio::MultiplexedConnection;

use crate::bench::Draft;

/// What the signals are of: several partitions' worth, so that turns do not make it one long queue.
const SERIES: [&str; 8] = [
    "binance:BTCUSDT:1h",
    "binance:ETHUSDT:1h",
    "binance:SOLUSDT:1h",
    "kraken:BTC/USD:1h",
    "kraken:ETH/USD:1h",
    "coinbase:BTC-USD:1h",
    "okx:BTC-USDT:1h",
    "oanda:EUR_USD:1h",
];

/// The signals with these numbers, over all series in turn.
pub(crate) fn drafts(numbers: impl IntoIterator<Item = u32>) -> Vec<Draft> {
    let series = |number: u32| SERIES[number as usize % SERIES.len()];
    numbers.into_iter().map(|number| Draft { series: series(number), ..Draft::new(number) }).collect()
}

/// Publishes signals in one round trip.
pub(crate) async fn publish(connection: &mut MultiplexedConnection, drafts: &[Draft]) -> Result<()> {
    let mut commands = redis::pipe();
    for draft in drafts {
        commands.add_command(draft.command()?).ignore();
    }
    Ok(commands.exec_async(connection).await?)
}
