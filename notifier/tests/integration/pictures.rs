//! Pictures of the candles in Telegram's alerts.

use anyhow::{Context, Result, ensure};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{BotAnswer, BotApi};
use serde_json::json;

use crate::bench::{Bench, Draft, Notifier, QUICK};
use crate::people::{TOKEN, chat};

const STRATEGY: &str =
    "[[strategies]]\nname = \"golden-cross\"\nseries = [\"*\"]\nfast = \"sma(5)\"\nslow = \"sma(20)\"\n";

/// A chat that wants pictures.
fn album(api: &BotApi, more: &str) -> String {
    chat(api, 42, more).replace("chart = false", "chart = true")
}

/// Writes the history that a worker would have: hours up to a draft's.
async fn write_history(bench: &Bench, draft: &Draft) -> Result<()> {
    let series: Series = draft.series.parse()?;
    let partition = series.partition(Partitions::new(4).context("partitions")?);
    let mut commands = redis::pipe();
    for back in (0..150_i64).rev() {
        let open_time = draft.open_time - back * 3_600_000;
        let close = 42_000.0 + 100.0 * f64::from(i32::try_from(back % 30)?);
        let bar =
            [("open", close - 5.0), ("high", close + 20.0), ("low", close - 25.0), ("close", close), ("volume", 1.0)];
        let entry = commands.cmd("XADD").arg(Keys::new("cw").history(partition, &series)).arg(format!("{open_time}-0"));
        for (name, value) in bar {
            entry.arg(name).arg(value.to_string());
        }
    }
    commands.exec_async(&mut bench.connection().await?).await.context("write the history")
}

/// A notifier that knows a strategy, and a signal of it whose history is there.
async fn set_up(api: &BotApi, more: &str) -> Result<(Bench, Notifier, Draft)> {
    let bench = Bench::start().await?;
    bench.configure(&format!("{QUICK}\n{STRATEGY}"), &[album(api, more)])?;
    let draft = Draft::new(1);
    write_history(&bench, &draft).await?;
    let notifier = bench.run().await?;
    bench.publish_draft(&draft).await?;
    Ok((bench, notifier, draft))
}

async fn delivered(notifier: &Notifier) -> Result<()> {
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], 1.0).await
}

#[tokio::test]
async fn an_alert_is_a_photo_with_the_text_as_its_caption() -> Result<()> {
    let api = BotApi::start(TOKEN).await?;
    let (_bench, notifier, _) = set_up(&api, "message_thread_id = 5\nsilent = true").await?;
    let sent = api.wait_for(1, PATIENCE).await?;
    ensure!(
        sent[0].method == "sendPhoto" && sent[0].text.starts_with("🟢 BUY BTCUSDT 1h · golden-cross"),
        "{:?}",
        sent[0].text
    );
    ensure!((sent[0].message_thread_id, sent[0].disable_notification) == (Some(5), true));
    let photo = sent[0].photo.as_ref().context("a photo")?;
    ensure!(photo.bytes.starts_with(b"\x89PNG") && photo.bytes.len() > 5_000, "{} bytes", photo.bytes.len());
    delivered(&notifier).await?;
    ensure!(api.calls() == 1);
    notifier.stop().await
}

