//! SIGHUP: other recipients, other filters, and nothing lost.

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, MetricsPage, WebhookReceiver, eventually};

use crate::bench::{Bench, Draft, QUICK, SECRET, webhook};

#[tokio::test]
async fn recipients_come_go_and_change_without_losing_a_queue() -> Result<()> {
    let bench = Bench::start().await?;
    let receivers = [
        WebhookReceiver::start(Some(SECRET)).await?,
        WebhookReceiver::start(Some(SECRET)).await?,
        WebhookReceiver::start(Some(SECRET)).await?,
        WebhookReceiver::start(Some(SECRET)).await?,
    ];
    let [kept, changed, gone, new] = &receivers;
    bench.configure(QUICK, &[webhook("kept", kept), webhook("changed", changed), webhook("gone", gone)])?;
    // What hangs is under way while the configuration changes.
    changed.answer_next([Answer::hang()]);
    let mut notifier = bench.run().await?;
    let first = bench.publish(1).await?;
    for receiver in [kept, changed, gone] {
        receiver.wait_for(1, PATIENCE).await?;
    }
    let sells = format!("{}\ndirections = [\"sell\"]", webhook("changed", changed));
    bench.configure(QUICK, &[webhook("kept", kept), sells, webhook("new", new)])?;
    notifier.program.hang_up()?;
    let line = notifier.program.wait_for_line(|line| line.contains("SIGHUP: recipients"), PATIENCE).await?;
    ensure!(line.contains("1 as before, 1 changed, 1 new, 1 gone; delivering to kept (webhook), "), "{line}");

    // Its former queue is worked off, and the filters are the new ones.
    let requests = changed.wait_for(2, PATIENCE).await?;
    ensure!(requests.iter().all(|request| request.header("webhook-id") == Some(&first)));
    let second = bench.publish(2).await?;
    let sell = Draft { direction: "sell", ..Draft::new(3) };
    bench.publish_draft(&sell).await?;
    kept.wait_for(3, PATIENCE).await?;
    let requests = new.wait_for(2, PATIENCE).await?;
    ensure!(requests[0].header("webhook-id") == Some(second.as_str()));
    let requests = changed.wait_for(3, PATIENCE).await?;
    ensure!(requests[2].header("webhook-id") == Some(sell.id().as_str()));
    ensure!(gone.received() == 1, "{} requests to one that is gone", gone.received());
    let forgotten = eventually(PATIENCE, async || {
        let page = MetricsPage::fetch(notifier.http).await.map_err(|error| error.to_string())?;
        let depth = page.value("candlewire_delivery_queue_depth", &[("recipient", "gone")]);
        if depth.is_some_and(f64::is_nan) { Ok(()) } else { Err(format!("{depth:?}")) }
    });
    forgotten.await?;
    notifier.stop().await
}

#[tokio::test]
async fn a_configuration_that_is_refused_changes_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let mut notifier = bench.run().await?;
    bench.publish(1).await?;
    receiver.wait_for(1, PATIENCE).await?;
    for (recipient, why) in [
        (format!("{}\ntemplate = \"x\"", webhook("desk", &receiver)), "recipients[0].template = \"x\": belongs to"),
        (String::new(), "recipients[0].name: missing"),
        (
            webhook("desk", &receiver).replace(SECRET, "whsec_c2hvcnQ="),
            "recipients.desk.secret: the secret has 5 bytes",
        ),
    ] {
        bench.configure(QUICK, &[recipient])?;
        notifier.program.hang_up()?;
        let expected = format!("SIGHUP: the configuration is refused, all stays as it was: {why}");
        notifier.program.wait_for_line(|line| line.contains(&expected), PATIENCE).await?;
    }
    bench.configure(QUICK, &[])?;
    notifier.program.hang_up()?;
    notifier.program.wait_for_line(|line| line.contains("no recipients"), PATIENCE).await?;
    bench.publish(2).await?;
    receiver.wait_for(2, PATIENCE).await?;
    notifier.stop().await
}

/// Before Redis answers, too, SIGHUP ends nothing.
#[tokio::test]
async fn it_is_heard_while_redis_is_away() -> Result<()> {
    let mut bench = Bench::start().await?;
    let (former, latter) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
    bench.configure(QUICK, &[webhook("desk", &former)])?;
    bench.publish(1).await?;
    bench.redis.kill()?;
    let mut notifier = bench.run().await?;
    bench.configure(QUICK, &[webhook("desk", &latter)])?;
    notifier.program.hang_up()?;
    notifier.program.wait_for_line(|line| line.contains("0 as before, 1 changed, 0 new, 0 gone"), PATIENCE).await?;
    bench.redis.restart().await?;
    latter.wait_for(1, PATIENCE).await?;
    ensure!(former.received() == 0, "it was told by the former configuration");
    notifier.stop().await
}
