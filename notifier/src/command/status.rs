//! `notifier status`: how the recipients stand.

use std::time::Duration;

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::Outcome;
use candlewire_common::time::UnixMillis;
use serde::Serialize;

use super::Desk;
use super::table::{ago, in_words, print, print_json};
use crate::queue::{Gate, Situation, Survey};
use crate::recipient::Recipient;
use crate::text::plain;

const HEADINGS: [&str; 8] = ["RECIPIENT", "KIND", "WAITING", "OLDEST", "DEAD", "LAST SUCCESS", "BREAKER", "LAST ERROR"];

/// A next attempt that is nearer than this is not told.
const SOON: Duration = Duration::from_secs(2);

/// What programs are told of a recipient.
#[derive(Serialize)]
struct Shown<'a> {
    recipient: &'a str,
    /// `null` for what is left of a recipient that is not configured any more.
    kind: Option<&'static str>,
    waiting: u64,
    oldest: Option<String>,
    dead: u64,
    last_success: Option<String>,
    last_error: Option<&'a str>,
    last_error_at: Option<String>,
    breaker: &'static str,
    open_until: Option<String>,
    quiet_until: Option<String>,
    disabled: Option<&'a str>,
}

/// Whom a row is about.
enum Subject<'a> {
    /// A recipient.
    Configured(&'a Recipient),
    /// What is left of one that is not configured any more.
    Left(String),
}

/// Shows all recipients, and what is left of former ones.
///
/// # Errors
///
/// [`Fault`](candlewire_common::exit::Fault) where the configuration or Redis can't be used.
pub(crate) async fn run(args: &GlobalArgs, json: bool) -> Result<Outcome> {
    let desk = Desk::open(args).await?;
    let survey = Survey { keys: &desk.keys, link: &desk.link };
    let mut all: Vec<Subject<'_>> = desk.recipients.iter().map(|recipient| Subject::Configured(recipient)).collect();
    let found = survey.names().await.map_err(|error| desk.fault(&error))?;
    let is_new = |name: &String| !desk.recipients.iter().any(|recipient| recipient.name() == name);
    all.extend(found.into_iter().filter(is_new).map(Subject::Left));
    let names: Vec<(&str, &str)> = all.iter().map(|subject| (subject.name(), subject.fingerprint())).collect();
    let situations = survey.look(&names).await.map_err(|error| desk.fault(&error))?;
    let now = UnixMillis::now();
    let mut rows = Vec::with_capacity(situations.len());
    for (subject, situation) in all.iter().zip(situations) {
        let oldest = survey.oldest(subject.name()).await.map_err(|error| desk.fault(&error))?;
        if json {
            print_json(&shown(subject, &situation, oldest, now))?;
        } else {
            rows.push(row(subject, &situation, oldest, now));
        }
    }
    if !json {
        print(&HEADINGS, rows)?;
    }
    Ok(Outcome::Done)
}

impl Subject<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Configured(recipient) => recipient.name(),
            Self::Left(name) => name,
        }
    }

    fn fingerprint(&self) -> &str {
        match self {
            Self::Configured(recipient) => &recipient.fingerprint,
            Self::Left(_) => "",
        }
    }

    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Configured(recipient) => Some(recipient.channel.kind()),
            Self::Left(_) => None,
        }
    }

    fn held_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        match self {
            Self::Configured(recipient) => recipient.held_until(now),
            Self::Left(_) => None,
        }
    }
}

fn shown<'a>(
    subject: &'a Subject<'_>,
    situation: &'a Situation,
    oldest: Option<UnixMillis>,
    now: UnixMillis,
) -> Shown<'a> {
    let time = |time: Option<UnixMillis>| time.map(UnixMillis::rfc3339);
    let error = situation.last_error.as_ref();
    Shown {
        recipient: subject.name(),
        kind: subject.kind(),
        waiting: situation.depth,
        oldest: time(oldest),
        dead: situation.dead,
        last_success: time(situation.last_success),
        last_error: error.map(|(_, text)| text.as_str()),
        last_error_at: time(error.map(|(at, _)| *at)),
        breaker: match situation.gate {
            Gate::Closed { .. } | Gate::Disabled { .. } => "closed",
            Gate::Open(_) => "open",
            Gate::HalfOpen => "half-open",
        },
        open_until: match situation.gate {
            Gate::Open(until) => Some(until.rfc3339()),
            _ => None,
        },
        quiet_until: time(subject.held_until(now)),
        disabled: match &situation.gate {
            Gate::Disabled { reason, .. } => Some(reason),
            _ => None,
        },
    }
}

fn row(subject: &Subject<'_>, situation: &Situation, oldest: Option<UnixMillis>, now: UnixMillis) -> Vec<String> {
    let breaker = match &situation.gate {
        _ if subject.kind().is_none() => "not configured".to_owned(),
        Gate::Closed { failures: 0 } => "closed".to_owned(),
        Gate::Closed { failures: 1 } => "closed, 1 failure".to_owned(),
        Gate::Closed { failures } => format!("closed, {failures} failures"),
        Gate::Open(until) => format!("open, {} s left", until.since(now).as_secs()),
        Gate::HalfOpen => "half-open".to_owned(),
        Gate::Disabled { is_former: false, .. } => "disabled".to_owned(),
        Gate::Disabled { is_former: true, .. } => "disabled under another configuration".to_owned(),
    };
    let next = situation.next_due.filter(|due| due.since(now) > SOON && matches!(situation.gate, Gate::Closed { .. }));
    let breaker = match next {
        Some(due) => format!("{breaker}, next try in {}", in_words(due.since(now))),
        None => breaker,
    };
    let quiet = subject.held_until(now).map(|until| format!("{breaker}, quiet until {}", until.rfc3339()));
    let error = match (&situation.gate, &situation.last_error) {
        (Gate::Disabled { reason, .. }, _) => reason.clone(),
        (_, Some((at, text))) => format!("{}: {text}", ago(Some(*at), now)),
        (_, None) => "-".to_owned(),
    };
    vec![
        plain(subject.name()),
        subject.kind().unwrap_or("-").to_owned(),
        situation.depth.to_string(),
        ago(oldest, now),
        situation.dead.to_string(),
        ago(situation.last_success, now),
        quiet.unwrap_or(breaker),
        error,
    ]
}
