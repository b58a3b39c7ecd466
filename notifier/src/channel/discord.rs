//! Discord: a message through a channel's webhook.
//!
//! Limits and error codes are those of Discord's developer documentation: 2,000 characters, 5 messages within 2
//! seconds and 30 a minute for each webhook.

use std::time::Duration;

use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::json;

use crate::failure::DeliverError;
use crate::http::{self, Answer, Deadline, RETRY_AFTER_MAX};
use crate::message::Message;
use crate::redaction::Redaction;
use crate::text::{fit, fitted};

/// The most characters of a message, markup counted.
const TEXT_MAX: usize = 2_000;
/// What makes the first line bold.
const BOLD: &str = "**";
/// The room for text beside that.
const ROOM: usize = TEXT_MAX - 2 * BOLD.len();
/// Characters that mean markup.
const MARKUP: &str = r"\*_~`|>#[]()-:@<";
/// The flag of a message that makes no sound.
const SUPPRESS_NOTIFICATIONS: u32 = 1 << 12;
/// Codes of a webhook that is not there any more: unknown, and invalid token.
const GONE: [u32; 2] = [10_015, 50_027];

/// One webhook.
pub(crate) struct Discord {
    client: Client,
    url: Url,
    redaction: Redaction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reply {
    code: u32,
    retry_after: Option<f64>,
}

impl Discord {
    /// A webhook at `url`.
    pub(crate) fn new(client: Client, mut url: Url, redaction: Redaction) -> Self {
        // Without it, Discord answers before it knows whether the message is kept.
        url.query_pairs_mut().append_pair("wait", "true");
        Self { client, url, redaction }
    }

    /// Whether a message of these lines is whole.
    pub(crate) fn holds(lines: &[String]) -> bool {
        fit(lines, ROOM, cost)
    }

    /// Posts the message.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn deliver(&self, message: &Message<'_>, deadline: Deadline) -> Result<(), DeliverError> {
        let flags = if message.is_silent { SUPPRESS_NOTIFICATIONS } else { 0 };
        let body = json!({
            "content": content(&message.lines()),
            "allowed_mentions": { "parse": [] },
            "flags": flags,
        });
        let answer = http::post_json(&self.client, &self.url, &body, deadline).await;
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        if answer.status.is_success() { Ok(()) } else { Err(judge(&answer, &self.redaction)) }
    }
}

fn judge(answer: &Answer, redaction: &Redaction) -> DeliverError {
    let reply: Reply = serde_json::from_slice(&answer.body).unwrap_or_default();
    match DeliverError::answered(answer, redaction) {
        DeliverError::Answered { text, .. } if GONE.contains(&reply.code) => DeliverError::Closed(text),
        DeliverError::Answered { status, retry_after, text } => {
            let asked = reply.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let asked = asked.map(|wait| wait.min(RETRY_AFTER_MAX));
            DeliverError::Answered { status, retry_after: retry_after.max(asked), text }
        }
        other => other,
    }
}

/// What a character takes, escaped.
fn cost(c: char) -> usize {
    if MARKUP.contains(c) { 2 } else { c.len_utf16() }
}

/// The lines as Discord's Markdown, the first one bold, cut to what fits.
fn content(lines: &[String]) -> String {
    let lines = fitted(lines, ROOM, cost);
    let escaped = |line: &String| {
        let escape = |c: char| MARKUP.contains(c).then_some('\\').into_iter().chain([c]);
        line.chars().flat_map(escape).collect::<String>()
    };
    let mut lines = lines.iter().map(escaped);
    let first = lines.next().map(|line| format!("{BOLD}{line}{BOLD}"));
    first.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    fn judged(status: u16, body: &str) -> DeliverError {
        let status = StatusCode::from_u16(status).unwrap();
        let retry_after = (status == StatusCode::TOO_MANY_REQUESTS).then_some(Duration::from_secs(1));
        judge(&Answer { status, retry_after, body: body.as_bytes().to_vec() }, &Redaction::default())
    }

    #[test]
    fn markup_means_nothing_and_the_first_line_is_bold() {
        let lines = ["🟢 BUY BTC-USD · a*b_c".to_owned(), "<@1> #x".to_owned()];
        assert_eq!(content(&lines), "**🟢 BUY BTC\\-USD · a\\*b\\_c**\n\\<\\@1\\> \\#x");
        let long = content(&["*".repeat(3_000)]);
        assert_eq!(long.chars().count(), TEXT_MAX);
        assert!(long.ends_with("\\***"), "no escape is cut in half");
    }

    #[test]
    fn a_webhook_that_was_deleted_is_closed_and_a_wait_is_read() {
        let gone = r#"{"message": "Unknown Webhook", "code": 10015}"#;
        assert!(matches!(judged(404, gone), DeliverError::Closed(text) if text.contains("Unknown Webhook")));
        assert!(matches!(judged(401, r#"{"code": 50027}"#), DeliverError::Closed(_)));
        let limited =
            judged(429, r#"{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}"#);
        assert!(matches!(limited, DeliverError::Answered { retry_after: Some(wait), .. } if wait.as_secs() == 64));
        for strange in [r#"{"retry_after": -1}"#, r#"{"retry_after": 1e300}"#, "<html>", r#"{"retry_after": "x"}"#] {
            assert!(matches!(judged(429, strange), DeliverError::Answered { status: 429, .. }), "{strange}");
        }
        assert!(matches!(judged(400, r#"{"code": 50006}"#), DeliverError::Answered { status: 400, .. }));
    }
}
