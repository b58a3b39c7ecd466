//! Answers that end an alert or a recipient.

use anyhow::{Context, Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, WebhookReceiver};
use reqwest::header::{HeaderValue, LOCATION, RETRY_AFTER};

use crate::bench::{Bench, Notifier, QUICK, SECRET, webhook, webhook_at};

/// The dead letters of a recipient, as text.
async fn dead(bench: &Bench, recipient: &str) -> Result<String> {
    let entries: Vec<redis::Value> = bench.ask(&format!("XRANGE cw:{{delivery}}:dead:{recipient} - +")).await?;
    Ok(format!("{entries:?}"))
}

async fn dead_lettered(notifier: &Notifier, count: f64) -> Result<()> {
    notifier.counted("candlewire_deliveries_total", &[("outcome", "dead_lettered")], count).await
}

fn answer(status: u16) -> Answer {
    Answer::status(status.try_into().unwrap_or_default())
}

#[tokio::test]
async fn gone_disables_a_recipient_until_its_configuration_changes() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let other = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver), webhook("other", &other)])?;
    receiver.answer_next([answer(410)]);
    let notifier = bench.run().await?;
    let first = bench.publish(1).await?;
    dead_lettered(&notifier, 1.0).await?;
    let second = bench.publish(2).await?;
    other.wait_for(2, PATIENCE).await?;
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "desk")], 1.0).await?;
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "other")], 0.0).await?;
    notifier.counted("candlewire_dead_alerts", &[("recipient", "desk")], 1.0).await?;
    notifier.counted("candlewire_delivery_queue_depth", &[("recipient", "desk")], 1.0).await?;
    let dead = dead(&bench, "desk").await?;
    ensure!(dead.contains(&first) && dead.contains("410 Gone") && !dead.contains(&second), "{dead}");
    notifier.stop().await?;

    // A restart alone changes nothing.
    let notifier = bench.run().await?;
    notifier.program.wait_for_line(|line| line.contains("desk is disabled until"), PATIENCE).await?;
    let third = bench.publish(3).await?;
    other.wait_for(3, PATIENCE).await?;
    notifier.stop().await?;
    ensure!(receiver.received() == 1, "{} requests", receiver.received());

    // Another URL does, and what waited is delivered in its order.
    bench.configure(QUICK, &[webhook_at("desk", &format!("{}/new", receiver.url())), webhook("other", &other)])?;
    let notifier = bench.run().await?;
    let requests = receiver.wait_for(3, PATIENCE).await?;
    let ids: Vec<_> = requests[1..].iter().filter_map(|request| request.header("webhook-id")).collect();
    ensure!(ids.contains(&second.as_str()) && ids.contains(&third.as_str()), "{ids:?}");
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "desk")], 0.0).await?;
    notifier.stop().await
}

#[tokio::test]
async fn a_refused_alert_is_tried_three_times_then_given_up() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next((0..3).map(|_| answer(404).body("Cannot POST /hook <b>nobody</b>")));
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    dead_lettered(&notifier, 1.0).await?;
    let dead = dead(&bench, "desk").await?;
    for part in [&id, "404 Not Found Cannot POST (hidden) <b>nobody</b>", "golden-cross", "42001.37", "given_up_ms"] {
        ensure!(dead.contains(part), "{part}: {dead}");
    }
    // The recipient is not disabled: the next alert is sent, and no fourth time the first.
    bench.publish(2).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 1.0).await?;
    ensure!(receiver.received() == 4, "{} requests", receiver.received());
    ensure!(notifier.output().contains("gave up on alert"), "{}", notifier.output());
    Ok(())
}

#[tokio::test]
async fn a_schedule_that_is_used_up_ends_in_the_dead_letters() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next((0..5).map(|_| answer(503)));
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    dead_lettered(&notifier, 1.0).await?;
    ensure!(receiver.received() == 5, "{} requests", receiver.received());
    ensure!(dead(&bench, "desk").await?.contains("503 Service Unavailable"));
    bench.until("EXISTS cw:{delivery}:due:desk cw:{delivery}:leases:desk cw:{delivery}:jobs:desk", 0).await
}

#[tokio::test]
async fn a_name_of_a_private_address_is_refused_at_each_attempt() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let url = format!("http://localhost:{}/hook", receiver.address().port());
    bench.configure(QUICK, &[webhook_at("desk", &url).replace("allow_private = true", "")])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    dead_lettered(&notifier, 1.0).await?;
    let dead = dead(&bench, "desk").await?;
    ensure!(dead.contains("can't connect: the name resolves to a private address"), "{dead}");
    ensure!(receiver.received() == 0);
    Ok(())
}

#[tokio::test]
async fn a_redirect_is_not_followed() -> Result<()> {
    let bench = Bench::start().await?;
    let (receiver, elsewhere) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(None).await?);
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let location: HeaderValue = elsewhere.url().parse()?;
    receiver.answer_next([301, 302, 307].map(|status| answer(status).header(LOCATION, location.clone())));
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    dead_lettered(&notifier, 1.0).await?;
    ensure!((receiver.received(), elsewhere.received()) == (3, 0), "{} {}", receiver.received(), elsewhere.received());
    Ok(())
}

#[tokio::test]
async fn retry_after_is_honoured_when_longer() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next([answer(429).header(RETRY_AFTER, HeaderValue::from_static("7200"))]);
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    notifier.counted("candlewire_rate_limited_total", &[("channel", "webhook")], 1.0).await?;
    notifier.stop().await?;
    let due: f64 = bench.ask(&format!("ZSCORE cw:{{delivery}}:due:desk {id}")).await?;
    let (seconds, _): (f64, f64) = bench.ask("TIME").await?;
    let wait = due / 1_000.0 - seconds;
    ensure!((3_500.0..=3_601.0).contains(&wait), "due in {wait} s");
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_never_shown() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let wrong = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let token = "T0KEN-0123456789";
    let recipient =
        webhook_at("desk", &format!("http://me:hunter22@{}/{token}", receiver.address())).replace(SECRET, wrong);
    bench.configure(QUICK, &[recipient])?;
    let program = bench.command().args(["run", "--http", "127.0.0.1:0"]).env("RUST_LOG", "trace").spawn()?;
    bench.publish(1).await?;
    receiver.wait_for(3, PATIENCE).await?;
    bench.until("XLEN cw:{delivery}:dead:desk", 1).await?;
    let shown = program.lines().join("\n") + &dead(&bench, "desk").await?;
    ensure!(shown.contains("401 Unauthorized"), "{shown}");
    for secret in [wrong, wrong.strip_prefix("whsec_").context("prefix")?, token, "hunter22"] {
        ensure!(!shown.contains(secret), "{secret} is in the output");
    }
    Ok(())
}
