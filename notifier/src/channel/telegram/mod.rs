//! Telegram: a message of the Bot API, with a picture where there is one in time.
//!
//! Owns the order of what is sent: a photo with the text as its caption; where that can't be, the text, and the picture
//! afterwards as a reply to it. Owns the chat's id, too, which can change.

mod answer;
mod call;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use candlewire_common::signal::Signal;
use tokio::time::timeout;

use crate::chart::{Charts, NoPicture};
use crate::failure::DeliverError;
use crate::http::Deadline;
use crate::message::{Content, Message, Picture};
use crate::text::{fit, fitted};
use answer::Judgement;
pub(crate) use call::Bot;
use call::Destination;

/// The most UTF-16 units of text in a message, markup not counted.
const TEXT_MAX: usize = 4_096;
/// The most UTF-16 units of a photo's caption.
const CAPTION_MAX: usize = 1_024;
/// How long an alert waits for its picture.
const PATIENCE: Duration = Duration::from_millis(800);

/// Where a recipient's messages go.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The chat's id or `@name`.
    pub(crate) chat: String,
    /// The topic within it, where it has topics.
    pub(crate) topic: Option<u32>,
}

/// A picture that was not there in time, or did not fit: it is still to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LatePicture {
    signal: Signal,
    headline: String,
    /// The message that it belongs to.
    reply_to: Option<i64>,
    is_silent: bool,
}

/// One chat of one bot.
pub(crate) struct Telegram {
    bot: Bot,
    address: Address,
    current: Mutex<String>,
    /// Whether the last answer was that the chat has moved.
    has_moved: AtomicBool,
    charts: Option<Arc<Charts>>,
}

impl Telegram {
    /// The chat at `address`, written to by `bot`; with pictures of `charts`, if given.
    pub(crate) fn new(bot: Bot, address: Address, charts: Option<Arc<Charts>>) -> Self {
        let (current, has_moved) = (Mutex::new(address.chat.clone()), AtomicBool::new(false));
        Self { bot, address, current, has_moved, charts }
    }

    /// Whether a message of these lines is whole.
    pub(crate) fn holds(lines: &[String]) -> bool {
        fit(lines, TEXT_MAX, char::len_utf16)
    }

    /// The chat's id as configured.
    pub(crate) fn configured_chat(&self) -> &str {
        &self.address.chat
    }

