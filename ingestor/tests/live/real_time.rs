//! In real time: a candle is in the stream soon after the venue's closing message.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_common::candle::Origin;
use candlewire_common::timeframe::Timeframe;
use candlewire_testkit::venue::{Script, VenueKind};
use candlewire_testkit::{RedisOptions, RedisServer};
use futures_util::future::join_all;

use crate::bench::{Bench, MINUTE, SYMBOL, Wanted};

/// What is certainly broken, also on a busy machine; the figure itself is printed.
const LATE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minute_is_published_when_it_closes() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let runs = VenueKind::ALL.map(|kind| {
        let redis = &redis;
        async move {
            let wanted = Wanted { speed: 1, ..Wanted::minutes(kind, &format!("{kind:?}")) };
            let bench = Bench::with_market(redis, wanted, Script::none(), |market| market.with_empty_share(0)).await?;
            let engine = bench.engine()?;
            // The next minute that begins is seen whole.
            let now = bench.venue.clock().now_ms();
            let open_time = now - now.rem_euclid(MINUTE);
            let published = bench.expect_all(SYMBOL, Timeframe::M1, open_time + MINUTE).await?;
            engine.stop().await?;
            let candle = published.iter().find(|published| published.candle.open_time == open_time);
            let candle = candle.context("the minute is not there")?;
            ensure!(candle.origin == Origin::Live, "{:?}", candle.origin);
            // When the venue said so: the closing message 200 ms after the boundary, or else the first trade.
            let close = open_time + MINUTE;
            let told = if kind.flags_close() {
                close + Script::none().close_delay_ms
            } else {
                bench.venue.market().trades(SYMBOL, close, close + MINUTE)[0].time_ms
            };
            let late = Duration::from_millis(u64::try_from(candle.sent_ms - told).unwrap_or(0));
            tracing::info!("{kind:?}: {} ms after the closing message", candle.sent_ms - told);
            ensure!(late < LATE, "{late:?} after the closing message");
            Ok::<_, anyhow::Error>(())
        }
    });
    for (kind, ended) in VenueKind::ALL.into_iter().zip(join_all(runs).await) {
        ended.with_context(|| format!("{kind:?}"))?;
    }
    Ok(())
}
