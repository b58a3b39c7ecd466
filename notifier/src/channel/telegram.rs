//! Telegram: a message of the Bot API.
//!
//! Owns the message's text and the chat's id, which can change. The bot's token is part of the URL, which is
//! therefore never shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use reqwest::{Client, Url};
use serde_json::{Value, json};

use super::telegram_answer::{Judgement, judge};
use crate::failure::DeliverError;
use crate::http::{self, Deadline};
use crate::message::Message;
use crate::redaction::Redaction;
use crate::text::fitted;

/// The most UTF-16 units of text in a message, markup not counted.
const TEXT_MAX: usize = 4_096;

/// Where a recipient's messages go.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The chat's id or `@name`.
    pub(crate) chat: String,
    /// The topic within it, where it has topics.
    pub(crate) topic: Option<u32>,
}

/// One chat of one bot.
pub(crate) struct Telegram {
    client: Client,
    url: Url,
    address: Address,
    current: Mutex<String>,
    /// Whether the last answer was that the chat has moved.
    has_moved: AtomicBool,
    redaction: Redaction,
}

impl Telegram {
    /// The chat at `address`, written to through `url`, the bot's `sendMessage`.
    pub(crate) fn new(client: Client, url: Url, address: Address, redaction: Redaction) -> Self {
        let (current, has_moved) = (Mutex::new(address.chat.clone()), AtomicBool::new(false));
        Self { client, url, address, current, has_moved, redaction }
    }

    /// The chat's id as configured.
    pub(crate) fn configured_chat(&self) -> &str {
        &self.address.chat
    }

    /// Writes to this id from now on.
    pub(crate) fn move_to(&self, chat_id: String) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = chat_id;
    }

    /// Sends the message; where Telegram can't read the markup, once more without it.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn deliver(&self, message: &Message<'_>, deadline: Deadline) -> Result<(), DeliverError> {
        let lines = fitted(&message.lines(), TEXT_MAX, char::len_utf16);
        let judged = match self.send(&html(&lines), Some("HTML"), message.is_silent, deadline).await? {
            Judgement::Unparsable(_) => self.send(&lines.join("\n"), None, message.is_silent, deadline).await?,
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
            Judgement::Failed(error) => Err(error),
        }
    }

    async fn send(
        &self,
        text: &str,
        parse_mode: Option<&str>,
        is_silent: bool,
        deadline: Deadline,
    ) -> Result<Judgement, DeliverError> {
        let chat = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let chat_id = chat.parse::<i64>().map_or_else(|_| Value::from(chat), Value::from);
        let mut body = json!({ "chat_id": chat_id, "text": text, "link_preview_options": { "is_disabled": true } });
        if let Some(parse_mode) = parse_mode {
            body["parse_mode"] = parse_mode.into();
        }
        if let Some(topic) = self.address.topic {
            body["message_thread_id"] = topic.into();
        }
        if is_silent {
            body["disable_notification"] = true.into();
        }
        let answer = http::post_json(&self.client, &self.url, &body, deadline).await;
        let answer = answer.map_err(|error| DeliverError::no_answer(&error, &self.redaction))?;
        Ok(judge(&answer, &self.redaction))
    }
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
    use std::time::Duration;

    use super::*;
    use crate::alert::Alert;
    use crate::sample;
    use crate::text::Text;

    fn message(strategy: &str, may_repeat: bool) -> String {
        let mut signal = sample::signal();
        strategy.clone_into(&mut signal.strategy);
        let now = signal.close_time().after(Duration::from_mins(4));
        html(&Text::of(&Alert::of(signal), now).lines(may_repeat))
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
        let lines = ["🟢".repeat(2_047), "ab".to_owned(), "c".to_owned()];
        let rows = fitted(&lines, TEXT_MAX, char::len_utf16);
        assert_eq!(rows, ["🟢".repeat(2_047), "a".to_owned()]);
        assert_eq!(rows.join("\n").encode_utf16().count(), TEXT_MAX);
    }
}
