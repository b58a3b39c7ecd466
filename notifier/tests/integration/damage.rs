//! Queues whose keys somebody has damaged: what is said, and what is not lost.

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, WebhookReceiver, eventually};
use reqwest::StatusCode;

use crate::bench::{Bench, Draft, Notifier, QUICK, SECRET, webhook};

async fn delivered(notifier: &Notifier, count: f64) -> Result<()> {
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], count).await
}

/// Waits until it has said that it waits; answers with the lines that say so.
async fn said(notifier: &Notifier, what: &str) -> Result<Vec<String>> {
    let is_said = |line: &str| line.contains("WARN") && line.contains(what) && line.contains("WRONGTYPE");
    notifier.program.wait_for_line(is_said, PATIENCE).await?;
    Ok(notifier.program.lines().into_iter().filter(|line| is_said(line)).collect())
}

#[tokio::test]
async fn a_late_settlement_holds_though_its_lease_is_over() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next([Answer::status(StatusCode::GONE)]);
    let _ok: String = bench.ask("SET cw:{delivery}:dead:desk damaged").await?;
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    said(&notifier, "can't settle alerts").await?;
    bench.until("EXISTS cw:{delivery}:jobs:desk", 1).await?;
    // The lease ends, and the notifier sees it.
    let _changed: i64 = bench.ask(&format!("ZADD cw:{{delivery}}:leases:desk 0 {id}")).await?;
    let leased =
        eventually(PATIENCE, async || match bench.ask(&format!("ZSCORE cw:{{delivery}}:leases:desk {id}")).await {
            Ok(0.0) => Err("the lease is over".to_owned()),
            Ok::<f64, _>(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        });
    leased.await?;
    let _deleted: i64 = bench.ask("DEL cw:{delivery}:dead:desk").await?;
    bench.until("XLEN cw:{delivery}:dead:desk", 1).await?;
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "desk")], 1.0).await?;
    bench.until("EXISTS cw:{delivery}:due:desk cw:{delivery}:leases:desk cw:{delivery}:jobs:desk", 0).await?;
    ensure!(receiver.received() == 1, "{} requests", receiver.received());
    notifier.stop().await
}

#[tokio::test]
async fn what_keeps_alerts_in_their_queue_is_said_once_until_it_heals() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let _ok: String = bench.ask("SET cw:{delivery}:disabled damaged").await?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    said(&notifier, "desk waits: can't open the queue").await?;
    let _ok: i64 = bench.ask("DEL cw:{delivery}:disabled").await?;
    delivered(&notifier, 1.0).await?;
    for round in 1..=2_u32 {
        let _ok: String = bench.ask("SET cw:{delivery}:jobs:desk damaged").await?;
        bench.publish(1 + round).await?;
        let refused = eventually(PATIENCE, async || {
            let lines = said(&notifier, "desk waits: can't take alerts").await.map_err(|error| error.to_string())?;
            if lines.len() == round as usize { Ok(()) } else { Err(format!("{lines:#?}")) }
        });
        refused.await?;
        let _deleted: i64 = bench.ask("DEL cw:{delivery}:jobs:desk").await?;
        delivered(&notifier, f64::from(1 + round)).await?;
    }
    let lines = notifier.output();
    ensure!(lines.matches("can't take alerts").count() == 2, "{lines}");
    ensure!(lines.matches("can't open the queue").count() == 1, "{lines}");
    Ok(())
}

#[tokio::test]
async fn a_note_that_cannot_be_read_disables_nobody() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let _set: i64 = bench.ask("HSET cw:{delivery}:disabled desk {damaged").await?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    delivered(&notifier, 1.0).await?;
    let _set: i64 = bench.ask("HSET cw:{delivery}:disabled desk {damaged").await?;
    bench.publish(2).await?;
    delivered(&notifier, 2.0).await
}

/// Where its queue should be is something else: its alerts are kept, and those of others are delivered.
#[tokio::test]
async fn a_damaged_queue_loses_nothing_and_holds_up_nobody() -> Result<()> {
    let bench = Bench::start().await?;
    let (desk, other) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
    bench.configure(QUICK, &[webhook("desk", &desk), webhook("other", &other)])?;
    let _ok: String = bench.ask("SET cw:{delivery}:due:desk damaged").await?;
    let notifier = bench.run().await?;
    let first = bench.publish(1).await?;
    let second = Draft::new(2);
    let _ok: String = bench.ask(&format!("SET cw:{{delivery}}:alert:{} damaged", second.id())).await?;
    bench.publish_draft(&second).await?;
    other.wait_for(2, PATIENCE).await?;
    bench.until("XLEN cw:{delivery}:dead:desk", 2).await?;
    ensure!(bench.pending().await? == 0 && desk.received() == 0);
    let _deleted: i64 = bench.ask("DEL cw:{delivery}:due:desk").await?;
    let list = bench.command().args(["dead", "list", "desk"]).run_to_end(PATIENCE).await?;
    ensure!(list.stdout.contains(&first) && list.stdout.contains("its queue is damaged: WRONGTYPE"), "{}", list.stdout);
    let redriven = bench.command().args(["dead", "redrive", "desk"]).run_to_end(PATIENCE).await?;
    ensure!(redriven.stdout == "desk: 2 alerts queued again\n", "{redriven:?}");
    desk.wait_for(2, PATIENCE).await?;
    notifier.stop().await
}
