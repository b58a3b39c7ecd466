//! What is refused at start, and `notifier test`.

use anyhow::{Result, ensure};
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, WebhookReceiver};
use serde_json::Value;

use crate::bench::{Bench, QUICK, SECRET, webhook, webhook_at};

async fn run(bench: &Bench, arguments: &[&str]) -> Result<(i32, Finished)> {
    let finished = bench.command().args(arguments).run_to_end(PATIENCE).await?;
    Ok((finished.status.code().unwrap_or(-1), finished))
}

/// Expects a refusal with one line that says `what`.
async fn refused(bench: &Bench, arguments: &[&str], code: i32, what: &str) -> Result<()> {
    let (ended, finished) = run(bench, arguments).await?;
    ensure!(ended == code, "{ended}, not {code}: {}", finished.stderr);
    let line = finished.stderr.trim_end();
    ensure!(
        line.starts_with("notifier: ") && line.contains(what) && !line.contains('\n'),
        "{line:?} does not say {what:?}"
    );
    ensure!(finished.stdout.is_empty(), "{}", finished.stdout);
    Ok(())
}

#[tokio::test]
async fn what_can_never_work_is_refused_with_64() -> Result<()> {
    let bench = Bench::start().await?;
    bench.configure("", &[])?;
    refused(&bench, &["run"], 64, "no recipients").await?;
    let good = webhook_at("desk", "https://example.com/hook");
    for (recipient, what) in [
        (good.replace(SECRET, "whsec_"), "recipients.desk.secret: the secret is empty"),
        (good.replace(SECRET, "whsec_c2hvcnQ="), "recipients.desk.secret: the secret has 5 bytes"),
        (good.replace(SECRET, "hunter2!"), "recipients.desk.secret: the secret is not base64"),
        (
            good.replace("allow_private = true", "").replace("https://example.com", "http://127.0.0.1:1"),
            "recipients.desk.url: a loopback",
        ),
        (
            good.replace("allow_private = true", "").replace("example.com", "[::ffff:169.254.169.254]"),
            "recipients.desk.url: a loopback",
        ),
        (good.replace("allow_private = true", "").replace("example.com", "0x7f.1"), "needs allow_private = true"),
        (good.replace("secret = ", "secret_file = \"/nowhere/x\" #"), "recipients.desk.secret: secret file /nowhere/x"),
        (
            "name = \"phone\"\nkind = \"telegram\"\nbot_token = \"1:A\"\nchat_id = 5\napi_base = \"http://10.0.0.1\""
                .to_owned(),
            "recipients.phone.api_base: a loopback",
        ),
        (
            "name = \"phone\"\nkind = \"telegram\"\nbot_token = \"a b/c\"\nchat_id = 5".to_owned(),
            "recipients.phone.bot_token: ",
        ),
    ] {
        bench.configure("", &[recipient])?;
        refused(&bench, &["run", "--http", "127.0.0.1:0"], 64, what).await?;
    }
    let missing = bench.command().args(["run", "--config", "/nowhere/candlewire.toml"]).run_to_end(PATIENCE).await?;
    ensure!(missing.status.code() == Some(64), "{}", missing.stderr);
    Ok(())
}

#[tokio::test]
async fn another_layout_of_keys_is_refused_with_64() -> Result<()> {
    let bench = Bench::start().await?;
    let _set: i64 = bench.ask("HSET cw:meta schema 1 partitions 8").await?;
    bench.configure(QUICK, &["name = \"screen\"\nkind = \"console\"".to_owned()])?;
    let (code, finished) = run(&bench, &["run", "--http", "127.0.0.1:0"]).await?;
    ensure!(code == 64 && finished.stderr.contains("redis.partitions = 8"), "{code}: {}", finished.stderr);
    Ok(())
}

#[tokio::test]
async fn a_test_alert_is_marked_and_tells_how_it_went() -> Result<()> {
    let mut bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let unused = "http://127.0.0.1:9/secret-path-of-mine";
    let screen = "name = \"screen\"\nkind = \"console\"".to_owned();
    bench.configure(QUICK, &[webhook("desk", &receiver), webhook_at("void", unused), screen])?;
    // No Redis is needed.
    bench.redis.kill()?;
    let (code, finished) = run(&bench, &["test", "desk"]).await?;
    ensure!(code == 0 && finished.stdout.contains("desk accepted"), "{code}: {} {}", finished.stdout, finished.stderr);
    let requests = receiver.wait_for(1, PATIENCE).await?;
    let body: Value = serde_json::from_slice(&requests[0].body)?;
    ensure!(body["type"] == "test" && receiver.verified() == 1, "{body}");

    receiver.answer_next([Answer::status(reqwest::StatusCode::FORBIDDEN).body("go away")]);
    refused(&bench, &["test", "desk"], 69, "desk did not accept the test alert: 403 Forbidden go away").await?;
    refused(&bench, &["test", "void"], 69, "void did not accept the test alert: can't connect: Connection refused")
        .await?;
    refused(&bench, &["test", "dsek"], 64, "no recipient \"dsek\", known: desk, void, screen").await?;
    let (code, finished) = run(&bench, &["test", "screen"]).await?;
    ensure!(
        code == 0 && finished.stdout.starts_with("🧪 TEST, not a signal · 🟢 BUY TEST 1m"),
        "{code}: {}",
        finished.stdout
    );
    Ok(())
}
