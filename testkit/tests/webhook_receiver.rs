//! Webhooks are recorded, checked and answered by the script.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::webhook_receiver::{Verdict, WebhookReceiver, WebhookReceiverError};
use candlewire_testkit::{Answer, HttpPage};
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Posts a body signed with `secret`, and returns what comes back until the connection closes.
async fn posted(address: SocketAddr, secret: &str, body: &str) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = Webhook::new(secret).unwrap();
    let signature = signature.sign("sig_1", i64::try_from(seconds).unwrap(), body.as_bytes()).unwrap();
    let request = format!(
        "POST /hook?x=1 HTTP/1.0\r\ncontent-length: {}\r\nwebhook-id: sig_1\r\nwebhook-timestamp: {seconds}\r\n\
         webhook-signature: {signature}\r\n\r\n{body}",
        body.len(),
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn signed_request_is_recorded_as_it_came() {
    let receiver = WebhookReceiver::start(Some(SECRET)).await.unwrap();
    let answer = posted(receiver.address(), SECRET, r#"{"a": 1}"#).await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    let requests = receiver.wait_for(1, PATIENCE).await.unwrap();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.verdict, Verdict::Verified);
    assert_eq!((&request.method, request.uri.to_string().as_str()), (&Method::POST, "/hook?x=1"));
    assert_eq!(request.header("webhook-id"), Some("sig_1"));
    assert_eq!(request.body.as_ref(), br#"{"a": 1}"#);
    assert_eq!((receiver.received(), receiver.verified(), receiver.rejected()), (1, 1, 0));
}

#[tokio::test]
async fn wrong_signature_is_rejected_and_uses_up_no_answer() {
    let receiver = WebhookReceiver::start(Some(SECRET)).await.unwrap();
    receiver.answer_next([Answer::status(StatusCode::ACCEPTED)]);
    let answer = posted(receiver.address(), "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "{}").await;
    assert!(answer.starts_with("HTTP/1.0 401 "), "{answer}");
    assert!(posted(receiver.address(), SECRET, "{}").await.starts_with("HTTP/1.0 202 "));
    assert_eq!((receiver.received(), receiver.verified(), receiver.rejected()), (2, 1, 1));
    let rejected = &receiver.requests()[0];
    assert_eq!(rejected.verdict, Verdict::Rejected("signature invalid".to_owned()));
    assert_eq!(rejected.status, Some(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn script_is_answered_in_order_and_then_200() {
    let receiver = WebhookReceiver::start(None).await.unwrap();
    receiver.answer_next([
        Answer::status(StatusCode::TOO_MANY_REQUESTS).header(RETRY_AFTER, HeaderValue::from_static("3")),
        Answer::status(StatusCode::BAD_GATEWAY).after(Duration::from_millis(1)).body("down"),
    ]);
    let limited = posted(receiver.address(), SECRET, "{}").await;
    assert!(limited.starts_with("HTTP/1.0 429 ") && limited.contains("retry-after: 3\r\n"), "{limited}");
    let down = HttpPage::fetch(receiver.address(), "/").await.unwrap();
    assert_eq!((down.status, down.body.as_str()), (502, "down"));
    assert_eq!(HttpPage::fetch(receiver.address(), "/").await.unwrap().status, 200);
    let statuses: Vec<_> = receiver.requests().iter().map(|request| request.status.unwrap().as_u16()).collect();
    assert_eq!(statuses, [429, 502, 200]);
    assert!(receiver.requests().iter().all(|request| request.verdict == Verdict::Unchecked));
}

#[tokio::test]
async fn hanging_answer_is_recorded_and_ends_with_the_receiver() {
    let receiver = WebhookReceiver::start(None).await.unwrap();
    receiver.answer_next([Answer::hang()]);
    let mut post = Box::pin(posted(receiver.address(), SECRET, "{}"));
    assert!(timeout(Duration::from_millis(100), &mut post).await.is_err());
    assert_eq!(receiver.requests()[0].status, None);
    drop(receiver);
    assert!(timeout(PATIENCE, post).await.unwrap().starts_with("HTTP/1.0 503 "));
}

#[tokio::test]
async fn stalling_body_comes_without_its_end() {
    let receiver = WebhookReceiver::start(None).await.unwrap();
    receiver.answer_next([Answer::ok().body("a start").stalling()]);
    let mut stream = TcpStream::connect(receiver.address()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("a start") {
        timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap().unwrap();
    }
    let more = timeout(Duration::from_millis(100), stream.read_buf(&mut answer)).await;
    assert!(more.is_err(), "{:?}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn too_few_requests_are_counted_in_the_error() {
    let receiver = WebhookReceiver::start(None).await.unwrap();
    posted(receiver.address(), SECRET, "{}").await;
    let error = receiver.wait_for(2, Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().starts_with("1 of 2 webhooks within 50ms"), "{error}");
}

#[tokio::test]
async fn malformed_secret_is_refused() {
    let started = WebhookReceiver::start(Some("whsec_not base64")).await;
    assert!(matches!(started.err(), Some(WebhookReceiverError::Secret(_))));
}
