//! `notifier test`: one marked alert to one recipient, at once, without Redis.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::time::{UnixMicros, UnixMillis};
use tokio::time::sleep;

use super::unknown;
use crate::alert::Alert;
use crate::channel::Channel;
use crate::failure::DeliverError;
use crate::message::{Content, Message, Picture};
use crate::recipient::{Recipient, Surroundings};

/// Sends the alert to the recipient called `name`.
///
/// # Errors
///
/// [`Fault::Usage`] when there is no such recipient, [`Fault::Unreachable`] with its answer when it did
/// not accept.
pub(crate) async fn run(args: &GlobalArgs, name: &str) -> Result<Outcome> {
    let mut config = args.load()?;
    let known: Vec<&str> = config.recipients.iter().map(|recipient| recipient.name.as_str()).collect();
    let Some(at) = known.iter().position(|known| *known == name) else { return Err(unknown(name, &known).into()) };
    let found = config.recipients.swap_remove(at);
    let recipient = Recipient::open(found, &mut Surroundings::default())?;
    let alert = Alert::test(UnixMicros::now()).context("make a test alert")?;
    let is_silent = recipient.is_silent(UnixMillis::now());
    let message = Message {
        content: Content::One(&alert),
        wording: &recipient.wording,
        may_repeat: false,
        is_silent,
        picture: &Picture::Absent,
    };
    let outcome = tokio::select! {
        outcome = deliver(&recipient.channel, &message, config.delivery.timeout) => outcome,
        _ = tokio::signal::ctrl_c() => return Ok(Outcome::Interrupted),
    };
    outcome.map_err(|error| Fault::Unreachable(format!("{name} did not accept the test alert: {error}")))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{name} accepted the test alert").context("print the outcome")?;
    Ok(Outcome::Done)
}

/// Makes one attempt; follows a chat that has moved.
async fn deliver(channel: &Channel, message: &Message<'_>, timeout: Duration) -> Result<(), DeliverError> {
    let mut outcome = channel.deliver(message, timeout).await;
    if let (Err(DeliverError::Moved { chat_id, .. }), Channel::Telegram(telegram)) = (&outcome, channel) {
        tracing::warn!("the chat has moved; configure chat_id = {chat_id}");
        telegram.move_to(chat_id.to_string());
        // A chat takes one message a second.
        sleep(Duration::from_secs(1)).await;
        outcome = channel.deliver(message, timeout).await;
    }
    outcome.map(drop)
}
