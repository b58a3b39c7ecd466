//! `notifier doctor` as its user meets it: each recipient is looked at, and none is told anything.

use anyhow::{Result, ensure};
use candlewire_testkit::bot_api::BotAnswer;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, BotApi, WebhookReceiver};

use crate::bench::{Bench, QUICK, SECRET, webhook, webhook_at};

const TOKEN: &str = "123456:hunter2-hunter2-hunter2";

/// The lines, with the spaces after their mark cut; the exit code must agree with what they say.
async fn examined(bench: &Bench) -> Result<Vec<String>> {
    // The usual port may be somebody else's.
    let finished = bench.command().args(["doctor", "--http", "127.0.0.1:0"]).run_to_end(PATIENCE).await?;
    let has_faults = finished.stdout.lines().any(|line| line.starts_with("FAULT "));
    ensure!(finished.status.code() == Some(i32::from(has_faults)), "{finished:?}");
    ensure!(!finished.stdout.contains("hunter2") && !finished.stdout.contains(SECRET), "{finished:?}");
    let cut = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(finished.stdout.lines().map(cut).collect())
}

/// There is a line that begins so, and has this in it.
fn expect(lines: &[String], start: &str, part: &str) -> Result<()> {
    let is_there = lines.iter().any(|line| line.starts_with(start) && line.contains(part));
    ensure!(is_there, "{start} … {part}: {lines:#?}");
    Ok(())
}

fn telegram(name: &str, token: &str, api: &BotApi) -> String {
    format!(
        "name = \"{name}\"\nkind = \"telegram\"\nbot_token = \"{token}\"\nchat_id = -7\nallow_private = true\napi_base = \"http://{}\"",
        api.address()
    )
}

#[tokio::test]
async fn where_all_is_well_nobody_is_told_anything() -> Result<()> {
    let bench = Bench::start().await?;
    bench.ask::<()>("CONFIG SET maxmemory 64mb").await?;
    let (desk, api) = (WebhookReceiver::start(Some(SECRET)).await?, BotApi::start(TOKEN).await?);
    let console = "name = \"screen\"\nkind = \"console\"".to_owned();
    bench.configure(QUICK, &[webhook("desk", &desk), telegram("phone", TOKEN, &api), console])?;
    let lines = examined(&bench).await?;
    expect(&lines, "ok redis permissions: everything that this program does", "")?;
    expect(&lines, "ok signals: none yet", "")?;
    expect(&lines, "ok recipient desk: webhook, its port answers, unencrypted, in ", "`notifier test` sends")?;
    expect(&lines, "ok recipient phone: telegram, bot @signals_bot, chat Trading desk", "")?;
    expect(&lines, "ok recipient screen: console, on standard output", "")?;
    for name in ["desk", "phone", "screen"] {
        expect(&lines, &format!("ok queue of {name}: nothing waits, none was accepted yet"), "")?;
    }
    ensure!(lines.last().is_some_and(|line| line == "0 faults, 0 warnings"), "{lines:#?}");
    ensure!(desk.requests().is_empty() && api.messages().is_empty(), "something was sent");
    ensure!(bench.ask::<u64>("DBSIZE").await? == 0, "something was written");
    Ok(())
}

#[tokio::test]
async fn what_keeps_alerts_from_a_recipient_is_a_fault_of_its_own() -> Result<()> {
    let mut bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    let nobody = candlewire_testkit::ports::free_port()?;
    let secret = tempfile::NamedTempFile::new()?;
    std::fs::write(secret.path(), SECRET)?;
    std::fs::set_permissions(secret.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let with_file = format!(
        "name = \"open\"\nkind = \"webhook\"\nurl = \"http://localhost:{nobody}/\"\nsecret_file = \"{}\"",
        secret.path().display()
    );
    let unsigned = webhook_at("unsigned", "http://127.0.0.1:1/").replace(SECRET, "whsec_hunter2");
    let away = webhook_at("away", &format!("http://127.0.0.1:{nobody}/"));
    bench.configure(QUICK, &[away, with_file, unsigned, telegram("phone", "1:hunter2", &api)])?;
    let lines = examined(&bench).await?;
    expect(&lines, &format!("FAULT recipient away: webhook: 127.0.0.1:{nobody}: Connection refused"), "is it running")?;
    expect(&lines, "warning recipient open: everybody on this machine may read ", "(mode 644): chmod 600 ")?;
    expect(&lines, "FAULT recipient open: webhook: localhost is at a private address", "allow_private = true")?;
    expect(&lines, "FAULT recipient unsigned: recipients.unsigned.secret: ", "")?;
    expect(&lines, "FAULT recipient phone: telegram: ", "are bot_token and chat_id right")?;

    // A bot that was thrown out of its chat.
    bench.configure(QUICK, &[telegram("phone", TOKEN, &api)])?;
    api.answer_next([BotAnswer::refusal(400, "Bad Request: chat not found")]);
    let lines = examined(&bench).await?;
    expect(&lines, "FAULT recipient phone: telegram: ", "chat not found")?;

    // Without Redis, recipients are looked at all the same.
    bench.redis.kill()?;
    let lines = examined(&bench).await?;
    expect(&lines, "FAULT redis at ", "is it running, is redis.url right?")?;
    expect(&lines, "ok recipient phone: ", "bot @signals_bot")?;
    ensure!(lines.last().is_some_and(|line| line == "1 fault, 0 warnings"), "{lines:#?}");
    Ok(())
}

#[tokio::test]
async fn a_recipient_that_is_disabled_and_what_waits_for_nobody_are_told() -> Result<()> {
    let bench = Bench::start().await?;
    let desk = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &desk)])?;
    desk.answer_next([Answer::status(410.try_into()?)]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "dead_lettered")], 1.0).await?;
    notifier.stop().await?;
    let lines = examined(&bench).await?;
    expect(&lines, "FAULT queue of desk: disabled: ", "Put that right, then: notifier enable desk")?;
    expect(&lines, "ok signals: 1 in ", "notifier has finished all of them")?;

    bench.configure(QUICK, &["name = \"screen\"\nkind = \"console\"".to_owned()])?;
    let lines = examined(&bench).await?;
    expect(&lines, "warning former recipients: alerts of desk wait or are dead", "configure the name again")?;

    bench.configure(QUICK, &[])?;
    let lines = examined(&bench).await?;
    expect(&lines, "FAULT recipients: none is configured", "needs at least one [[recipients]] table")?;
    expect(&lines, "ok signals: ", "")?;
    Ok(())
}
