//! Several notifiers on one Redis.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use candlewire_testkit::WebhookReceiver;
use candlewire_testkit::wait::PATIENCE;

use crate::bench::{Bench, QUICK, SECRET, webhook};

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
    bench.until("EXISTS cw:{delivery}:due:desk", 0).await?;
    one.stop().await?;
    // The other carries on alone.
    ids.insert(bench.publish(101).await?);
    let requests = receiver.wait_for(101, PATIENCE).await?;
    bench.until("EXISTS cw:{delivery}:due:desk", 0).await?;
    let arrived_ids: BTreeSet<_> =
        requests.iter().filter_map(|request| Some(request.header("webhook-id")?.to_owned())).collect();
    ensure!(arrived_ids == ids && requests.len() == 101, "{} requests, {} ids", requests.len(), arrived_ids.len());
    two.stop().await
}
