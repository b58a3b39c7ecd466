//! The commands that look at the queues and change them.

use anyhow::{Context, Result, ensure};
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, WebhookReceiver};
use serde_json::Value;

use crate::bench::{Bench, Draft, QUICK, SECRET, webhook};

async fn run(bench: &Bench, arguments: &[&str]) -> Result<Finished> {
    Ok(bench.command().args(arguments).run_to_end(PATIENCE).await?)
}

/// Runs a command that must succeed, and returns its lines.
async fn lines(bench: &Bench, arguments: &[&str]) -> Result<Vec<String>> {
    let finished = run(bench, arguments).await?;
    ensure!(finished.status.success() && finished.stderr.is_empty(), "{arguments:?}: {finished:?}");
    Ok(finished.stdout.lines().map(str::to_owned).collect())
}

fn answer(status: u16) -> Answer {
    Answer::status(status.try_into().unwrap_or_default())
}

#[tokio::test]
async fn dead_letters_are_listed_and_sent_again_with_their_ids() -> Result<()> {
    let bench = Bench::start().await?;
    let (desk, other) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
    // Too old for max_age by now, as dead letters are.
    bench.configure(&QUICK.replace("\"off\"", "\"2s\""), &[webhook("desk", &desk), webhook("other", &other)])?;
    ensure!(lines(&bench, &["dead", "list"]).await? == ["no dead letters"]);
    ensure!(lines(&bench, &["dead", "redrive", "desk"]).await? == ["desk: no dead letters"]);
    desk.answer_next((0..5).map(|_| answer(503).body("so sorry")));
    let notifier = bench.run().await?;
    let draft = Draft { open_time: candlewire_common::time::UnixMillis::now().0 - 3_600_000, ..Draft::new(1) };
    bench.publish_draft(&draft).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "dead_lettered")], 1.0).await?;

    let table = lines(&bench, &["dead", "list"]).await?;
    ensure!(table[0].starts_with("RECIPIENT  GIVEN UP  ID "), "{table:#?}");
    let row: Vec<&str> = table[1].split_whitespace().collect();
    let id = draft.id();
    ensure!(row[0] == "desk" && row[4] == id && row[6] == "binance:BTCUSDT:1h" && row[8] == "5", "{row:?}");
    ensure!(table[1].ends_with("503 Service Unavailable so sorry") && table.len() == 2, "{table:#?}");
    let json = lines(&bench, &["dead", "list", "desk", "--json"]).await?;
    let letter: Value = serde_json::from_str(json.first().context("a line")?)?;
    ensure!(letter["id"] == id && letter["attempts"] == 5 && letter["may_have_arrived"] == true, "{letter}");
    ensure!(lines(&bench, &["dead", "list", "other"]).await? == ["no dead letters"]);

    let redriven = lines(&bench, &["dead", "redrive"]).await?;
    ensure!(redriven == ["desk: 1 alert queued again", "other: no dead letters"], "{redriven:?}");
    let requests = desk.wait_for(6, PATIENCE).await?;
    ensure!(requests.iter().all(|request| request.header("webhook-id") == Some(&id)));
    ensure!(requests[5].body == requests[0].body);
    bench.until("EXISTS cw:{delivery}:due:desk cw:{delivery}:leases:desk cw:{delivery}:jobs:desk", 0).await?;
    ensure!(other.received() == 1);
    notifier.stop().await
}

