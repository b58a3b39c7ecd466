//! Several notifiers on one Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, BotApi, WebhookReceiver, eventually};

use crate::bench::{Bench, Draft, QUICK, SECRET, webhook};
use crate::people::{TOKEN, chat};

#[tokio::test]
async fn two_notifiers_share_the_work_without_sending_twice() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let (one, two) = (bench.run().await?, bench.run().await?);
    let mut ids = BTreeSet::new();
    for number in 1..=100 {
        ids.insert(bench.publish(number).await?);
    }
    receiver.wait_for(100, PATIENCE).await?;
    bench.until("EXISTS cw:{delivery}:due:desk cw:{delivery}:leases:desk", 0).await?;
    one.stop().await?;
    // The other carries on alone.
    ids.insert(bench.publish(101).await?);
    let requests = receiver.wait_for(101, PATIENCE).await?;
    bench.until("EXISTS cw:{delivery}:due:desk cw:{delivery}:leases:desk", 0).await?;
    let arrived_ids: BTreeSet<_> =
        requests.iter().filter_map(|request| Some(request.header("webhook-id")?.to_owned())).collect();
    ensure!(arrived_ids == ids && requests.len() == 101, "{} requests, {} ids", requests.len(), arrived_ids.len());
    two.stop().await
}

/// A backlog of buys and sells of a few series, two notifiers, and a receiver that takes its time.
#[tokio::test]
async fn alerts_of_a_series_keep_their_order_whoever_sends_them() -> Result<()> {
    const SERIES: [&str; 3] = ["binance:BTCUSDT:1h", "binance:ETHUSDT:1h", "kraken:BTC/USD:1h"];
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    receiver.answer_next((0..240_u64).map(|at| Answer::ok().after(Duration::from_millis(at * 7 % 23))));
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    for number in 0..120_u32 {
        bench.publish_draft(&Draft { series: SERIES[number as usize % 3], ..Draft::new(number) }).await?;
    }
    let (one, two) = (bench.run().await?, bench.run().await?);
    for number in 120..240_u32 {
        bench.publish_draft(&Draft { series: SERIES[number as usize % 3], ..Draft::new(number) }).await?;
    }
    let requests = receiver.wait_for(240, PATIENCE).await?;
    let arrived: Vec<&str> = requests.iter().filter_map(|request| request.header("webhook-id")).collect();
    for series in 0..3 {
        let expected = (0..240_u32).filter(|number| number % 3 == series).map(|number| Draft::new(number).id());
        let expected: Vec<String> = expected.collect();
        let seen: Vec<&str> = arrived.iter().copied().filter(|id| expected.iter().any(|known| known == id)).collect();
        ensure!(seen == expected, "{}: {seen:?}", SERIES[series as usize]);
    }
    one.stop().await?;
    two.stop().await
}

/// The series is the other's, and so is the whole burst: whoever has to wait does so.
#[tokio::test]
async fn a_notifier_that_has_to_wait_asks_redis_for_little() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    bench.configure(QUICK, &[chat(&api, 42, "digest = true")])?;
    for number in 1..=60 {
        bench.publish(number).await?;
    }
    let (one, two) = (bench.run().await?, bench.run().await?);
    let told = eventually(PATIENCE, async || {
        let told: usize = api.messages().iter().map(|sent| sent.text.matches("BTCUSDT 1h").count()).sum();
        if told == 60 { Ok(()) } else { Err(format!("{told} of 60 told")) }
    });
    told.await?;
    let stats: String = bench.ask("INFO commandstats").await?;
    let calls =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse().ok());
    // Two for each alert, and some for each of the few seconds.
    ensure!(calls.is_some_and(|calls: u64| calls < 600), "{calls:?} calls of scripts");
    one.stop().await?;
    two.stop().await
}
