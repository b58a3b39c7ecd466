//! `[[recipients]]`: who receives which alerts, and the secrets that takes.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::error::{ConfigError, Key, Problem};
use super::lenient::{Scalar, Texts};
use super::source::base_url;
use super::strategy::{check_name, patterns};
use crate::pattern::{SeriesPattern, glob};
use crate::signal::{Direction, Signal};

/// One recipient of alerts.
#[derive(Debug)]
pub struct RecipientConfig {
    /// The name that logs, metrics and commands use.
    pub name: String,
    /// How it is reached.
    pub kind: RecipientKind,
    /// Whether it may be reached on loopback and private addresses.
    pub allow_private: bool,
    strategies: Vec<String>,
    series: Vec<SeriesPattern>,
    directions: Vec<Direction>,
}

/// How a recipient is reached.
#[derive(Debug)]
pub enum RecipientKind {
    /// Standard Webhooks over HTTP.
    Webhook {
        /// Where to post; checked where it stands in the configuration itself.
        url: SecretSource,
        /// What to sign with; several while rotating, the current one first.
        secrets: Vec<SecretSource>,
    },
    /// A Telegram chat.
    Telegram {
        /// The bot's token.
        bot_token: SecretSource,
        /// The chat's id or `@name`.
        chat_id: String,
        /// The Bot API's base.
        api_base: url::Url,
    },
    /// The notifier's own standard output.
    Console,
}

/// A secret that stands in the configuration, or in a file that only its user opens.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The secret itself.
    Inline(SecretString),
    /// A file that holds it.
    File(PathBuf),
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the file can't be read or is empty.
    pub fn read(&self) -> Result<SecretString, ConfigError> {
        let path = match self {
            Self::Inline(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(format!("secret file {}: {error}", path.display())))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(ConfigError::new(format!("secret file {} is empty", path.display())));
        }
        Ok(text.to_owned().into())
    }

    /// Takes the one of the two that is given.
    pub(super) fn either(
        key: &Key,
        inline: Option<SecretString>,
        file: Option<String>,
    ) -> Result<Option<Self>, Problem> {
        match (inline, file) {
            (Some(_), Some(_)) => Err(key.problem("given twice: here and as a file")),
            (Some(secret), None) if secret.expose_secret().is_empty() => Err(key.problem("empty")),
            (Some(secret), None) => Ok(Some(Self::Inline(secret))),
            (None, Some(path)) => Ok(Some(Self::File(path.into()))),
            (None, None) => Ok(None),
        }
    }
}

impl RecipientConfig {
    /// Whether the recipient's filters let a signal through.
    pub fn wants(&self, signal: &Signal) -> bool {
        (self.strategies.is_empty()
            || self.strategies.iter().any(|name| glob(name.as_bytes(), signal.strategy.as_bytes())))
            && (self.series.is_empty() || self.series.iter().any(|pattern| pattern.matches(&signal.series)))
            && (self.directions.is_empty() || self.directions.contains(&signal.direction))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawRecipient {
    name: Option<String>,
    kind: Option<String>,
    url: Option<SecretString>,
    url_file: Option<String>,
    #[serde(deserialize_with = "secrets")]
    secret: Vec<SecretString>,
    secret_file: Option<String>,
    bot_token: Option<SecretString>,
    bot_token_file: Option<String>,
    chat_id: Option<ChatId>,
    api_base: Option<String>,
    strategies: Texts,
    series: Texts,
    directions: Texts,
    allow_private: Option<Scalar<bool>>,
}

/// A chat's id, written as a number or as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ChatId {
    Number(i64),
    Text(String),
}

pub(super) fn check_all(recipients: Vec<RawRecipient>) -> Result<Vec<RecipientConfig>, Problem> {
    let root = Key::root("recipients");
    let mut checked: Vec<RecipientConfig> = Vec::with_capacity(recipients.len());
    for (index, raw) in recipients.into_iter().enumerate() {
        let key = root.item(index);
        let recipient = raw.check(&key)?;
        if checked.iter().any(|other| other.name == recipient.name) {
            return Err(key.child("name").problem("another recipient has this name"));
        }
        checked.push(recipient);
    }
    Ok(checked)
}

impl RawRecipient {
    fn check(self, key: &Key) -> Result<RecipientConfig, Problem> {
        let name = check_name(&key.child("name"), self.name.as_ref())?;
        let directions = self.directions.0.iter().enumerate().map(|(at, text)| {
            text.parse().map_err(|_| key.child("directions").item(at).problem("neither \"buy\" nor \"sell\""))
        });
        let directions = directions.collect::<Result<_, _>>()?;
        let series = if self.series.0.is_empty() { Vec::new() } else { patterns(&key.child("series"), &self.series)? };
        let strategies = self.strategies.0.clone();
        let allow_private = self.allow_private.is_some_and(|allow| allow.0);
        let kind = self.check_kind(key)?;
        Ok(RecipientConfig { name, kind, allow_private, strategies, series, directions })
    }