    /// Asks who the bot is, and for the chat. Nothing is sent to it.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn identify(&self, deadline: Deadline) -> Result<String, DeliverError> {
        let bot = self.bot.name(deadline).await?;
        let chat = self.bot.chat_name(&self.address.chat, deadline).await?;
        Ok(format!("bot {bot}, chat {chat}"))
    }

    /// Writes to this id from now on.
    pub(crate) fn move_to(&self, chat_id: String) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = chat_id;
    }

    /// Draws a signal's picture, if that can be done at once.
    pub(crate) async fn picture(&self, signal: &Signal) -> Picture {
        let Some(charts) = &self.charts else { return Picture::Absent };
        match timeout(PATIENCE, charts.picture(signal)).await {
            Ok(Ok(png)) => Picture::Ready(png),
            Ok(Err(reason)) => {
                tracing::debug!(signal.id = %signal.id, "alert {} has no picture: {reason}", signal.id);
                Picture::Absent
            }
            Err(_) => Picture::Late,
        }
    }

    /// Sends the message. Answers with its picture, where that is still to be sent.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] for every answer but an acceptance, and for none.
    pub(crate) async fn deliver(
        &self,
        message: &Message<'_>,
        deadline: Deadline,
    ) -> Result<Option<LatePicture>, DeliverError> {
        let lines = message.lines();
        let to = self.destination(message.is_silent, None);
        let late = match (message.picture, message.content) {
            (Picture::Ready(png), _) if fit(&lines, CAPTION_MAX, char::len_utf16) => {
                match self.send_photo(&to, &lines, png, deadline).await? {
                    None => return Ok(None),
                    Some(refusal) => tracing::debug!("a picture is refused, the text goes without: {refusal}"),
                }
                None
            }
            // It follows, also where its caption has not the room for the text.
            (Picture::Ready(_) | Picture::Late, Content::One(alert)) => Some(alert.signal.clone()),
            _ => None,
        };
        let reply_to = self.send_text(&to, &lines, deadline).await?;
        let headline = lines.into_iter().next().unwrap_or_default();
        Ok(late.map(|signal| LatePicture { signal, headline, reply_to, is_silent: message.is_silent }))
    }

    /// Draws a picture that is late.
    ///
    /// # Errors
    ///
    /// [`NoPicture`], and there will be none.
    pub(crate) async fn draw(&self, late: &LatePicture) -> Result<Arc<[u8]>, NoPicture> {
        match &self.charts {
            Some(charts) => charts.picture(&late.signal).await,
            None => Err(NoPicture::NotInHistory),
        }
    }

    /// Sends a picture that was late, as a reply to its message.
    ///
    /// # Errors
    ///
    /// [`DeliverError`] where it was not accepted. Nothing more is to be done then: the alert itself was.
    pub(crate) async fn send_late(
        &self,
        late: &LatePicture,
        png: &[u8],
        deadline: Deadline,
    ) -> Result<(), DeliverError> {
        let to = self.destination(late.is_silent, late.reply_to);
        match self.send_photo(&to, std::slice::from_ref(&late.headline), png, deadline).await? {
            None => Ok(()),
            Some(refusal) => Err(DeliverError::Rejected(refusal)),
        }
    }

    fn destination(&self, is_silent: bool, reply_to: Option<i64>) -> Destination {
        let chat = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Destination { chat, topic: self.address.topic, is_silent, reply_to }
    }

    /// Sends a photo with a caption. Answers with what was said where it is the photo, or its caption's markup, that is
    /// refused: the text alone may pass.
    async fn send_photo(
        &self,
        to: &Destination,
        lines: &[String],
        png: &[u8],
        deadline: Deadline,
    ) -> Result<Option<String>, DeliverError> {
        let caption = html(&fitted(lines, CAPTION_MAX, char::len_utf16));
        let exchange = self.bot.send_photo(to, &caption, png, deadline).await?;
        match exchange.judgement {
            Judgement::Unparsable(text) => Ok(Some(text)),
            // A proxy, or a Bot API of one's own, may know no photos; whether the bot is gone, the text will tell.
            Judgement::Failed(error)
                if !error.is_retryable() && (exchange.status == 404 || !matches!(error, DeliverError::Closed(_))) =>
            {
                Ok(Some(error.to_string()))
            }
            judgement => self.conclude(judgement).map(|()| None),
        }
    }

    /// Sends a text; where Telegram can't read the markup, once more without it. Answers with the message's id.
    async fn send_text(
        &self,
        to: &Destination,
        lines: &[String],
        deadline: Deadline,
    ) -> Result<Option<i64>, DeliverError> {
        let lines = fitted(lines, TEXT_MAX, char::len_utf16);
        let mut exchange = self.bot.send_message(to, &html(&lines), Some("HTML"), deadline).await?;
        if matches!(exchange.judgement, Judgement::Unparsable(_)) {
            exchange = self.bot.send_message(to, &lines.join("\n"), None, deadline).await?;
        }
        self.conclude(exchange.judgement).map(|()| exchange.message_id)
    }

    fn conclude(&self, judgement: Judgement) -> Result<(), DeliverError> {
        let is_move = matches!(judgement, Judgement::Failed(DeliverError::Moved { .. }));
        let had_moved = self.has_moved.swap(is_move, Ordering::Relaxed);
        match judgement {
            Judgement::Accepted => Ok(()),
            Judgement::Unparsable(text) => Err(DeliverError::Rejected(text)),
            Judgement::Failed(DeliverError::Moved { chat_id, .. }) => {
                Err(DeliverError::Moved { chat_id, is_again: had_moved })
            }
            Judgement::Failed(error) => Err(error),
        }
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
