//! Channels for people: what Discord, Slack, ntfy and Telegram are sent.

use anyhow::{Context, Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::webhook_receiver::Received;
use candlewire_testkit::{Answer, BotAnswer, BotApi, WebhookReceiver};
use serde_json::Value;

use crate::bench::{Bench, Draft, QUICK};

pub(crate) const TOKEN: &str = "123456:AAH-t0ken_t0ken_t0ken";
const HEADLINE: &str = "🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37";

/// A recipient with a URL that has a secret in it.
pub(crate) fn service(kind: &str, receiver: &WebhookReceiver, more: &str) -> String {
    let url = format!("http://{}/services/T0KEN-T0KEN-T0KEN", receiver.address());
    format!("name = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nallow_private = true\n{more}")
}

/// A Telegram recipient without pictures.
pub(crate) fn chat(api: &BotApi, chat_id: i64, more: &str) -> String {
    let base = api.url();
    format!(
        "name = \"chat{chat_id}\"\nkind = \"telegram\"\nbot_token = \"{TOKEN}\"\nchat_id = {chat_id}\napi_base = \"{base}\"\n\
         allow_private = true\nchart = false\n{more}"
    )
}

fn json(request: &Received) -> Result<Value> {
    serde_json::from_slice(&request.body).context("a body that is JSON")
}

#[tokio::test]
async fn each_service_is_sent_what_it_understands() -> Result<()> {
    let bench = Bench::start().await?;
    let (discord, slack, ntfy) =
        (WebhookReceiver::start(None).await?, WebhookReceiver::start(None).await?, WebhookReceiver::start(None).await?);
    let recipients = [
        service("discord", &discord, "silent = true"),
        service("slack", &slack, ""),
        service("ntfy", &ntfy, "token = \"tk_0123456789abcdef\"\nsilent = true"),
    ];
    bench.configure(QUICK, &recipients)?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let posted = discord.wait_for(1, PATIENCE).await?;
    ensure!(posted[0].uri.query() == Some("wait=true") && posted[0].header("content-type") == Some("application/json"));
    let body = json(&posted[0])?;
    let content = body["content"].as_str().unwrap_or_default();
    ensure!(
        content.starts_with("**🟢 BUY BTCUSDT 1h · golden\\-cross · 42 001.37**\nbinance · candle closed"),
        "{body}"
    );
    ensure!(body["flags"] == 4_096 && body["allowed_mentions"]["parse"] == serde_json::json!([]), "{body}");

    let posted = slack.wait_for(1, PATIENCE).await?;
    let body = json(&posted[0])?;
    ensure!(body["text"].as_str().is_some_and(|text| text.starts_with(HEADLINE)), "{body}");
    ensure!(body["blocks"][0]["text"]["text"] == HEADLINE, "{body}");

    let posted = ntfy.wait_for(1, PATIENCE).await?;
    ensure!(posted[0].method == "POST" && posted[0].uri.path() == "/services/T0KEN-T0KEN-T0KEN");
    let headers = ["title", "tags", "priority", "authorization"].map(|name| posted[0].header(name).unwrap_or_default());
    ensure!(headers == ["BUY BTCUSDT 1h", "green_circle", "2", "Bearer tk_0123456789abcdef"], "{headers:?}");
    let text = String::from_utf8(posted[0].body.to_vec())?;
    ensure!(text.starts_with(&format!("{HEADLINE}\nbinance · candle closed 20")), "{text}");
    for channel in ["discord", "slack", "ntfy"] {
        let labels = [("channel", channel), ("outcome", "delivered")];
        notifier.counted("candlewire_deliveries_total", &labels, 1.0).await?;
    }
    notifier.stop().await
}

#[tokio::test]
async fn a_service_that_is_gone_is_disabled_and_its_url_never_shown() -> Result<()> {
    let bench = Bench::start().await?;
    let (discord, slack) = (WebhookReceiver::start(None).await?, WebhookReceiver::start(None).await?);
    let gone = |status: u16, body: &str| Answer::status(status.try_into().unwrap_or_default()).body(body);
    discord.answer_next([gone(404, "{\"message\": \"Unknown Webhook T0KEN-T0KEN-T0KEN\", \"code\": 10015}")]);
    slack.answer_next([gone(404, "no_service")]);
    bench.configure(QUICK, &[service("discord", &discord, ""), service("slack", &slack, "")])?;
    let program = bench.command().args(["run", "--http", "127.0.0.1:0"]).env("RUST_LOG", "trace").spawn()?;
    bench.publish(1).await?;
    for name in ["discord", "slack"] {
        program.wait_for_line(|line| line.contains(&format!("{name} is disabled until")), PATIENCE).await?;
        bench.until(&format!("XLEN cw:{{delivery}}:dead:{name}"), 1).await?;
    }
    let status = bench.command().arg("status").run_to_end(PATIENCE).await?;
    ensure!(status.stdout.contains("Unknown Webhook (hidden)"), "{}", status.stdout);
    let list = bench.command().args(["dead", "list", "--json"]).run_to_end(PATIENCE).await?;
    let shown = format!("{}{}{}", program.lines().join("\n"), status.stdout, list.stdout);
    ensure!(list.stdout.lines().count() == 2 && !shown.contains("T0KEN-T0KEN"), "{shown}");
    Ok(())
}

#[tokio::test]
async fn too_many_requests_close_the_way_for_all_that_follow() -> Result<()> {
    let bench = Bench::start().await?;
    let discord = WebhookReceiver::start(None).await?;
    let limited = "{\"message\": \"You are being rate limited.\", \"retry_after\": 1.5, \"global\": false}";
    discord.answer_next([Answer::status(429.try_into()?).body(limited)]);
    bench.configure(QUICK, &[service("discord", &discord, "")])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    bench.publish(2).await?;
    let posted = discord.wait_for(3, PATIENCE).await?;
    let pause = posted[1].arrived.duration_since(posted[0].arrived)?;
    ensure!(pause.as_millis() >= 1_490, "{pause:?}");
    notifier.counted("candlewire_rate_limited_total", &[("channel", "discord")], 1.0).await?;
    notifier.stop().await
}

#[tokio::test]
async fn a_template_words_the_alert_and_markup_in_it_is_none() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    let template = "template = '''\n{{ mark }} <{{ symbol }}> {{ price | grouped }}\n{{ strategy }} & co'''";
    bench.configure(QUICK, &[chat(&api, 42, &format!("message_thread_id = 5\nsilent = true\n{template}"))])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let sent = api.wait_for(1, PATIENCE).await?;
    ensure!(sent[0].text == "🟢 <BTCUSDT> 42 001.37\ngolden-cross & co", "{:?}", sent[0]);
    ensure!((sent[0].message_thread_id, sent[0].disable_notification) == (Some(5), true), "{:?}", sent[0]);
    notifier.stop().await
}

