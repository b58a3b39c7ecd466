//! Telegram: a message of the Bot API.
//!
//! Owns the message's text, the chat's id (which can change), and the pace. The bot's token is part
//! of the URL, which is therefore never shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use candlewire_common::time::UnixMillis;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Message;
use super::telegram_answer::{Judgement, judge};
use crate::failure::DeliverError;
use crate::http::{self, Deadline};
use crate::pace::Pace;
use crate::redaction::Redaction;
use crate::text::Lines;

/// The most UTF-16 units of text in a message, markup not counted.
const TEXT_MAX: usize = 4_096;

/// One chat of one bot.
pub(crate) struct Telegram {
    client: Client,
    url: Url,
    configured: String,
    current: Mutex<String>,
    /// Whether the last answer was that the chat has moved.
    has_moved: AtomicBool,
    pace: Pace,
    redaction: Redaction,
}

impl Telegram {
    /// The chat `chat_id`, written to through `url`, the bot's `sendMessage`.
    pub(crate) fn new(client: Client, url: Url, chat_id: String, pace: Pace, redaction: Redaction) -> Self {
        let (current, has_moved) = (Mutex::new(chat_id.clone()), AtomicBool::new(false));
        Self { client, url, current, has_moved, configured: chat_id, pace, redaction }
    }

    /// How long nothing may be sent to the chat.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.pace.wait(now)
    }

    /// The chat's id as configured.
    pub(crate) fn configured_chat(&self) -> &str {
        &self.configured
    }

    /// Writes to this id from now on.
    pub(crate) fn move_to(&self, chat_id: String) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = chat_id;
    }

    /// Sends the alert; where Telegram can't read the markup, once more without it.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn deliver(&self, message: Message<'_>, deadline: Deadline) -> Result<(), DeliverError> {
        self.pace.take(Instant::now()).map_err(DeliverError::Paced)?;
        let lines = rows(&Lines::of(message.alert, UnixMillis::now()), message.may_repeat);
        let judged = match self.send(&html(&lines), Some("HTML"), deadline).await? {
            Judgement::Unparsable(_) => self.send(&lines.join("\n"), None, deadline).await?,
            judged => judged,
        };
        let is_move = matches!(judged, Judgement::Failed(DeliverError::Moved { .. }));
        let had_moved = self.has_moved.swap(is_move, Ordering::Relaxed);
        match judged {
            Judgement::Accepted => Ok(()),
            Judgement::Failed(DeliverError::Moved { chat_id, .. }) => {
                Err(DeliverError::Moved { chat_id, is_again: had_moved })
            }
            Judgement::Unparsable(text) => Err(DeliverError::Rejected(self.redaction.show(&text))),
            Judgement::Failed(error) => {
                if let DeliverError::Answered { status: 429, retry_after: Some(wait), .. } = &error {
                    self.pace.close(Instant::now() + *wait);
                }
                Err(error)
            }
        }
    }

    async fn send(&self, text: &str, parse_mode: Option<&str>, deadline: Deadline) -> Result<Judgement, DeliverError> {
        let chat = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let chat_id = chat.parse::<i64>().map_or_else(|_| Value::from(chat), Value::from);
        let mut body = json!({ "chat_id": chat_id, "text": text, "link_preview_options": { "is_disabled": true } });
        if let Some(parse_mode) = parse_mode {
            body["parse_mode"] = parse_mode.into();
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = http::post(&self.client, &self.url, headers, body.to_string().into_bytes(), deadline).await;
        let answer = answer.map_err(|error| DeliverError::NoAnswer(self.redaction.show(&error.to_string())))?;
        Ok(judge(&answer, &self.redaction))
    }
}

/// The message's lines, cut to what fits before any markup is added.
fn rows(lines: &Lines, may_repeat: bool) -> Vec<String> {
    let Lines { headline, levels, context } = lines.clone();
    let note = may_repeat.then(|| "may repeat an earlier message".to_owned());
    let mut room = TEXT_MAX;
    let all = [Some(headline), levels, Some(context), note].into_iter().flatten();
    all.map_while(|line| {
        let line = truncated(&line, room);
        room = room.saturating_sub(line.encode_utf16().count() + 1);
        (!line.is_empty()).then_some(line)
    })
    .collect()
}

fn truncated(text: &str, units: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += c.len_utf16();
            used <= units
        })
        .collect()
}

/// The first line bold, and everything escaped.
fn html(rows: &[String]) -> String {
    let escaped = |text: &String| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut lines = rows.iter().map(escaped);
    let first = lines.next().map(|line| format!("<b>{line}</b>"));
    first.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::sample;

    fn message(strategy: &str, may_repeat: bool) -> String {
        let mut signal = sample::signal();
        strategy.clone_into(&mut signal.strategy);
        let now = signal.close_time().after(Duration::from_mins(4));
        html(&rows(&Lines::of(&Alert::of(signal), now), may_repeat))
    }

    #[test]
    fn the_first_line_is_bold_and_tells_all() {
        assert_eq!(
            message("golden-cross", true),
            "<b>🟢 BUY BTCUSDT 1h · golden-cross · 42 001.37</b>\n\
             stop 41 760.37 · target 42 362.87 · R/R 1.5 · ATR 120.50\n\
             binance · candle closed 2026-11-21 21:00 UTC · LATE 4 m\n\
             may repeat an earlier message"
        );
    }

    #[test]
    fn markup_in_a_name_is_escaped() {
        let text = message("<b>a & b", false);
        assert!(text.contains(" · &lt;b&gt;a &amp; b · "), "{text}");
    }

    #[test]
    fn text_is_cut_in_utf16_units_before_markup() {
        let lines = Lines { headline: "🟢".repeat(2_047), levels: Some("ab".to_owned()), context: "c".to_owned() };
        let rows = rows(&lines, false);
        assert_eq!(rows, ["🟢".repeat(2_047), "a".to_owned()]);
        assert_eq!(rows.join("\n").encode_utf16().count(), TEXT_MAX);
        assert_eq!(truncated("a🟢b", 2), "a");
    }
}