#[tokio::test]
async fn status_shows_how_recipients_stand() -> Result<()> {
    let bench = Bench::start().await?;
    let (desk, gone) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
    bench.configure(QUICK, &[webhook("desk", &desk), webhook("gone", &gone)])?;
    let fresh = lines(&bench, &["status"]).await?;
    ensure!(fresh[0].split("  ").filter(|cell| !cell.is_empty()).count() == 8, "{fresh:#?}");
    let cells = |line: &str| -> Vec<String> {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    ensure!(cells(&fresh[1]) == ["desk", "webhook", "0", "-", "0", "-", "closed", "-"], "{fresh:#?}");

    gone.answer_next([answer(410)]);
    desk.answer_next([answer(404), answer(404)]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 1.0).await?;
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "gone")], 1.0).await?;
    bench.publish(2).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 2.0).await?;
    let status = lines(&bench, &["status"]).await?;
    let row = cells(&status[1]);
    ensure!(row[5].ends_with(" s ago") && row[6] == "closed" && row[7].ends_with("404 Not Found"), "{status:#?}");
    let row = cells(&status[2]);
    ensure!(row[..3] == ["gone", "webhook", "1"] && row[4] == "1", "{status:#?}");
    ensure!(row[6..] == ["disabled", "410 Gone"], "{status:#?}");
    let json = lines(&bench, &["status", "--json"]).await?;
    let desk_hook = desk;
    let (desk, gone): (Value, Value) = (serde_json::from_str(&json[0])?, serde_json::from_str(&json[1])?);
    ensure!(desk["waiting"] == 0 && desk["disabled"].is_null() && desk["last_success"].is_string(), "{desk}");
    ensure!(gone["waiting"] == 1 && gone["disabled"] == "410 Gone" && gone["oldest"].is_string(), "{gone}");
    // What a former recipient has left is not out of sight.
    bench.configure(QUICK, &[webhook("desk", &desk_hook)])?;
    let status = lines(&bench, &["status"]).await?;
    ensure!(cells(&status[2])[..3] == ["gone", "-", "1"] && status[2].contains("not configured"), "{status:#?}");
    notifier.stop().await
}

#[tokio::test]
async fn a_disabled_recipient_is_enabled_by_hand() -> Result<()> {
    let bench = Bench::start().await?;
    let desk = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &desk)])?;
    desk.answer_next([answer(410)]);
    let notifier = bench.run().await?;
    let first = bench.publish(1).await?;
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "desk")], 1.0).await?;
    let second = bench.publish(2).await?;
    bench.until(&format!("HEXISTS cw:{{delivery}}:jobs:desk {second}"), 1).await?;
    let redriven = lines(&bench, &["dead", "redrive", "desk"]).await?;
    ensure!(redriven == ["desk: 1 alert queued again; it is disabled: notifier enable desk"], "{redriven:?}");
    ensure!(lines(&bench, &["enable", "desk"]).await? == ["desk is enabled again; 2 alerts wait for it"]);
    let requests = desk.wait_for(3, PATIENCE).await?;
    let ids: Vec<_> = requests[1..].iter().filter_map(|request| request.header("webhook-id")).collect();
    ensure!(ids.contains(&first.as_str()) && ids.contains(&second.as_str()), "{ids:?}");
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "desk")], 0.0).await?;
    ensure!(lines(&bench, &["enable", "desk"]).await? == ["desk was not disabled; 0 alerts wait for it"]);
    notifier.stop().await
}

#[tokio::test]
async fn what_cannot_be_done_ends_in_one_line_and_its_code() -> Result<()> {
    let mut bench = Bench::start().await?;
    bench.configure(QUICK, &["name = \"screen\"\nkind = \"console\"".to_owned()])?;
    for arguments in
        [&["enable", "desk"][..], &["dead", "list", "desk"], &["dead", "redrive", "desk"], &["test", "desk"]]
    {
        let finished = run(&bench, arguments).await?;
        let line = "notifier: no recipient \"desk\", known: screen\n";
        ensure!(finished.status.code() == Some(64) && finished.stderr == line, "{arguments:?}: {finished:?}");
    }
    bench.redis.kill()?;
    for arguments in [&["enable", "screen"][..], &["dead", "list"], &["status"]] {
        let finished = run(&bench, arguments).await?;
        ensure!(
            finished.status.code() == Some(69) && finished.stderr.lines().count() == 1,
            "{arguments:?}: {finished:?}"
        );
    }
    Ok(())
}
