//! Telegram, against a stand-in for the Bot API that records every request.

use anyhow::{Context, Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::webhook_receiver::Received;
use candlewire_testkit::{Answer, WebhookReceiver, eventually};
use serde_json::{Value, json};

use crate::bench::{Bench, QUICK};

const TOKEN: &str = "123456:AAH-t0ken_t0ken_t0ken";

fn phone(api: &WebhookReceiver, chat_id: i64) -> String {
    let base = format!("http://{}", api.address());
    format!(
        "name = \"phone\"\nkind = \"telegram\"\nbot_token = \"{TOKEN}\"\nchat_id = {chat_id}\napi_base = \"{base}\"\nallow_private = true"
    )
}

fn refusal(status: u16, description: &str, parameters: Value) -> Answer {
    let mut body = json!({ "ok": false, "error_code": status, "description": description });
    if !parameters.is_null() {
        body["parameters"] = parameters;
    }
    Answer::status(status.try_into().unwrap_or_default()).body(body.to_string())
}

fn body(request: &Received) -> Result<Value> {
    serde_json::from_slice(&request.body).context("a body that is JSON")
}

#[tokio::test]
async fn a_message_is_sent_as_the_bot_api_wants_it() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[phone(&api, 42)])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let requests = api.wait_for(1, PATIENCE).await?;
    ensure!(requests[0].uri.path() == format!("/bot{TOKEN}/sendMessage") && requests[0].method == "POST");
    let body = body(&requests[0])?;
    ensure!(
        body["chat_id"] == 42 && body["parse_mode"] == "HTML" && body["link_preview_options"]["is_disabled"] == true,
        "{body}"
    );
    let text = body["text"].as_str().context("text")?;
    ensure!(text.starts_with("<b>🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37</b>\n"), "{text}");
    notifier.counted("candlewire_deliveries_total", &[("channel", "telegram"), ("outcome", "delivered")], 1.0).await
}

#[tokio::test]
async fn markup_that_telegram_cannot_read_is_left_out_once() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[phone(&api, 42)])?;
    api.answer_next([refusal(400, "Bad Request: can't parse entities: Unsupported start tag", Value::Null)]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let requests = api.wait_for(2, PATIENCE).await?;
    let plain = body(&requests[1])?;
    ensure!(
        plain.get("parse_mode").is_none() && plain["text"].as_str().is_some_and(|text| text.starts_with("🟢 BUY")),
        "{plain}"
    );
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 1.0).await
}

#[tokio::test]
async fn a_chat_that_moved_is_followed_and_remembered() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[phone(&api, -7)])?;
    let moved = "Bad Request: group chat was upgraded to a supergroup chat";
    api.answer_next([refusal(400, moved, json!({ "migrate_to_chat_id": -1_009_876_543_210_i64 }))]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let requests = api.wait_for(2, PATIENCE).await?;
    ensure!(body(&requests[0])?["chat_id"] == -7 && body(&requests[1])?["chat_id"] == -1_009_876_543_210_i64);
    notifier.program.wait_for_line(|line| line.contains("chat_id = -1009876543210"), PATIENCE).await?;
    notifier.stop().await?;
    let notifier = bench.run().await?;
    bench.publish(2).await?;
    let requests = api.wait_for(3, PATIENCE).await?;
    ensure!(body(&requests[2])?["chat_id"] == -1_009_876_543_210_i64);
    notifier.stop().await
}

#[tokio::test]
async fn a_chat_that_moves_for_ever_is_given_up_on() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(&QUICK.replace(", \"50ms\", \"50ms\", \"50ms\"]", "]"), &[phone(&api, -7)])?;
    let moved = |chat: i64| refusal(400, "Bad Request: upgraded", json!({ "migrate_to_chat_id": chat }));
    api.answer_next((1..=20).map(|number| moved(-1_000 - number)));
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "dead_lettered")], 1.0).await?;
    // The first move is free, then come the two attempts of the schedule, each to the latest id.
    let chats: Vec<Value> =
        api.requests().iter().map(|request| Ok(body(request)?["chat_id"].take())).collect::<Result<_>>()?;
    ensure!(chats == [-7, -1_001, -1_002], "{chats:?}");
    Ok(())
}

#[tokio::test]
async fn a_bot_that_was_thrown_out_is_disabled_without_giving_its_token_away() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[phone(&api, 42)])?;
    api.answer_next([refusal(403, &format!("Forbidden: bot {TOKEN} was blocked by the user"), Value::Null)]);
    let program = bench.command().args(["run", "--http", "127.0.0.1:0"]).env("RUST_LOG", "trace").spawn()?;
    bench.publish(1).await?;
    program
        .wait_for_line(
            |line| {
                line.contains(
                    "phone is disabled until its configuration changes, or until `notifier enable phone`: 403",
                )
            },
            PATIENCE,
        )
        .await?;
    bench.until("XLEN cw:{delivery}:dead:phone", 1).await?;
    let second = bench.publish(2).await?;
    // The second alert was looked at and is held.
    let held = eventually(PATIENCE, async || {
        match bench.ask::<String>(&format!("HGET cw:{{delivery}}:jobs:phone {second}")).await {
            Ok(job) if job.contains("\"ended\":1") => Ok(()),
            Ok(job) => Err(job),
            Err(error) => Err(error.to_string()),
        }
    });
    held.await?;
    let entries: redis::Value = bench.ask("XRANGE cw:{delivery}:dead:phone - +").await?;
    let note: String = bench.ask("HGET cw:{delivery}:disabled phone").await?;
    let shown = format!("{}{entries:?}{note}", program.lines().join("\n"));
    ensure!(!shown.contains(TOKEN) && !shown.contains("t0ken_t0ken"), "the token is shown");
    ensure!(api.received() == 1, "{} requests", api.received());
    Ok(())
}

#[tokio::test]
async fn too_many_requests_are_waited_out() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[phone(&api, 42)])?;
    api.answer_next([refusal(429, "Too Many Requests: retry after 2", json!({ "retry_after": 2 }))]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    bench.publish(2).await?;
    let requests = api.wait_for(3, PATIENCE).await?;
    // The whole chat is left alone, not the one alert only.
    let pause = requests[1].arrived.duration_since(requests[0].arrived)?;
    ensure!(pause.as_millis() >= 1_990, "{pause:?}");
    notifier.counted("candlewire_rate_limited_total", &[("channel", "telegram")], 1.0).await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 2.0).await
}

#[tokio::test]
async fn a_repeat_after_an_unknown_outcome_is_marked() -> Result<()> {
    let bench = Bench::start().await?;
    let api = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[phone(&api, 42)])?;
    api.answer_next([refusal(500, "Internal Server Error: restart", Value::Null)]);
    let _notifier = bench.run().await?;
    bench.publish(1).await?;
    let requests = api.wait_for(2, PATIENCE).await?;
    let texts: Vec<Value> = requests.iter().map(|request| Ok(body(request)?["text"].take())).collect::<Result<_>>()?;
    let marked: Vec<bool> =
        texts.iter().map(|text| text.as_str().is_some_and(|text| text.contains("may repeat"))).collect();
    ensure!(marked == [false, true], "{texts:?}");
    Ok(())
}
