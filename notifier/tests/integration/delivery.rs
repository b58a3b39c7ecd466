//! What arrives, where, and how often.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::webhook_receiver::Verdict;
use candlewire_testkit::{Answer, WebhookReceiver};
use serde_json::Value;

use crate::bench::{Bench, Draft, QUICK, SECRET, webhook};

#[tokio::test]
async fn each_signal_arrives_once_and_signed() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    // What was published before the first start is delivered, too.
    let first = bench.publish(1).await?;
    let notifier = bench.run().await?;
    receiver.wait_for(1, PATIENCE).await?;
    let mut ids = BTreeSet::from([first]);
    for number in 2..=20 {
        ids.insert(bench.publish(number).await?);
    }
    // The same crossing, found again by another worker.
    bench.publish(2).await?;
    ids.insert(bench.publish(21).await?);
    notifier.counted("candlewire_signals_consumed_total", &[], 22.0).await?;
    notifier.counted("candlewire_deliveries_total", &[("channel", "webhook"), ("outcome", "delivered")], 21.0).await?;
    let requests = receiver.requests();
    ensure!(requests.len() == 21, "{} requests", requests.len());
    ensure!(requests.iter().all(|request| request.verdict == Verdict::Verified));
    let arrived_ids: BTreeSet<String> =
        requests.iter().filter_map(|request| Some(request.header("webhook-id")?.to_owned())).collect();
    ensure!(arrived_ids == ids, "{arrived_ids:?}");

    let request = &requests[0];
    ensure!(request.method == "POST" && request.header("content-type") == Some("application/json"));
    ensure!(request.header("user-agent").is_some_and(|agent| agent.starts_with("Candlewire/")));
    let body: Value = serde_json::from_slice(&request.body)?;
    ensure!(
        body["type"] == "signal.buy" && body["data"]["price"] == "42001.37" && body["data"]["fast"] == 41890.2,
        "{body}"
    );
    ensure!(body["data"].get("atr").is_none(), "{body}");

    // Nothing is left behind but what keeps a signal from being queued twice, and how the recipient stands.
    let left: Vec<String> = bench.ask("KEYS cw:{delivery}:*").await?;
    let ends = |key: &String| key.contains(":seen:") || key.contains(":series:");
    ensure!(left.iter().all(|key| ends(key) || key == "cw:{delivery}:standing:desk"), "{left:?}");
    ensure!(bench.pending().await? == 0);
    notifier.stop().await?;
    ensure!(
        bench.ask::<Vec<redis::Value>>("XINFO CONSUMERS cw:{0}:signals notifier").await?.is_empty(),
        "a consumer stayed"
    );
    Ok(())
}

/// A backlog is delivered by several attempts at once; within a series they keep their order.
#[tokio::test]
async fn alerts_of_a_series_arrive_in_the_order_they_were_found() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let mut ids = Vec::new();
    for number in 1..=40 {
        ids.push(bench.publish(number).await?);
    }
    // Answers that take their time, each another: without turns they would overtake each other.
    let delays = (0..40_u64).map(|at| Answer::ok().after(Duration::from_millis(at * 7 % 11)));
    receiver.answer_next(delays);
    let notifier = bench.run().await?;
    receiver.wait_for(40, PATIENCE).await?;
    let arrived: Vec<String> =
        receiver.requests().iter().filter_map(|request| Some(request.header("webhook-id")?.to_owned())).collect();
    ensure!(arrived == ids, "out of order: {arrived:?}");
    notifier.stop().await
}

#[tokio::test]
async fn a_failing_endpoint_is_tried_again_with_the_same_bytes() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next([500, 503].map(|status| Answer::status(status.try_into().unwrap_or_default())));
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 1.0).await?;
    notifier.counted("candlewire_delivery_attempts_total", &[("outcome", "retryable")], 2.0).await?;
    let requests = receiver.requests();
    ensure!(requests.len() == 3 && receiver.verified() == 3, "{} requests", requests.len());
    ensure!(requests.iter().all(|request| request.header("webhook-id") == Some(&id)));
    ensure!(requests.iter().all(|request| request.body == requests[0].body));
    let output = notifier.output();
    ensure!(output.matches("desk does not accept alerts").count() == 1, "{output}");
    ensure!(output.matches("desk accepts alerts again").count() == 1, "{output}");
    Ok(())
}

