//! Slack: a message through an incoming webhook.
//!
//! Limits and error texts are those of Slack's documentation: one message a second, headers of 150 characters,
//! sections of 3,000.

use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::failure::DeliverError;
use crate::http::{self, Answer, Deadline};
use crate::message::Message;
use crate::redaction::Redaction;
use crate::text::{fit, fitted};

/// The most characters of a header.
const HEADER_MAX: usize = 150;
/// The most characters of a section.
const SECTION_MAX: usize = 3_000;
/// What is answered where the webhook will never work again.
const GONE: [&str; 7] = [
    "no_service",
    "no_active_hooks",
    "invalid_token",
    "no_team",
    "team_disabled",
    "channel_is_archived",
    "channel_not_found",
];

/// One incoming webhook.
pub(crate) struct Slack {
    client: Client,
    url: Url,
    redaction: Redaction,
}

impl Slack {
    /// A webhook at `url`.
    pub(crate) fn new(client: Client, url: Url, redaction: Redaction) -> Self {
        Self { client, url, redaction }
    }

    /// Whether a message of these lines is whole: all of it is in the section, too.
    pub(crate) fn holds(lines: &[String]) -> bool {
        fit(lines, SECTION_MAX, char::len_utf16)
    }

    /// Posts the message.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn deliver(&self, message: &Message<'_>, deadline: Deadline) -> Result<(), DeliverError> {
        let answer = http::post_json(&self.client, &self.url, &body(&message.lines()), deadline).await;
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        if answer.status.is_success() { Ok(()) } else { Err(judge(&answer, &self.redaction)) }
    }
}

fn judge(answer: &Answer, redaction: &Redaction) -> DeliverError {
    let is_gone = GONE.contains(&String::from_utf8_lossy(&answer.body).trim());
    match DeliverError::answered(answer, redaction) {
        DeliverError::Answered { text, .. } if is_gone && answer.status.is_client_error() => DeliverError::Closed(text),
        error => error,
    }
}

/// Plain text in blocks, which knows no markup; beside it the text that notifications show.
fn body(lines: &[String]) -> Value {
    let units = |c: char| c.len_utf16();
    let plain = |text: String| json!({ "type": "plain_text", "text": text, "emoji": false });
    let headline = fitted(lines.get(..1).unwrap_or_default(), HEADER_MAX, units).concat();
    let rest = fitted(lines.get(1..).unwrap_or_default(), SECTION_MAX, units).join("\n");
    let mut blocks = vec![json!({ "type": "header", "text": plain(headline) })];
    if !rest.trim().is_empty() {
        blocks.push(json!({ "type": "section", "text": plain(rest) }));
    }
    let text = fitted(lines, SECTION_MAX, units).join("\n");
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text, "blocks": blocks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[test]
    fn the_headline_is_a_header_and_the_rest_a_section() {
        let body = body(&["BUY <BTC>".to_owned(), "a".to_owned(), "b & c".to_owned()]);
        assert_eq!(body["text"], "BUY &lt;BTC&gt;\na\nb &amp; c");
        assert_eq!(body["blocks"][0]["text"]["text"], "BUY <BTC>");
        assert_eq!(body["blocks"][1]["text"]["text"], "a\nb & c");
        let long = super::body(&["x".repeat(5_000), "y".repeat(5_000)]);
        let length = |at: usize| long["blocks"][at]["text"]["text"].as_str().map_or(0, str::len);
        assert_eq!((length(0), length(1)), (HEADER_MAX, SECTION_MAX));
        assert_eq!(super::body(&["x".to_owned()])["blocks"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_webhook_that_was_removed_is_closed() {
        let judged = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(&Answer { status, retry_after: None, body: body.as_bytes().to_vec() }, &Redaction::default())
        };
        assert!(
            matches!(judged(404, "no_service\n"), DeliverError::Closed(text) if text == "404 Not Found no_service")
        );
        assert!(matches!(judged(400, "invalid_payload"), DeliverError::Answered { status: 400, .. }));
        assert!(matches!(judged(500, "no_service"), DeliverError::Answered { status: 500, .. }));
    }
}
