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

use crate::failure::DeliverError;
use crate::http::Deadline;
use crate::message::{Content, Message, Picture};

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
