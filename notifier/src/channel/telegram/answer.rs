//! What an answer of the Bot API means.

use std::time::Duration;

use serde::Deserialize;

use crate::failure::DeliverError;
use crate::http::Answer;
use crate::http::RETRY_AFTER_MAX;
use crate::redaction::Redaction;

/// What an answer means for the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It was sent.
    Accepted,
    /// Its markup can't be read; what Telegram said.
    Unparsable(String),
    /// It was not sent, or that is unknown.
    Failed(DeliverError),
}

#[derive(Debug, Deserialize)]
struct Reply {
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Debug, Deserialize)]
struct Success {
    ok: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

/// Judges an answer. Telegram tells most faults apart by their text alone.
pub(crate) fn judge(answer: &Answer, redaction: &Redaction) -> Judgement {
    if answer.status.is_success() {
        return judge_success(answer, redaction);
    }
    let status = answer.status.as_u16();
    let Ok(Reply { description, parameters }) = serde_json::from_slice(&answer.body) else {
        // Not Telegram itself but something on the way: nothing is known about token or chat.
        let text = redaction.show(&format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)));
        return Judgement::Failed(DeliverError::Answered { status, retry_after: answer.retry_after, text });
    };
    let text = redaction.show(&format!("{status} {description}"));
    let said = |words: &str| description.to_ascii_lowercase().contains(words);
    if let Some(chat_id) = parameters.migrate_to_chat_id {
        return Judgement::Failed(DeliverError::Moved { chat_id, is_again: false });
    }
    Judgement::Failed(match status {
        400 if said("can't parse entities") => return Judgement::Unparsable(text),
        400 if said("chat not found") || said("message thread not found") => DeliverError::Closed(text),
        401 | 403 | 404 => DeliverError::Closed(text),
        429 | 500..=599 => {
            let asked = parameters.retry_after.map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
            DeliverError::Answered { status, retry_after: asked.or(answer.retry_after), text }
        }
        _ => DeliverError::Rejected(text),
    })
}

/// Judges an answer with a status of success. A login page of a network on the way has that, too.
fn judge_success(answer: &Answer, redaction: &Redaction) -> Judgement {
    let body = String::from_utf8_lossy(&answer.body);
    let is_refused = serde_json::from_str::<Success>(&body).is_ok_and(|success| !success.ok);
    if is_refused || body.trim_start().starts_with('<') {
        let text = redaction.show(&format!("{} {body}", answer.status));
        return Judgement::Failed(DeliverError::NoAnswer(format!("not Telegram's answer: {text}")));
    }
    Judgement::Accepted
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;

    #[derive(Deserialize)]
    struct Fixture {
        errors: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        class: String,
        status: u16,
        body: Option<serde_json::Value>,
        raw_body: Option<String>,
    }

    /// The fixture's name of a judgement.
    fn class(judgement: &Judgement) -> &'static str {
        match judgement {
            Judgement::Accepted => "accepted",
            Judgement::Unparsable(_) => "fallback_plain_once",
            Judgement::Failed(error) => match error {
                DeliverError::Rejected(_) => "permanent",
                DeliverError::Closed(text) if text.starts_with("401") || text.starts_with("404") => "disable_token",
                DeliverError::Closed(_) => "disable_recipient",
                DeliverError::Moved { chat_id: -1_009_876_543_210, .. } => "migrate_then_retry",
                DeliverError::Answered { status: 429, retry_after, .. }
                    if *retry_after == Some(Duration::from_secs(34)) =>
                {
                    "rate_limited"
                }
                DeliverError::Answered { .. } if error.is_in_doubt() => "unknown_outcome",
                _ => "unexpected",
            },
        }
    }

    #[test]
    fn every_known_answer_has_its_class() {
        let fixture: Fixture = serde_json::from_str(include_str!("../../../tests/fixtures/telegram.json")).unwrap();
        assert!(fixture.errors.len() > 10);
        for case in fixture.errors {
            let body = case.raw_body.unwrap_or_else(|| case.body.unwrap_or_default().to_string());
            let status = StatusCode::from_u16(case.status).unwrap();
            let answer = Answer { status, retry_after: None, body: body.clone().into_bytes() };
            assert_eq!(class(&judge(&answer, &Redaction::default())), case.class, "{body}");
        }
    }

    #[test]
    fn a_login_page_is_no_acceptance() {
        let judged = |body: &str| {
            let answer = Answer { status: StatusCode::OK, retry_after: None, body: body.into() };
            judge(&answer, &Redaction::default())
        };
        for page in ["<!doctype html><title>Log in</title>", "\n <html>", r#"{"ok":false}"#] {
            assert!(matches!(judged(page), Judgement::Failed(DeliverError::NoAnswer(_))), "{page}");
        }
        assert_eq!(judged(r#"{"ok":true,"result":{"message_id":7}}"#), Judgement::Accepted);
    }

    #[test]
    fn a_foreign_page_disables_nobody() {
        for page in ["<html>captive portal</html>", r#"{"message":"Forbidden"}"#, "{}", ""] {
            let answer = Answer { status: StatusCode::FORBIDDEN, retry_after: None, body: page.into() };
            let judged = judge(&answer, &Redaction::default());
            assert!(matches!(judged, Judgement::Failed(DeliverError::Answered { status: 403, .. })), "{judged:?}");
        }
    }
}