#[tokio::test]
async fn a_picture_that_is_refused_leaves_the_text() -> Result<()> {
    for refusal in [
        BotAnswer::refusal(400, "Bad Request: PHOTO_INVALID_DIMENSIONS"),
        BotAnswer::refusal(400, "Bad Request: not enough rights to send photos to the chat"),
        BotAnswer::refusal(400, "Bad Request: can't parse entities: Unsupported start tag"),
        BotAnswer::refusal(404, "Not Found: method not found"),
        BotAnswer::refusal(413, "Request Entity Too Large"),
    ] {
        let api = BotApi::start(TOKEN).await?;
        api.answer_next([refusal]);
        let (_bench, notifier, _) = set_up(&api, "").await?;
        let sent = api.wait_for(1, PATIENCE).await?;
        ensure!(sent[0].method == "sendMessage" && api.calls() == 2, "{sent:?} {:?}", api.refused());
        delivered(&notifier).await?;
        notifier.counted("candlewire_recipient_disabled", &[("recipient", "chat42")], 0.0).await?;
        notifier.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_fault_of_the_picture_is_dealt_with_as_ever() -> Result<()> {
    let api = BotApi::start(TOKEN).await?;
    let moved = json!({ "migrate_to_chat_id": -1_009_876_543_210_i64 });
    api.answer_next([BotAnswer::refusal_with(400, "Bad Request: upgraded", &moved)]);
    let (_bench, notifier, _) = set_up(&api, "").await?;
    let sent = api.wait_for(1, PATIENCE).await?;
    ensure!(sent[0].chat == "-1009876543210" && sent[0].method == "sendPhoto", "{:?}", sent[0]);
    notifier.stop().await?;

    let api = BotApi::start(TOKEN).await?;
    api.answer_next([BotAnswer::refusal(403, "Forbidden: bot was blocked by the user")]);
    let (bench, notifier, _) = set_up(&api, "").await?;
    notifier.counted("candlewire_recipient_disabled", &[("recipient", "chat42")], 1.0).await?;
    ensure!(api.calls() == 1 && bench.ask::<u64>("XLEN cw:{delivery}:dead:chat42").await? == 1);
    notifier.stop().await
}

#[tokio::test]
async fn a_repetition_comes_without_its_picture() -> Result<()> {
    let api = BotApi::start(TOKEN).await?;
    api.answer_next([BotAnswer::refusal(500, "Internal Server Error")]);
    let (_bench, notifier, _) = set_up(&api, "").await?;
    let sent = api.wait_for(1, PATIENCE).await?;
    ensure!(
        sent[0].method == "sendMessage" && sent[0].text.ends_with("may repeat an earlier message"),
        "{:?}",
        sent[0]
    );
    delivered(&notifier).await?;
    notifier.stop().await
}

/// Longer than a caption may be: the whole text goes first, the picture after it.
#[tokio::test]
async fn a_long_text_goes_first_and_its_picture_answers_it() -> Result<()> {
    let api = BotApi::start(TOKEN).await?;
    let template = "template = \"{{ side }} {{ symbol }}\\n{% for line in range(300) %}{{ price }} {% endfor %}\"";
    let (_bench, notifier, _) = set_up(&api, template).await?;
    let sent = api.wait_for(2, PATIENCE).await?;
    ensure!(sent[0].method == "sendMessage" && sent[0].text.len() > 2_000 && sent[1].method == "sendPhoto", "{sent:?}");
    ensure!(
        sent[1].text == "BUY BTCUSDT" && sent[1].parameters.contains_key("reply_parameters"),
        "{:?}",
        sent[1].parameters
    );
    ensure!(sent[1].arrived.duration_since(sent[0].arrived)?.as_millis() >= 1_000, "out of pace");
    delivered(&notifier).await?;
    notifier.stop().await
}

#[tokio::test]
async fn without_a_history_or_where_it_is_not_wanted_there_is_the_text_alone() -> Result<()> {
    let bench = Bench::start().await?;
    let api = BotApi::start(TOKEN).await?;
    bench.configure(QUICK, &[album(&api, ""), chat(&api, 43, "")])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    api.wait_for(2, PATIENCE).await?;
    let draft = Draft::new(2);
    write_history(&bench, &draft).await?;
    bench.publish_draft(&draft).await?;
    let sent = api.wait_for(4, PATIENCE).await?;
    for message in sent {
        let photo = message.chat == "42" && message.arrived > api.messages()[1].arrived;
        ensure!((message.method == "sendPhoto") == photo, "{message:?}");
    }
    notifier.stop().await
}
