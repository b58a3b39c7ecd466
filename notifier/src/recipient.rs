//! Recipients: who is told, and the way to them.
//!
//! Owns turning a configured recipient into a channel, once, at start: secrets are read here, and
//! what can never work is refused with a line that names the key. After that no secret is asked for.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use candlewire_common::config::{ConfigError, QuietHours, QuietManner, RecipientConfig, RecipientKind, SecretSource};
use candlewire_common::exit::Fault;
use candlewire_common::signal::Signal;
use candlewire_common::time::UnixMillis;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use url::Url;

use crate::address::is_private_literal;
use crate::alert::Alert;
use crate::channel::{Address, Bot, Channel, Console, Discord, Ntfy, Slack, Telegram, Webhook};
use crate::chart::Charts;
use crate::http::Clients;
use crate::message::Wording;
use crate::queue::Window;
use crate::redaction::Redaction;
use crate::signature::Signer;
use crate::template::Template;

/// More alerts than the recipient's rate lets through within this are a burst.
const BURST: Duration = Duration::from_secs(10);
/// For how long after quiet hours what waited is sent as digests.
const AFTERWARDS: Duration = Duration::from_mins(5);

/// One recipient, ready to be sent to.
pub(crate) struct Recipient {
    config: RecipientConfig,
    /// The way to it.
    pub(crate) channel: Channel,
    /// How it wants its texts.
    pub(crate) wording: Wording,
    /// What limits how fast it is written to.
    pub(crate) windows: Vec<Window>,
    /// Tells one configuration from another, secrets included, without giving them away.
    pub(crate) fingerprint: String,
}

/// What recipients share.
#[derive(Default)]
pub(crate) struct Surroundings {
    clients: Clients,
    console: Console,
    /// What draws; `None`: alerts come without pictures.
    pub(crate) charts: Option<Arc<Charts>>,
}

impl Recipient {
    /// Opens the way to a configured recipient. Nothing is sent or resolved yet.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`], naming the key that can't work. Never quotes a secret.
    pub(crate) fn open(config: RecipientConfig, surroundings: &mut Surroundings) -> Result<Self, Fault> {
        let mut opening = Opening { config: &config, surroundings, digest: Sha256::new(), windows: Vec::new() };
        // Debug output hides secrets, which are therefore added one by one.
        opening.digest.update(format!("{config:?}"));
        let channel = opening.channel()?;
        let Opening { digest, mut windows, .. } = opening;
        let own = config.rate.map(|rate| Window::new(&["recipient", &config.name], rate.count, rate.span));
        windows.extend(own);
        let fingerprint = STANDARD_NO_PAD.encode(digest.finalize());
        let wording = Wording { template: template(&config)? };
        Ok(Self { config, channel, wording, windows, fingerprint })
    }

    /// The configured name.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// Whether its filters let a signal through.
    pub(crate) fn wants(&self, signal: &Signal) -> bool {
        self.config.wants(signal)
    }

    /// When it wants to be left alone.
    pub(crate) fn quiet(&self) -> Option<&QuietHours> {
        self.config.quiet.as_ref()
    }

    /// Until when nothing is sent to it, if it is so now.
    pub(crate) fn held_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.quiet().filter(|quiet| quiet.manner != QuietManner::Silent)?.ends_after(now)
    }

    /// Whether what it gets now makes no sound.
    pub(crate) fn is_silent(&self, now: UnixMillis) -> bool {
        let is_quiet = |quiet: &QuietHours| quiet.manner == QuietManner::Silent && quiet.ends_after(now).is_some();
        self.config.silent || self.quiet().is_some_and(is_quiet)
    }

    /// How many attempts may be under way at once.
    pub(crate) fn concurrency(&self) -> usize {
        // What has to keep a pace goes one after the other, or its order would be lost.
        if self.windows.is_empty() { self.channel.concurrency() } else { 1 }
    }

    /// With how many more alerts due they are sent as one message; `None`: never.
    pub(crate) fn digest_over(&self, now: UnixMillis) -> Option<u32> {
        let quiet = self.quiet().filter(|quiet| quiet.manner == QuietManner::Digest);
        let before = UnixMillis(now.0.saturating_sub(i64::try_from(AFTERWARDS.as_millis()).unwrap_or_default()));
        if quiet.is_some_and(|quiet| !quiet.within(before, now).is_zero()) {
            return Some(1);
        }
        let burst = self.windows.iter().map(|window| window.within(BURST)).min();
        burst.filter(|_| self.config.digest)
    }
}

fn template(config: &RecipientConfig) -> Result<Option<Template>, Fault> {
    let Some(text) = &config.template else { return Ok(None) };
    let example = Alert::test(candlewire_common::time::UnixMicros::now());
    let example = example.ok_or_else(|| refused(config, "template", "there is no example to try it on"))?;
    let template = Template::read(text, &example.signal);
    template.map(Some).map_err(|error| refused(config, "template", &error.to_string()))
}

/// A recipient that is being opened.
struct Opening<'a> {
    config: &'a RecipientConfig,
    surroundings: &'a mut Surroundings,
    digest: Sha256,
    /// The limits of the service that it is reached through.
    windows: Vec<Window>,
}