    fn check_kind(self, key: &Key) -> Result<RecipientKind, Problem> {
        let kind = self.kind.as_deref().ok_or_else(|| key.child("kind").problem("missing"))?;
        if !["webhook", "telegram", "console"].contains(&kind) {
            return Err(key.child("kind").problem("unknown kind, known: webhook telegram console"));
        }
        let given = [
            ("url", self.url.is_some() || self.url_file.is_some(), "webhook"),
            ("secret", !self.secret.is_empty() || self.secret_file.is_some(), "webhook"),
            ("bot_token", self.bot_token.is_some() || self.bot_token_file.is_some(), "telegram"),
            ("chat_id", self.chat_id.is_some(), "telegram"),
            ("api_base", self.api_base.is_some(), "telegram"),
        ];
        if let Some((name, _, owner)) = given.iter().find(|(_, given, owner)| *given && *owner != kind) {
            return Err(key.child(name).problem(format_args!("belongs to recipients of kind {owner:?}")));
        }
        match kind {
            "webhook" => self.check_webhook(key),
            "telegram" => self.check_telegram(key),
            _ => Ok(RecipientKind::Console),
        }
    }

    fn check_webhook(self, key: &Key) -> Result<RecipientKind, Problem> {
        let url_key = key.child("url");
        let source =
            SecretSource::either(&url_key, self.url, self.url_file)?.ok_or_else(|| url_key.problem("missing"))?;
        if let SecretSource::Inline(text) = &source {
            base_url(&url_key, Some(&text.expose_secret().to_owned()), &["http", "https"])?;
        }
        let secret_key = key.child("secret");
        if self.secret_file.is_some() && !self.secret.is_empty() {
            return Err(secret_key.problem("given twice: here and as a file"));
        }
        let mut secrets: Vec<SecretSource> = self.secret.into_iter().map(SecretSource::Inline).collect();
        secrets.extend(self.secret_file.map(|path| SecretSource::File(path.into())));
        if secrets.is_empty() {
            return Err(secret_key.problem("missing: what signs the alerts, whsec_ and 24 to 64 bytes in base64"));
        }
        Ok(RecipientKind::Webhook { url: source, secrets })
    }

    fn check_telegram(self, key: &Key) -> Result<RecipientKind, Problem> {
        let token_key = key.child("bot_token");
        let token = SecretSource::either(&token_key, self.bot_token, self.bot_token_file)?;
        let bot_token = token.ok_or_else(|| token_key.problem("missing"))?;
        let chat_key = key.child("chat_id");
        let chat_id = match self.chat_id.ok_or_else(|| chat_key.problem("missing"))? {
            ChatId::Number(number) => number.to_string(),
            ChatId::Text(text) => text.trim().to_owned(),
        };
        let is_name = chat_id.strip_prefix('@').is_some_and(|name| !name.is_empty());
        if !is_name && chat_id.parse::<i64>().is_err() {
            return Err(chat_key.problem("neither a chat's number nor an @name"));
        }
        let default = "https://api.telegram.org".to_owned();
        let api_key = key.child("api_base");
        let api_base = base_url(&api_key, Some(&self.api_base.unwrap_or(default)), &["http", "https"])?;
        let api_base = api_base.ok_or_else(|| api_key.problem("missing"))?;
        Ok(RecipientKind::Telegram { bot_token, chat_id, api_base })
    }
}

/// One secret or a list of them. A secret is never split at commas.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(SecretString),
        More(Vec<SecretString>),
    }
    match OneOrMore::deserialize(deserializer) {
        Ok(OneOrMore::One(secret)) => Ok(vec![secret]),
        Ok(OneOrMore::More(secrets)) => Ok(secrets),
        Err(_) => Err(D::Error::custom("not a text or a list of texts")),
    }
}
