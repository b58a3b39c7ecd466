//! The kinds of recipients, and what each needs.

use secrecy::{ExposeSecret, SecretString};

use super::SecretSource;
use super::raw::{ChatId, RawRecipient};
use crate::config::error::{Key, Problem};
use crate::config::source::base_url;

const KINDS: [&str; 6] = ["webhook", "telegram", "discord", "slack", "ntfy", "console"];

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
        /// The topic within a group that has such.
        message_thread_id: Option<u32>,
        /// Whether alerts come with a picture of the candles.
        chart: bool,
        /// The Bot API's base.
        api_base: url::Url,
    },
    /// A webhook of a Discord channel.
    Discord {
        /// Where to post.
        url: SecretSource,
    },
    /// An incoming webhook of a Slack channel.
    Slack {
        /// Where to post.
        url: SecretSource,
    },
    /// A topic of ntfy.
    Ntfy {
        /// The topic's URL.
        url: SecretSource,
        /// An access token, where the topic is protected.
        token: Option<SecretSource>,
    },
    /// The notifier's own standard output.
    Console,
}

impl RawRecipient {
    pub(super) fn kind_name(&self, key: &Key) -> Result<&str, Problem> {
        let key = key.child("kind");
        let kind = self.kind.as_deref().ok_or_else(|| key.problem("missing"))?;
        if KINDS.contains(&kind) {
            Ok(kind)
        } else {
            Err(key.problem(format_args!("unknown kind, known: {}", KINDS.join(" "))))
        }
    }

    pub(super) fn check_kind(mut self, key: &Key, kind: &str) -> Result<RecipientKind, Problem> {
        match kind {
            "webhook" => {
                let url = self.check_url(key)?;
                self.check_secrets(key).map(|secrets| RecipientKind::Webhook { url, secrets })
            }
            "telegram" => self.check_telegram(key),
            "discord" => self.check_url(key).map(|url| RecipientKind::Discord { url }),
            "slack" => self.check_url(key).map(|url| RecipientKind::Slack { url }),
            "ntfy" => {
                let token = SecretSource::either(&key.child("token"), self.token.take(), self.token_file.take())?;
                self.check_url(key).map(|url| RecipientKind::Ntfy { url, token })
            }
            _ => Ok(RecipientKind::Console),
        }
    }

    fn check_url(&mut self, key: &Key) -> Result<SecretSource, Problem> {
        let key = key.child("url");
        let source = SecretSource::either(&key, self.url.take(), self.url_file.take())?;
        let source = source.ok_or_else(|| key.problem("missing"))?;
        if let SecretSource::Inline(text) = &source {
            base_url(&key, Some(&text.expose_secret().to_owned()), &["http", "https"])?;
        }
        Ok(source)
    }

    fn check_secrets(self, key: &Key) -> Result<Vec<SecretSource>, Problem> {
        let key = key.child("secret");
        if self.secret_file.is_some() && !self.secret.is_empty() {
            return Err(key.problem("given twice: here and as a file"));
        }
        let mut secrets: Vec<SecretSource> =
            self.secret.into_iter().map(|secret: SecretString| SecretSource::Inline(secret)).collect();
        secrets.extend(self.secret_file.map(|path| SecretSource::File(path.into())));
        if secrets.is_empty() {
            return Err(key.problem("missing: what signs the alerts, whsec_ and 24 to 64 bytes in base64"));
        }
        Ok(secrets)
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
        if api_base.query().is_some() || api_base.fragment().is_some() {
            return Err(api_key.problem("has a query: only scheme, host, port and path can be replaced"));
        }
        let message_thread_id = self.message_thread_id.map(|thread| thread.0);
        let chart = self.chart.is_none_or(|chart| chart.0);
        Ok(RecipientKind::Telegram { bot_token, chat_id, message_thread_id, chart, api_base })
    }
}
