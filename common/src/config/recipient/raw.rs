//! A recipient as the file has it, and its checks.

use chrono_tz::Tz;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::{QuietHours, QuietManner, Rate, RecipientConfig};
use crate::config::error::{Key, Problem};
use crate::config::lenient::{Scalar, Texts};
use crate::config::strategy::{check_name, patterns};

/// The longest template, in bytes.
const TEMPLATE_MAX: usize = 4_096;
/// Kinds whose messages are texts for people.
const FOR_PEOPLE: &[&str] = &["telegram", "discord", "slack", "ntfy"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::config) struct RawRecipient {
    name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) url: Option<SecretString>,
    pub(super) url_file: Option<String>,
    #[serde(deserialize_with = "secrets")]
    pub(super) secret: Vec<SecretString>,
    pub(super) secret_file: Option<String>,
    pub(super) token: Option<SecretString>,
    pub(super) token_file: Option<String>,
    pub(super) bot_token: Option<SecretString>,
    pub(super) bot_token_file: Option<String>,
    pub(super) chat_id: Option<ChatId>,
    pub(super) message_thread_id: Option<Scalar<u32>>,
    pub(super) chart: Option<Scalar<bool>>,
    pub(super) api_base: Option<String>,
    strategies: Option<Texts>,
    series: Option<Texts>,
    directions: Option<Texts>,
    allow_private: Option<Scalar<bool>>,
    rate: Option<String>,
    digest: Option<Scalar<bool>>,
    silent: Option<Scalar<bool>>,
    quiet_hours: Option<String>,
    quiet: Option<String>,
    timezone: Option<String>,
    template: Option<String>,
}

/// A chat's id, written as a number or as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ChatId {
    Number(i64),
    Text(String),
}

pub(in crate::config) fn check_all(recipients: Vec<RawRecipient>) -> Result<Vec<RecipientConfig>, Problem> {
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
        for (filter, texts) in
            [("strategies", &self.strategies), ("series", &self.series), ("directions", &self.directions)]
        {
            if texts.as_ref().is_some_and(|texts| texts.0.is_empty()) {
                return Err(key.child(filter).problem("empty: nothing would be sent; leave it out to have all"));
            }
        }
        let [strategies, series, directions] =
            [&self.strategies, &self.series, &self.directions].map(|texts| texts.clone().unwrap_or_default());
        let directions = directions.0.iter().enumerate().map(|(at, text)| {
            text.parse().map_err(|_| key.child("directions").item(at).problem("neither \"buy\" nor \"sell\""))
        });
        let directions = directions.collect::<Result<_, _>>()?;
        let series = if series.0.is_empty() { Vec::new() } else { patterns(&key.child("series"), &series)? };
        let kind_name = self.kind_name(key)?.to_owned();
        self.check_belongings(key, &kind_name)?;
        let rate = self.rate.as_ref().map(|text| Rate::read(&key.child("rate"), text)).transpose()?;
        let digest = self.digest.is_some_and(|digest| digest.0);
        if digest && kind_name == "ntfy" && rate.is_none() {
            return Err(key.child("digest").problem("needs rate: what is a burst?"));
        }
        let quiet = self.check_quiet(key, &kind_name)?;
        if self.template.as_ref().is_some_and(|template| template.len() > TEMPLATE_MAX) {
            return Err(key.child("template").problem(format_args!("more than {TEMPLATE_MAX} bytes")));
        }
        Ok(RecipientConfig {
            name,
            allow_private: self.allow_private.is_some_and(|allow| allow.0),
            rate,
            digest,
            silent: self.silent.is_some_and(|silent| silent.0),
            quiet,
            template: self.template.clone(),
            strategies: strategies.0,
            series,
            directions,
            kind: self.check_kind(key, &kind_name)?,
        })
    }

    /// Refuses what belongs to recipients of other kinds.
    fn check_belongings(&self, key: &Key, kind: &str) -> Result<(), Problem> {
        let given: [(&str, bool, &[&str]); 13] = [
            ("url", self.url.is_some() || self.url_file.is_some(), &["webhook", "discord", "slack", "ntfy"]),
            ("secret", !self.secret.is_empty() || self.secret_file.is_some(), &["webhook"]),
            ("token", self.token.is_some() || self.token_file.is_some(), &["ntfy"]),
            ("bot_token", self.bot_token.is_some() || self.bot_token_file.is_some(), &["telegram"]),
            ("chat_id", self.chat_id.is_some(), &["telegram"]),
            ("message_thread_id", self.message_thread_id.is_some(), &["telegram"]),
            ("chart", self.chart.is_some(), &["telegram"]),
            ("api_base", self.api_base.is_some(), &["telegram"]),
            ("rate", self.rate.is_some(), &["webhook", "telegram", "discord", "slack", "ntfy"]),
            ("digest", self.digest.is_some(), FOR_PEOPLE),
            ("silent", self.silent.is_some(), &["telegram", "discord", "ntfy"]),
            ("template", self.template.is_some(), &["telegram", "discord", "slack", "ntfy", "console"]),
            ("quiet", self.quiet_hours.is_none() && self.quiet.is_some(), &[]),
        ];
        let Some((name, _, owners)) = given.iter().find(|(_, given, owners)| *given && !owners.contains(&kind)) else {
            return Ok(());
        };
        let owners: Vec<String> = owners.iter().map(|owner| format!("{owner:?}")).collect();
        Err(match owners.as_slice() {
            [] => key.child(name).problem("needs quiet_hours"),
            [owner] => key.child(name).problem(format_args!("belongs to recipients of kind {owner}")),
            owners => key.child(name).problem(format_args!("belongs to recipients of the kinds {}", owners.join(" "))),
        })
    }

    fn check_quiet(&self, key: &Key, kind: &str) -> Result<Option<QuietHours>, Problem> {
        let zone_key = key.child("timezone");
        let Some(hours) = &self.quiet_hours else {
            return match &self.timezone {
                Some(_) => Err(zone_key.problem("needs quiet_hours")),
                None => Ok(None),
            };
        };
        let zone = match &self.timezone {
            None => Tz::UTC,
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| zone_key.problem("not a time zone such as \"UTC\" or \"Europe/Berlin\""))?,
        };
        let manner_key = key.child("quiet");
        let manner = match &self.quiet {
            Some(text) => QuietManner::read(&manner_key, text)?,
            None if kind == "telegram" => QuietManner::Silent,
            None => QuietManner::Hold,
        };
        let can = match manner {
            QuietManner::Silent => ["telegram", "discord", "ntfy"].contains(&kind),
            QuietManner::Hold => true,
            QuietManner::Digest => FOR_PEOPLE.contains(&kind),
        };
        if !can {
            let ways = if FOR_PEOPLE.contains(&kind) { "\"hold\" or \"digest\"" } else { "\"hold\"" };
            return Err(manner_key.problem(format_args!("not for recipients of kind {kind:?}: they can be {ways}")));
        }
        QuietHours::read(&key.child("quiet_hours"), hours, zone, manner).map(Some)
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
