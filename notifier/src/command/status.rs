//! `notifier status`: how the recipients stand.

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::Outcome;
use candlewire_common::time::UnixMillis;
use serde::Serialize;

use super::Desk;
use super::table::{ago, print, print_json};
use crate::queue::{Gate, Situation, Survey};
use crate::recipient::Recipient;

const HEADINGS: [&str; 8] = ["RECIPIENT", "KIND", "WAITING", "OLDEST", "DEAD", "LAST SUCCESS", "BREAKER", "LAST ERROR"];

/// What programs are told of a recipient.
#[derive(Serialize)]
struct Shown<'a> {
    recipient: &'a str,
    kind: &'a str,
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

/// Shows all recipients.
///
/// # Errors
///
/// [`Fault`](candlewire_common::exit::Fault) where the configuration or Redis can't be used.
pub(crate) async fn run(args: &GlobalArgs, json: bool) -> Result<Outcome> {
    let desk = Desk::open(args).await?;
    let survey = Survey { keys: &desk.keys, link: &desk.link };
    let names: Vec<(&str, &str)> =
        desk.recipients.iter().map(|recipient| (recipient.name(), recipient.fingerprint.as_str())).collect();
    let situations = survey.look(&names).await.map_err(|error| desk.fault(&error))?;
    let now = UnixMillis::now();
    let mut rows = Vec::with_capacity(situations.len());
    for (recipient, situation) in desk.recipients.iter().zip(situations) {
        let oldest = survey.oldest(recipient.name()).await.map_err(|error| desk.fault(&error))?;
        if json {
            print_json(&shown(recipient, &situation, oldest, now))?;
        } else {
            rows.push(row(recipient, &situation, oldest, now));
        }
    }
    if !json {
        print(&HEADINGS, rows)?;
    }
    Ok(Outcome::Done)
}

fn shown<'a>(
    recipient: &'a Recipient,
    situation: &'a Situation,
    oldest: Option<UnixMillis>,
    now: UnixMillis,
) -> Shown<'a> {
    let time = |time: Option<UnixMillis>| time.map(UnixMillis::rfc3339);
    let error = situation.last_error.as_ref();
    Shown {
        recipient: recipient.name(),
        kind: recipient.channel.kind(),
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
        quiet_until: time(recipient.held_until(now)),
        disabled: match &situation.gate {
            Gate::Disabled { reason, .. } => Some(reason),
            _ => None,
        },
    }
}

fn row(recipient: &Recipient, situation: &Situation, oldest: Option<UnixMillis>, now: UnixMillis) -> Vec<String> {
    let breaker = match &situation.gate {
        Gate::Closed { failures: 0 } => "closed".to_owned(),
        Gate::Closed { failures: 1 } => "closed, 1 failure".to_owned(),
        Gate::Closed { failures } => format!("closed, {failures} failures"),
        Gate::Open(until) => format!("open for {} s", until.since(now).as_secs()),
        Gate::HalfOpen => "half-open".to_owned(),
        Gate::Disabled { is_former: false, .. } => "disabled".to_owned(),
        Gate::Disabled { is_former: true, .. } => "disabled under another configuration".to_owned(),
    };
    let quiet = recipient.held_until(now).map(|until| format!("{breaker}, quiet until {}", until.rfc3339()));
    let error = match (&situation.gate, &situation.last_error) {
        (Gate::Disabled { reason, .. }, _) => reason.clone(),
        (_, Some((at, text))) => format!("{}: {text}", ago(Some(*at), now)),
        (_, None) => "-".to_owned(),
    };
    vec![
        recipient.name().to_owned(),
        recipient.channel.kind().to_owned(),
        situation.depth.to_string(),
        ago(oldest, now),
        situation.dead.to_string(),
        ago(situation.last_success, now),
        quiet.unwrap_or(breaker),
        error,
    ]
}
