//! The stand-in for the Bot API takes what Telegram takes, and refuses what it refuses.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{BotAnswer, BotApi};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TOKEN: &str = "123456:AAH-t0ken";

/// Posts a body, and returns the status and the JSON of the answer.
async fn posted(api: &BotApi, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
    let head =
        format!("POST {path} HTTP/1.0\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(api.address()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

async fn sent(api: &BotApi, body: Value) -> (u16, Value) {
    posted(api, &format!("/bot{TOKEN}/sendMessage"), "application/json", body.to_string().as_bytes()).await
}

fn form(caption: &str, photo: &[u8]) -> Vec<u8> {
    let field =
        |name, value: &str| format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let mut body = [
        field("chat_id", "-100123"),
        field("caption", caption),
        field("parse_mode", "HTML"),
        field("message_thread_id", "5"),
    ]
    .concat();
    body += "--XX\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"chart.png\"\r\nContent-Type: image/png\r\n\r\n";
    [body.as_bytes(), photo, b"\r\n--XX--\r\n"].concat()
}

#[tokio::test]
async fn a_message_is_recorded_as_people_read_it() {
    let api = BotApi::start(TOKEN).await.unwrap();
    let text = "<b>BUY</b> a &amp; b";
    let (status, answer) = sent(
        &api,
        json!({ "chat_id": -100_123, "text": text, "parse_mode": "HTML", "message_thread_id": 5,
                "disable_notification": true }),
    )
    .await;
    assert_eq!((status, &answer["ok"], &answer["result"]["chat"]["id"]), (200, &json!(true), &json!(-100_123)));
    let messages = api.wait_for(1, PATIENCE).await.unwrap();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((message.text.as_str(), message.markup.as_str()), ("BUY a & b", text));
    assert_eq!((message.method.as_str(), message.chat.as_str()), ("sendMessage", "-100123"));
    assert_eq!((message.parse_mode.as_deref(), message.message_thread_id), (Some("HTML"), Some(5)));
    assert!(message.disable_notification && message.photo.is_none());
}

#[tokio::test]
async fn a_photo_is_recorded_with_its_caption() {
    let api = BotApi::start(TOKEN).await.unwrap();
    let photo = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x03\x20\0\0\x01\x90rest";
    let path = format!("/bot{TOKEN}/sendPhoto");
    let kind = "multipart/form-data; boundary=XX";
    assert_eq!(posted(&api, &path, kind, &form("<b>BUY</b>", photo)).await.0, 200);
    let message = &api.messages()[0];
    assert_eq!((message.text.as_str(), message.chat.as_str(), message.message_thread_id), ("BUY", "-100123", Some(5)));
    let photo_seen = message.photo.as_ref().unwrap();
    assert_eq!((&*photo_seen.bytes, photo_seen.file_name.as_str()), (photo.as_slice(), "chart.png"));
    for (caption, photo, expected) in [
        ("x".repeat(1_025), photo.as_slice(), "message caption is too long"),
        ("x".repeat(1_024), b"<svg>", "IMAGE_PROCESS_FAILED"),
        ("<b>".to_owned(), photo, "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
    ] {
        let (status, answer) = posted(&api, &path, kind, &form(&caption, photo)).await;
        assert_eq!((status, answer["description"].as_str().unwrap()), (400, &*format!("Bad Request: {expected}")));
    }
    assert_eq!((api.sent(), api.calls()), (1, 4));
}

#[tokio::test]
async fn what_telegram_refuses_is_refused_in_its_words() {
    let api = BotApi::start(TOKEN).await.unwrap();
    let long = "🟢".repeat(2_049);
    for (body, expected) in [
        (
            json!({ "chat_id": 1, "text": "a < b", "parse_mode": "HTML" }),
            "can't parse entities: Unsupported start tag \"\"",
        ),
        (json!({ "chat_id": 1, "text": long }), "message is too long"),
        (json!({ "chat_id": 1, "text": "<b> </b>", "parse_mode": "HTML" }), "message text is empty"),
        (json!({ "text": "x" }), "chat_id is empty"),
        (json!({ "chat_id": "desk", "text": "x" }), "chat not found"),
        (json!({ "chat_id": 1, "text": "x", "parse_mode": "XML" }), "unsupported parse_mode"),
    ] {
        let (status, answer) = sent(&api, body).await;
        let description = answer["description"].as_str().unwrap();
        assert!(status == 400 && description.starts_with(&format!("Bad Request: {expected}")), "{answer}");
    }
    // Markup does not count: 4,096 units of text with it are taken.
    let text = format!("<b>{}</b>", "🟢".repeat(2_048));
    assert_eq!(sent(&api, json!({ "chat_id": 1, "text": text, "parse_mode": "HTML" })).await.0, 200);
    assert_eq!((api.sent(), api.refused().len()), (1, 6));
}

#[tokio::test]
async fn wrong_paths_are_refused() {
    let api = BotApi::start(TOKEN).await.unwrap();
    for (path, status, description) in [
        ("/bot1:x/sendMessage", 401, "Unauthorized"),
        ("/bot123456:AAH-t0ken/sendNothing", 404, "Not Found: method not found"),
        ("/sendMessage", 404, "Not Found"),
    ] {
        let (seen, answer) = posted(&api, path, "application/json", b"{}").await;
        assert_eq!((seen, answer["description"].as_str()), (status, Some(description)));
    }
    assert_eq!(posted(&api, &format!("/bot{TOKEN}/getMe"), "application/json", b"").await.0, 200);
}

#[tokio::test]
async fn limits_hold_when_asked_for() {
    let api = BotApi::start(TOKEN).await.unwrap();
    let message = json!({ "chat_id": 1, "text": "x" });
    for _ in 0..3 {
        assert_eq!(sent(&api, message.clone()).await.0, 200);
    }
    api.enforce_limits();
    assert_eq!(sent(&api, json!({ "chat_id": -7, "text": "x" })).await.0, 200);
    // On a machine so busy that a second has passed, the next one or the one after it is the first that is early.
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(status, _)| *status == 200) && seen.len() < 10 {
        seen.push(sent(&api, message.clone()).await);
    }
    let (status, answer) = seen.last().unwrap();
    assert_eq!((*status, &answer["parameters"]["retry_after"]), (429, &json!(1)));
    assert_eq!(answer["description"], "Too Many Requests: retry after 1");
}

#[tokio::test]
async fn the_script_goes_first() {
    let api = BotApi::start(TOKEN).await.unwrap();
    let migrated = json!({ "migrate_to_chat_id": -1_009 });
    api.answer_next([
        BotAnswer::refusal(403, "Forbidden: bot was blocked by the user"),
        BotAnswer::refusal_with(400, "Bad Request: upgraded", &migrated),
        BotAnswer::foreign(502, "<html>502 Bad Gateway</html>").but_sent(),
        BotAnswer::recorded(&json!({ "status": 429, "body": { "ok": false, "parameters": { "retry_after": 34 } } }))
            .unwrap(),
        BotAnswer::hang(),
    ]);
    let message = json!({ "chat_id": 1, "text": "x" });
    assert_eq!(sent(&api, message.clone()).await.0, 403);
    assert_eq!(sent(&api, message.clone()).await.1["parameters"], migrated);
    assert_eq!((sent(&api, message.clone()).await.0, api.sent()), (502, 1));
    assert_eq!((sent(&api, message.clone()).await.0, api.sent()), (429, 1));
    let hanging = timeout(Duration::from_millis(50), sent(&api, message.clone())).await;
    assert!(hanging.is_err(), "{hanging:?}");
    assert_eq!(sent(&api, message).await.0, 200);
    let statuses: Vec<_> = api.refused().iter().map(|refused| refused.status).collect();
    assert_eq!(statuses, [Some(403), Some(400), Some(429), None]);
    let error = api.wait_for(3, Duration::from_millis(50)).await.unwrap_err().to_string();
    assert!(error.starts_with("2 of 3 messages within 50ms in 6 calls; the last refusal: Refused"), "{error}");
}
