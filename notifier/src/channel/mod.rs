//! Channels: the ways in which an alert leaves.
//!
//! A channel makes one attempt and says what it met. It keeps no queue, no pace, and decides nothing about
//! further attempts.

mod console;
mod discord;
mod ntfy;
mod slack;
mod telegram;
mod webhook;

use std::time::Duration;

use candlewire_common::signal::Signal;
pub(crate) use console::Console;
pub(crate) use discord::Discord;
pub(crate) use ntfy::Ntfy;
pub(crate) use slack::Slack;
pub(crate) use telegram::{Address, Bot, LatePicture, Telegram};
pub(crate) use webhook::Webhook;

use crate::alert::Alert;
use crate::failure::DeliverError;
use crate::http::Deadline;
use crate::message::{Content, Message, Picture, Wording};

/// The way to one recipient.
pub(crate) enum Channel {
    /// Standard Webhooks over HTTP.
    Webhook(Webhook),
    /// The Telegram Bot API.
    Telegram(Telegram),
    /// A webhook of a Discord channel.
    Discord(Discord),
    /// An incoming webhook of a Slack channel.
    Slack(Slack),
    /// A topic of ntfy.
    Ntfy(Ntfy),
    /// Standard output.
    Console(Console),
}

impl Channel {
    /// The metrics' name of its kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Telegram(_) => "telegram",
            Self::Discord(_) => "discord",
            Self::Slack(_) => "slack",
            Self::Ntfy(_) => "ntfy",
            Self::Console(_) => "console",
        }
    }

    /// How many attempts may be under way at once.
    pub(crate) fn concurrency(&self) -> usize {
        match self {
            Self::Webhook(_) => 8,
            // One after the other, so that people read them in order.
            _ => 1,
        }
    }

    /// How many of these alerts, the first ones, a digest can tell whole. At least one.
    pub(crate) fn digestible(&self, alerts: &[Alert], wording: &Wording) -> usize {
        let holds: fn(&[String]) -> bool = match self {
            // It takes one alert at a time.
            Self::Webhook(_) => return 1,
            Self::Telegram(_) => Telegram::holds,
            Self::Discord(_) => Discord::holds,
            Self::Slack(_) => Slack::holds,
            Self::Ntfy(_) => Ntfy::holds,
            Self::Console(_) => return alerts.len(),
        };
        let is_whole = |count: &usize| {
            let content = Content::Digest(&alerts[..*count]);
            // With the longest note there may be.
            let message = Message { content, wording, may_repeat: true, is_silent: false, picture: &Picture::Absent };
            holds(&message.lines())
        };
        (2..=alerts.len()).rev().find(is_whole).unwrap_or(1)
    }

    /// What is to come with a signal's alert, as far as that is known at once.
    pub(crate) async fn picture(&self, signal: &Signal) -> Picture {
        match self {
            Self::Telegram(telegram) => telegram.picture(signal).await,
            _ => Picture::Absent,
        }
    }

    /// Makes one attempt, within `timeout`. Dropped half-way, its outcome is unknown. Answers with a picture that is still
    /// to be sent.
    ///
    /// # Errors
    ///
    /// [`DeliverError`], which decides what follows.
    pub(crate) async fn deliver(
        &self,
        message: &Message<'_>,
        timeout: Duration,
    ) -> Result<Option<LatePicture>, DeliverError> {
        let deadline = Deadline::after(timeout);
        let delivered = match (self, message.content) {
            (Self::Telegram(telegram), _) => return telegram.deliver(message, deadline).await,
            (Self::Webhook(webhook), Content::One(alert)) => webhook.deliver(alert, deadline).await,
            (Self::Webhook(_), Content::Digest(_)) => {
                Err(DeliverError::Rejected("a webhook takes no digests".to_owned()))
            }
            (Self::Discord(discord), _) => discord.deliver(message, deadline).await,
            (Self::Slack(slack), _) => slack.deliver(message, deadline).await,
            (Self::Ntfy(ntfy), _) => ntfy.deliver(message, deadline).await,
            (Self::Console(console), _) => console.deliver(message, timeout).await,
        };
        delivered.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use candlewire_common::config::Config;

    use super::*;
    use crate::recipient::{Recipient, Surroundings};
    use crate::sample;

    fn recipient(kind: &str) -> Option<Recipient> {
        let keys = match kind {
            "telegram" => "bot_token = \"1:a\"\nchat_id = 7\napi_base = \"http://example.com\"",
            _ => "url = \"http://example.com/topic\"",
        };
        let text = format!("[[recipients]]\nname = \"r\"\nkind = \"{kind}\"\n{keys}");
        let config = Config::from_text(&text, None, &[]).ok()?.recipients.pop()?;
        Recipient::open(config, &mut Surroundings::default()).ok()
    }

    #[test]
    fn a_digest_tells_no_more_than_there_is_room_for() {
        candlewire_common::tls::install();
        let alerts = |strategy: &str| -> Vec<Alert> {
            let mut signal = sample::signal();
            strategy.clone_into(&mut signal.strategy);
            vec![Alert::of(signal); 25]
        };
        for (strategy, expected) in [
            ("golden-cross", [("telegram", 25), ("discord", 25), ("slack", 25), ("ntfy", 25)]),
            (
                "binance-majors-golden-cross-ema50-ema200",
                [("telegram", 25), ("discord", 19), ("slack", 25), ("ntfy", 25)],
            ),
            (&"*_".repeat(32), [("telegram", 25), ("discord", 12), ("slack", 25), ("ntfy", 25)]),
            (&"ไ".repeat(64), [("telegram", 25), ("discord", 21), ("slack", 25), ("ntfy", 17)]),
        ] {
            for (kind, expected) in expected {
                let Some(recipient) = recipient(kind) else { panic!("{kind} is refused") };
                let told = recipient.channel.digestible(&alerts(strategy), &recipient.wording);
                assert_eq!(told, expected, "{strategy} to {kind}");
            }
        }
    }
}
