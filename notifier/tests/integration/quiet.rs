//! Quiet hours that are now, or have just ended.

use anyhow::{Result, ensure};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{BotApi, WebhookReceiver};

use crate::bench::{Bench, Draft, Notifier, QUICK, SECRET, webhook};
use crate::people::{TOKEN, chat};

const MINUTE: i64 = 60_000;

/// Quiet hours from two hours ago until so many minutes from now.
fn until(minutes: i64) -> String {
    let now = UnixMillis::now().0 / MINUTE;
    let time = |at: i64| format!("{:02}:{:02}", at / 60 % 24, at % 60);
    format!("quiet_hours = \"{}-{}\"", time(now - 120), time(now + minutes))
}

async fn delivered(notifier: &Notifier, count: f64) -> Result<()> {
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], count).await
}

/// A signal whose candle closed so many minutes ago, twice as many as auto allows.
fn old(number: u32) -> Draft {
    Draft { series: "binance:BTCUSDT:1m", open_time: UnixMillis::now().0 - 11 * MINUTE, ..Draft::new(number) }
}

#[tokio::test]
async fn what_is_held_waits_and_the_time_does_not_make_it_too_old() -> Result<()> {
    let bench = Bench::start().await?;
    let (held, other) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
    let desk = |hours: &str| format!("{}\n{hours}", webhook("desk", &held));
    bench.configure("max_age = \"auto\"", &[desk(&until(60)), webhook("other", &other)])?;
    let mut notifier = bench.run().await?;
    let ids = [old(1), Draft::new(2)];
    for draft in &ids {
        bench.publish_draft(draft).await?;
    }
    other.wait_for(1, PATIENCE).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "expired")], 1.0).await?;
    notifier.counted("candlewire_delivery_queue_depth", &[("recipient", "desk")], 2.0).await?;
    let status = bench.command().arg("status").run_to_end(PATIENCE).await?;
    ensure!(status.stdout.contains("closed, quiet until 20"), "{}", status.stdout);
    ensure!(held.received() == 0, "sent in quiet hours");

    // They end with the minute that has just begun.
    bench.configure("max_age = \"auto\"", &[desk(&until(0)), webhook("other", &other)])?;
    notifier.program.hang_up()?;
    let requests = held.wait_for(2, PATIENCE).await?;
    let arrived: Vec<&str> = requests.iter().filter_map(|request| request.header("webhook-id")).collect();
    ensure!(ids.iter().all(|draft| arrived.contains(&draft.id().as_str())), "{arrived:?}");
    delivered(&notifier, 3.0).await?;
    notifier.stop().await
}

#[tokio::test]
async fn a_chat_is_written_to_without_a_sound() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    bench.configure(QUICK, &[chat(&api, 42, &until(60)), chat(&api, 43, "")])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let sent = api.wait_for(2, PATIENCE).await?;
    for message in &sent {
        ensure!(message.disable_notification == (message.chat == "42"), "{message:?}");
    }
    notifier.stop().await
}

#[tokio::test]
async fn what_came_in_quiet_hours_is_told_in_one_message_afterwards() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    for number in 1..=4 {
        bench.publish_draft(&old(number)).await?;
    }
    let digest = |hours: &str| chat(&api, 42, &format!("{hours}\nquiet = \"digest\""));
    bench.configure("max_age = \"auto\"", &[digest(&until(60))])?;
    let mut notifier = bench.run().await?;
    bench.until("ZCARD cw:{delivery}:due:chat42", 4).await?;
    bench.configure("max_age = \"auto\"", &[digest(&until(0))])?;
    notifier.program.hang_up()?;
    let sent = api.wait_for(1, PATIENCE).await?;
    ensure!(sent[0].text.starts_with("📋 4 signals\n🟢 BUY BTCUSDT 1m"), "{:?}", sent[0]);
    delivered(&notifier, 4.0).await?;
    ensure!(api.calls() == 1);
    notifier.stop().await
}