#[tokio::test]
async fn an_accepted_alert_is_delivered_whatever_the_body_does() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next([Answer::ok().body("thank").stalling(), Answer::ok().body("x".repeat(1 << 20))]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    bench.publish(2).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 2.0).await?;
    ensure!(receiver.received() == 2, "{} requests", receiver.received());
    Ok(())
}

#[tokio::test]
async fn filters_choose_who_is_told() -> Result<()> {
    let bench = Bench::start().await?;
    let all = WebhookReceiver::start(Some(SECRET)).await?;
    let some = WebhookReceiver::start(Some(SECRET)).await?;
    let filtered = "directions = [\"sell\"]\nseries = [\"kraken:*:1h\"]\nstrategies = [\"fast-cross\"]";
    bench.configure(QUICK, &[webhook("all", &all), format!("{}\n{filtered}", webhook("some", &some))])?;
    let wanted = Draft { series: "kraken:BTC/USD:1h", strategy: "fast-cross", direction: "sell", ..Draft::new(1) };
    let others = [
        Draft { number: 2, direction: "buy", ..wanted.clone() },
        Draft { number: 3, series: "kraken:BTC/USD:4h", ..wanted.clone() },
        Draft { number: 4, strategy: "golden-cross", ..wanted.clone() },
    ];
    let notifier = bench.run().await?;
    for draft in others.iter().chain([&wanted]) {
        bench.publish_draft(draft).await?;
    }
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 5.0).await?;
    ensure!((all.received(), some.received()) == (4, 1), "{} {}", all.received(), some.received());
    ensure!(some.requests()[0].header("webhook-id") == Some(wanted.id().as_str()));
    Ok(())
}

#[tokio::test]
async fn an_alert_that_is_too_old_is_not_sent() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure("max_age = \"auto\"", &[webhook("desk", &receiver)])?;
    let notifier = bench.run().await?;
    let draft = Draft::new(1);
    bench.publish_draft(&Draft { open_time: draft.open_time - 2 * 3_600_000, ..draft }).await?;
    bench.publish(2).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "expired")], 1.0).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 1.0).await?;
    ensure!(receiver.received() == 1, "{} requests", receiver.received());
    Ok(())
}

#[tokio::test]
async fn a_hanging_recipient_delays_nobody_else() -> Result<()> {
    let bench = Bench::start().await?;
    let slow = WebhookReceiver::start(Some(SECRET)).await?;
    let quick = WebhookReceiver::start(Some(SECRET)).await?;
    slow.answer_next((0..100).map(|_| Answer::hang()));
    bench.configure("timeout = \"2m\"\nmax_age = \"off\"", &[webhook("slow", &slow), webhook("quick", &quick)])?;
    let notifier = bench.run().await?;
    for number in 1..=50 {
        bench.publish(number).await?;
    }
    quick.wait_for(50, PATIENCE).await?;
    slow.wait_for(8, PATIENCE).await?;
    notifier.counted("candlewire_delivery_queue_depth", &[("recipient", "slow")], 50.0).await?;
    notifier.counted("candlewire_delivery_queue_depth", &[("recipient", "quick")], 0.0).await?;
    ensure!(slow.received() == 8, "{} requests at once", slow.received());
    // Attempts that hang do not keep it from stopping.
    notifier.stop().await
}

#[tokio::test]
async fn the_console_prints_alerts_for_people() -> Result<()> {
    let bench = Bench::start().await?;
    bench.configure(QUICK, &["name = \"screen\"\nkind = \"console\"".to_owned()])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let line = notifier.program.wait_for_line(|line| line.starts_with("🟢"), PATIENCE).await?;
    ensure!(line == "🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37", "{line}");
    notifier.program.wait_for_line(|line| line.starts_with("   binance · candle closed 20"), PATIENCE).await?;
    Ok(())
}

#[tokio::test]
async fn garbage_in_the_stream_is_set_aside() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let _id: String = bench.ask("XADD cw:{1}:signals * id sig_x price high").await?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    receiver.wait_for(1, PATIENCE).await?;
    bench.until("XLEN cw:{delivery}:unreadable", 1).await?;
    notifier.counted("candlewire_signals_unreadable_total", &[], 1.0).await?;
    let kept: redis::Value = bench.ask("XRANGE cw:{delivery}:unreadable - +").await?;
    let kept = format!("{kept:?}");
    ensure!(kept.contains("signal field strategy is missing") && kept.contains("cw:{1}:signals"), "{kept}");
    ensure!(bench.pending().await? == 0);
    Ok(())
}
