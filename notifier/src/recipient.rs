//! Recipients: who is told, and the way to them.
//!
//! Owns turning a configured recipient into a channel, once, at start: secrets are read here, and
//! what can never work is refused with a line that names the key. After that no secret is asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use candlewire_common::config::{ConfigError, RecipientConfig, RecipientKind, SecretSource};
use candlewire_common::exit::Fault;
use candlewire_common::signal::Signal;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use crate::address::is_private_literal;
use crate::channel::{Channel, Console, Telegram, Webhook};
use crate::http::Clients;
use crate::pace::Paces;
use crate::redaction::Redaction;
use crate::signature::Signer;

/// One recipient, ready to be sent to.
pub(crate) struct Recipient {
    config: RecipientConfig,
    /// The way to it.
    pub(crate) channel: Channel,
    /// Tells one configuration from another, secrets included, without giving them away.
    pub(crate) fingerprint: String,
}

/// What recipients share.
#[derive(Default)]
pub(crate) struct Surroundings {
    clients: Clients,
    paces: Paces,
}

impl Recipient {
    /// Opens the way to a configured recipient. Nothing is sent or resolved yet.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`], naming the key that can't work. Never quotes a secret.
    pub(crate) fn open(config: RecipientConfig, surroundings: &mut Surroundings) -> Result<Self, Fault> {
        let mut digest = Sha256::new();
        // Debug output hides secrets, which are therefore added one by one.
        digest.update(format!("{config:?}"));
        let channel = match &config.kind {
            RecipientKind::Webhook { url, secrets } => webhook(&config, url, secrets, surroundings, &mut digest)?,
            RecipientKind::Telegram { bot_token, chat_id, api_base } => {
                telegram(&config, (bot_token, chat_id, api_base), surroundings, &mut digest)?
            }
            RecipientKind::Console => Channel::Console(Console),
        };
        let fingerprint = STANDARD_NO_PAD.encode(digest.finalize());
        Ok(Self { config, channel, fingerprint })
    }

    /// The configured name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether its filters let a signal through.
    pub(crate) fn wants(&self, signal: &Signal) -> bool {
        self.config.wants(signal)
    }
}

fn webhook(
    config: &RecipientConfig,
    url: &SecretSource,
    secrets: &[SecretSource],
    surroundings: &mut Surroundings,
    digest: &mut Sha256,
) -> Result<Channel, Fault> {
    let text = read(config, "url", url, digest)?;
    let url = text.expose_secret().trim().parse::<Url>().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| refused(config, "url", "not an http:// or https:// URL"))?;
    vet(config, "url", &url)?;
    let secrets: Vec<SecretString> =
        secrets.iter().map(|secret| read(config, "secret", secret, digest)).collect::<Result<_, _>>()?;
    let signer = Signer::new(&secrets).map_err(|error| refused(config, "secret", &error.to_string()))?;
    let client = surroundings.clients.for_url(&url, config.allow_private)?;
    let redaction = Redaction::new(&url, secrets);
    Ok(Channel::Webhook(Webhook::new(client, url, signer, redaction)))
}

fn telegram(
    config: &RecipientConfig,
    (bot_token, chat_id, api_base): (&SecretSource, &str, &Url),
    surroundings: &mut Surroundings,
    digest: &mut Sha256,
) -> Result<Channel, Fault> {
    let token = read(config, "bot_token", bot_token, digest)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-');
    if token.expose_secret().is_empty() || !token.expose_secret().bytes().all(allowed) {
        return Err(refused(config, "bot_token", "not a bot's token, which looks like 123456:ABC-DEF"));
    }
    vet(config, "api_base", api_base)?;
    let base = api_base.as_str().trim_end_matches('/');
    let url = format!("{base}/bot{}/sendMessage", token.expose_secret());
    let url = url.parse::<Url>().map_err(|_| refused(config, "api_base", "no URL with the token in it"))?;
    let client = surroundings.clients.for_url(&url, config.allow_private)?;
    let pace = surroundings.paces.of_chat(token.expose_secret(), chat_id);
    let redaction = Redaction::new(&url, [token]);
    Ok(Channel::Telegram(Telegram::new(client, url, chat_id.to_owned(), pace, redaction)))
}

fn read(
    config: &RecipientConfig,
    key: &str,
    source: &SecretSource,
    digest: &mut Sha256,
) -> Result<SecretString, Fault> {
    let secret = source.read().map_err(|error: ConfigError| refused(config, key, &error.to_string()))?;
    digest.update([0]);
    digest.update(secret.expose_secret());
    Ok(secret)
}

fn vet(config: &RecipientConfig, key: &str, url: &Url) -> Result<(), Fault> {
    if !config.allow_private && is_private_literal(url) {
        return Err(refused(config, key, "a loopback or private address, which needs allow_private = true"));
    }
    Ok(())
}

fn refused(config: &RecipientConfig, key: &str, what: &str) -> Fault {
    Fault::Usage(format!("recipients.{}.{key}: {what}", config.name))
}