impl Opening<'_> {
    fn channel(&mut self) -> Result<Channel, Fault> {
        Ok(match &self.config.kind {
            RecipientKind::Webhook { url, secrets } => Channel::Webhook(self.webhook(url, secrets)?),
            RecipientKind::Telegram { bot_token, chat_id, message_thread_id, chart, api_base } => {
                let address = Address { chat: chat_id.clone(), topic: *message_thread_id };
                let bot = self.bot(bot_token, &address, api_base)?;
                let charts = self.surroundings.charts.clone().filter(|_| *chart);
                Channel::Telegram(Telegram::new(bot, address, charts))
            }
            RecipientKind::Discord { url } => {
                let url = self.url(url)?;
                self.limit(&["discord", url.as_str()], 5, Duration::from_secs(2));
                self.limit(&["discord", url.as_str()], 30, Duration::from_mins(1));
                Channel::Discord(Discord::new(self.client(&url)?, url.clone(), Redaction::new(&url, [])))
            }
            RecipientKind::Slack { url } => {
                let url = self.url(url)?;
                self.limit(&["slack", url.as_str()], 1, Duration::from_secs(1));
                Channel::Slack(Slack::new(self.client(&url)?, url.clone(), Redaction::new(&url, [])))
            }
            RecipientKind::Ntfy { url, token } => {
                let url = self.url(url)?;
                let token = token.as_ref().map(|token| self.read("token", token)).transpose()?;
                let is_sendable =
                    |token: &SecretString| token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic());
                if token.as_ref().is_some_and(|token| !is_sendable(token)) {
                    return Err(refused(self.config, "token", "not an access token, which looks like tk_…"));
                }
                let redaction = Redaction::new(&url, token.clone());
                Channel::Ntfy(Ntfy::new(self.client(&url)?, url, token, redaction))
            }
            RecipientKind::Console => Channel::Console(self.surroundings.console.clone()),
        })
    }

    fn webhook(&mut self, url: &SecretSource, secrets: &[SecretSource]) -> Result<Webhook, Fault> {
        let url = self.url(url)?;
        let secrets: Vec<SecretString> =
            secrets.iter().map(|secret| self.read("secret", secret)).collect::<Result<_, _>>()?;
        let signer = Signer::new(&secrets).map_err(|error| refused(self.config, "secret", &error.to_string()))?;
        let redaction = Redaction::new(&url, secrets);
        Ok(Webhook::new(self.client(&url)?, url, signer, redaction))
    }

    /// The Bot API's limits: 1 message a second for a chat, in a group also 20 a minute, and 30 a second for the bot.
    fn bot(&mut self, bot_token: &SecretSource, address: &Address, api_base: &Url) -> Result<Bot, Fault> {
        let token = self.read("bot_token", bot_token)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-');
        if token.expose_secret().is_empty() || !token.expose_secret().bytes().all(allowed) {
            return Err(refused(self.config, "bot_token", "not a bot's token, which looks like 123456:ABC-DEF"));
        }
        self.vet("api_base", api_base)?;
        let base = api_base.as_str().trim_end_matches('/');
        let base = format!("{base}/bot{}", token.expose_secret());
        let no_url = |_| refused(self.config, "api_base", "no URL with the token in it");
        let url = base.parse::<Url>().map_err(no_url)?;
        let chat = ["telegram", token.expose_secret(), &address.chat];
        self.limit(&chat, 1, Duration::from_secs(1));
        // Groups have negative numbers, channels names.
        if address.chat.starts_with(['-', '@']) {
            self.limit(&chat, 20, Duration::from_mins(1));
        }
        self.limit(&chat[..2], 30, Duration::from_secs(1));
        let client = self.client(&url)?;
        let redaction = Redaction::new(&url, [token.clone()]);
        Bot::new(client, &base, redaction).map_err(no_url)
    }

    fn limit(&mut self, way: &[&str], count: u32, span: Duration) {
        self.windows.push(Window::new(way, count, span));
    }

    fn client(&mut self, url: &Url) -> Result<reqwest::Client, Fault> {
        self.surroundings.clients.for_url(url, self.config.allow_private)
    }

    fn url(&mut self, source: &SecretSource) -> Result<Url, Fault> {
        let text = self.read("url", source)?;
        let url = text.expose_secret().trim().parse::<Url>().ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| refused(self.config, "url", "not an http:// or https:// URL"))?;
        self.vet("url", &url)?;
        Ok(url)
    }

    fn read(&mut self, key: &str, source: &SecretSource) -> Result<SecretString, Fault> {
        let secret = source.read().map_err(|error: ConfigError| refused(self.config, key, &error.to_string()))?;
        self.digest.update([0]);
        self.digest.update(secret.expose_secret());
        Ok(secret)
    }

    fn vet(&self, key: &str, url: &Url) -> Result<(), Fault> {
        if !self.config.allow_private && is_private_literal(url) {
            return Err(refused(self.config, key, "a loopback or private address, which needs allow_private = true"));
        }
        Ok(())
    }
}

fn refused(config: &RecipientConfig, key: &str, what: &str) -> Fault {
    Fault::Usage(format!("recipients.{}.{key}: {what}", config.name))
}
