//! What the Bot API answers.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A scripted answer, which one request gets instead of the proper one.
#[derive(Clone, Debug, PartialEq)]
pub struct BotAnswer {
    /// `None`: the connection stays open and nothing comes.
    pub(super) status: Option<StatusCode>,
    pub(super) delay: Duration,
    /// Whether the message was sent all the same.
    pub(super) is_sent: bool,
    body: String,
    retry_after: Option<u64>,
}

impl BotAnswer {
    /// A refusal in the API's own form, `Bad Request: chat not found` for example.
    pub fn refusal(status: u16, description: &str) -> Self {
        Self::json(status, &json!({ "ok": false, "error_code": status, "description": description }))
    }

    /// A refusal that carries `parameters`, `{"migrate_to_chat_id": -100}` for example.
    pub fn refusal_with(status: u16, description: &str, parameters: &Value) -> Self {
        let body = json!({ "ok": false, "error_code": status, "description": description, "parameters": parameters });
        Self { retry_after: parameters["retry_after"].as_u64(), ..Self::json(status, &body) }
    }

    /// 429, to be waited out for so many seconds.
    pub fn too_many(seconds: u64) -> Self {
        let description = format!("Too Many Requests: retry after {seconds}");
        Self::refusal_with(429, &description, &json!({ "retry_after": seconds }))
    }

    /// An answer that is none of the API's, as something between it and the client gives.
    pub fn foreign(status: u16, body: &str) -> Self {
        // A status that can't be written is answered 500, so that it does not pass for an acceptance.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (delay, is_sent) = (Duration::ZERO, false);
        Self { status: Some(status), delay, is_sent, body: body.to_owned(), retry_after: None }
    }

    /// No answer at all: the request hangs until the client gives up or the server ends.
    pub fn hang() -> Self {
        Self { status: None, ..Self::foreign(500, "") }
    }

    /// An answer as recorded: `status`, and `body` as JSON or `raw_body` as text. `None` if there is neither.
    pub fn recorded(entry: &Value) -> Option<Self> {
        let status = entry["status"].as_u64()?.try_into().ok()?;
        match (&entry["body"], entry["raw_body"].as_str()) {
            (Value::Null, text) => Some(Self::foreign(status, text?)),
            (body, _) => {
                Some(Self { retry_after: body["parameters"]["retry_after"].as_u64(), ..Self::json(status, body) })
            }
        }
    }

    /// Delays the answer.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Sends the message all the same, and answers this: the client can't know.
    #[must_use]
    pub fn but_sent(self) -> Self {
        Self { is_sent: true, ..self }
    }

    /// 200 with a result.
    pub(super) fn ok(result: &Value) -> Self {
        Self::json(200, &json!({ "ok": true, "result": result }))
    }

    /// What a request is answered with, as text.
    pub(super) fn body(&self) -> &str {
        &self.body
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::foreign(status, &body.to_string())
    }

    /// Turns it into a response; `None` for one that hangs.
    pub(super) fn into_response(self) -> Option<Response> {
        let mut headers = HeaderMap::new();
        let kind = if self.body.starts_with('{') { "application/json" } else { "text/html" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        Some((self.status?, headers, self.body).into_response())
    }
}
