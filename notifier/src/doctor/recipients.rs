//! The recipients: whether each can work as it is configured, and be reached.

use std::time::Duration;

use candlewire_common::config::{RecipientConfig, RecipientKind, SecretSource};
use candlewire_common::doctor::{Finding, Report, secret_file};
use secrecy::ExposeSecret as _;
use url::Url;

use super::reach;
use crate::channel::Channel;
use crate::http::Deadline;
use crate::recipient::{Recipient, Surroundings};

/// How long a server may take at most: a person waits.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

/// Looks at all of them. Answers with those that can work.
pub(super) async fn look(recipients: Vec<RecipientConfig>, timeout: Duration, report: &mut Report) -> Vec<Recipient> {
    let (mut surroundings, mut open) = (Surroundings::default(), Vec::new());
    for config in recipients {
        let subject = format!("recipient {}", config.name);
        for secret in secrets(&config.kind) {
            if let Some(finding) = secret_file::look(&subject, secret) {
                report.add(&finding);
            }
        }
        let (url, allow_private) = (url(&config.kind), config.allow_private);
        match Recipient::open(config, &mut surroundings) {
            Ok(recipient) => {
                let patience = timeout.min(PATIENCE_MAX);
                report.add(&reachability(subject, &recipient.channel, url.as_ref(), allow_private, patience).await);
                open.push(recipient);
            }
            Err(fault) => report.add(&Finding::fault(subject, fault.to_string())),
        }
    }
    open
}

async fn reachability(
    subject: String,
    channel: &Channel,
    url: Option<&Url>,
    allow_private: bool,
    patience: Duration,
) -> Finding {
    let kind = channel.kind();
    if let Channel::Telegram(telegram) = channel {
        return match telegram.identify(Deadline::after(patience)).await {
            Ok(names) => Finding::ok(subject, format!("{kind}, {names}")),
            Err(error) => {
                let advice = "are bot_token and chat_id right, is the bot a member of the chat, is there a way out?";
                Finding::fault(subject, format!("{kind}: {error}: {advice}"))
            }
        };
    }
    let Some(url) = url else { return Finding::ok(subject, format!("{kind}, on standard output")) };
    match reach::connect(url, allow_private, patience).await {
        Ok(took) => {
            let way = if url.scheme() == "https" { "its TLS answers" } else { "its port answers, unencrypted," };
            let detail = format!("{kind}, {way} in {} ms; `notifier test` sends a test alert", took.as_millis());
            Finding::ok(subject, detail)
        }
        Err(unreached) => Finding::fault(subject, format!("{kind}: {unreached}")),
    }
}

/// Where a recipient of this kind is, if that can be read; opening it says why not.
fn url(kind: &RecipientKind) -> Option<Url> {
    match kind {
        RecipientKind::Webhook { url, .. }
        | RecipientKind::Discord { url }
        | RecipientKind::Slack { url }
        | RecipientKind::Ntfy { url, .. } => url.read().ok()?.expose_secret().trim().parse().ok(),
        RecipientKind::Telegram { .. } | RecipientKind::Console => None,
    }
}

/// Everything about it that is secret.
fn secrets(kind: &RecipientKind) -> Vec<&SecretSource> {
    match kind {
        RecipientKind::Webhook { url, secrets } => [url].into_iter().chain(secrets).collect(),
        RecipientKind::Telegram { bot_token, .. } => vec![bot_token],
        RecipientKind::Discord { url } | RecipientKind::Slack { url } => vec![url],
        RecipientKind::Ntfy { url, token } => [url].into_iter().chain(token).collect(),
        RecipientKind::Console => Vec::new(),
    }
}