#[tokio::test]
async fn a_text_without_end_is_cut_where_no_markup_breaks() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    let template = "template = \"{% for line in range(900) %}<{{ symbol }}>&\\n{% endfor %}\"";
    bench.configure(QUICK, &[chat(&api, 42, template)])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    let sent = api.wait_for(1, PATIENCE).await?;
    ensure!(sent[0].parse_mode.as_deref() == Some("HTML") && api.calls() == 1, "{:?}", api.refused());
    ensure!(sent[0].text.encode_utf16().count() == 4_096);
    notifier.stop().await
}

/// Two notifiers write to one group: the limits hold for both together.
#[tokio::test]
async fn the_pace_of_a_chat_is_kept_by_all_notifiers_together() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    api.enforce_limits();
    bench.configure(QUICK, &[chat(&api, -7, "")])?;
    let (one, two) = (bench.run().await?, bench.run().await?);
    for number in 1..=5 {
        bench.publish(number).await?;
    }
    let sent = api.wait_for(5, PATIENCE).await?;
    ensure!(api.refused().is_empty(), "{:?}", api.refused());
    for pair in sent.windows(2) {
        let pause = pair[1].arrived.duration_since(pair[0].arrived)?;
        ensure!(pause.as_millis() >= 1_000, "{pause:?}");
    }
    one.stop().await?;
    two.stop().await
}

/// What one message has no room for is told by the next.
#[tokio::test]
async fn a_digest_leaves_nothing_out() -> Result<()> {
    let bench = Bench::start().await?;
    let discord = WebhookReceiver::start(None).await?;
    bench.configure(QUICK, &[service("discord", &discord, "digest = true")])?;
    for number in 1..=40 {
        let strategy = "binance-majors-golden-cross-ema50-ema200";
        bench.publish_draft(&Draft { strategy, ..Draft::new(number) }).await?;
    }
    let notifier = bench.run().await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 40.0).await?;
    let posted = discord.requests();
    let mut told = 0;
    for request in &posted {
        let body = json(request)?;
        let content = body["content"].as_str().context("content")?.to_owned();
        let lines = content.matches("BTCUSDT 1h").count();
        ensure!(content.encode_utf16().count() <= 2_000, "{content}");
        ensure!(!content.contains("signals") || content.contains(&format!("{lines} signals")), "{content}");
        told += lines;
    }
    ensure!(told == 40 && posted.len() < 15, "{told} told in {} messages", posted.len());
    notifier.stop().await
}

#[tokio::test]
async fn a_digest_that_is_refused_is_told_one_by_one() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    bench.configure(QUICK, &[chat(&api, 42, "digest = true")])?;
    for number in 1..=12 {
        bench.publish(number).await?;
    }
    // The first may come alone, as it may have been queued alone.
    api.answer_next([BotAnswer::refusal(400, "Bad Request: message is too long")]);
    let notifier = bench.run().await?;
    let sent = api.wait_for(11, PATIENCE).await?;
    ensure!(sent.iter().all(|sent| !sent.text.starts_with("📋")), "{sent:?}");
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 12.0).await?;
    notifier.stop().await
}

#[tokio::test]
async fn a_burst_comes_as_a_digest_where_that_is_wanted() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    bench.configure(QUICK, &[chat(&api, 42, "digest = true")])?;
    let mut ids = Vec::new();
    for number in 1..=30 {
        let draft = Draft { direction: if number % 2 == 0 { "sell" } else { "buy" }, ..Draft::new(number) };
        bench.publish_draft(&draft).await?;
        ids.push(draft.id());
    }
    // It may begin while the burst is still being queued: then one or two come on their own.
    let notifier = bench.run().await?;
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 30.0).await?;
    let sent = api.messages();
    let digests: Vec<&str> =
        sent.iter().map(|sent| sent.text.as_str()).filter(|text| text.starts_with("📋 ")).collect();
    ensure!(!digests.is_empty() && sent.len() < 10, "{sent:#?}");
    let told: usize = sent.iter().map(|sent| sent.text.matches("BTCUSDT 1h").count()).sum();
    ensure!(told == 30, "{told} told in {sent:#?}");
    ensure!(digests[0].lines().nth(1).is_some_and(|line| line.contains(" · 42 001.37 · 20")), "{}", digests[0]);
    bench.until("EXISTS cw:{delivery}:due:chat42 cw:{delivery}:leases:chat42 cw:{delivery}:jobs:chat42", 0).await?;
    notifier.stop().await
}
