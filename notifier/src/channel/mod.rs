//! Channels: the ways in which an alert leaves.
//!
//! A channel makes one attempt and says what it met. It keeps no queue and decides nothing about
//! further attempts.

mod console;
mod telegram;
mod telegram_answer;
mod webhook;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use console::Console;
pub(crate) use telegram::Telegram;
pub(crate) use webhook::Webhook;

use crate::alert::Alert;
use crate::failure::DeliverError;
use crate::http::Deadline;

/// What is to be sent in one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The alert.
    pub(crate) alert: &'a Alert,
    /// Whether it may have arrived before, in an attempt whose end is unknown.
    pub(crate) may_repeat: bool,
}

/// The way to one recipient.
pub(crate) enum Channel {
    /// Standard Webhooks over HTTP.
    Webhook(Webhook),
    /// The Telegram Bot API.
    Telegram(Telegram),
    /// Standard output.
    Console(Console),
}

impl Channel {
    /// The metrics' name of its kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Telegram(_) => "telegram",
            Self::Console(_) => "console",
        }
    }

    /// How many attempts may be under way at once.
    pub(crate) fn concurrency(&self) -> usize {
        match self {
            Self::Webhook(_) => 8,
            // One after the other, so that people read them in order.
            Self::Telegram(_) | Self::Console(_) => 1,
        }
    }

    /// How long the channel's limits forbid another attempt.
    pub(crate) fn wait(&self) -> Duration {
        match self {
            Self::Telegram(telegram) => telegram.wait(Instant::now()),
            Self::Webhook(_) | Self::Console(_) => Duration::ZERO,
        }
    }

    /// Makes one attempt, within `timeout`. Dropped half-way, its outcome is unknown.
    ///
    /// # Errors
    ///
    /// [`DeliverError`], which decides what follows.
    pub(crate) async fn deliver(&self, message: Message<'_>, timeout: Duration) -> Result<(), DeliverError> {
        match self {
            Self::Webhook(webhook) => webhook.deliver(message, Deadline::after(timeout)).await,
            Self::Telegram(telegram) => telegram.deliver(message, Deadline::after(timeout)).await,
            Self::Console(console) => console.deliver(message, timeout).await,
        }
    }
}
