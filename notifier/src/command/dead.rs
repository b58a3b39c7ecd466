//! `notifier dead`: the alerts that were given up on, to look at and to send again.

use std::io::Write;

use anyhow::{Context, Result};
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::Outcome;
use candlewire_common::time::UnixMillis;
use serde::Serialize;

use super::Desk;
use super::table::{ago, print, print_json};
use crate::queue::{DeadLetter, DeadLetters, Gate, Survey};
use crate::recipient::Recipient;

const HEADINGS: [&str; 8] =
    ["RECIPIENT", "GIVEN UP", "ID", "STRATEGY", "SERIES", "DIRECTION", "ATTEMPTS", "LAST ANSWER"];

/// What programs are told of a dead letter.
#[derive(Serialize)]
struct Shown<'a> {
    recipient: &'a str,
    id: &'a str,
    given_up_at: String,
    attempts: u64,
    answer: &'a str,
    may_have_arrived: bool,
    strategy: Option<&'a str>,
    series: Option<&'a str>,
    direction: Option<&'a str>,
    open_time: Option<String>,
    close_time: Option<String>,
    price: Option<&'a str>,
}

/// Lists the dead letters of one recipient or of all, the oldest first.
///
/// # Errors
///
/// [`Fault`](candlewire_common::exit::Fault) where the configuration or Redis can't be used, or there is no such
/// recipient.
pub(crate) async fn list(args: &GlobalArgs, name: Option<&str>, json: bool) -> Result<Outcome> {
    let desk = Desk::open(args).await?;
    let now = UnixMillis::now();
    let mut rows = Vec::new();
    for recipient in desk.meant(name)? {
        let letters = DeadLetters::new(desk.keys.clone(), desk.link.clone(), recipient.name());
        let mut after = None;
        loop {
            let (some, last) = letters.read(after).await.map_err(|error| desk.fault(&error))?;
            for letter in &some {
                if json {
                    print_json(&shown(recipient, letter))?;
                } else {
                    rows.push(row(recipient, letter, now));
                }
            }
            after = last;
            if after.is_none() {
                break;
            }
        }
    }
    match (json, rows.is_empty()) {
        (true, _) => {}
        (false, true) => writeln!(std::io::stdout(), "no dead letters").context("print the outcome")?,
        (false, false) => print(&HEADINGS, rows)?,
    }
    Ok(Outcome::Done)
}

/// Puts the dead letters of one recipient or of all back into their queues.
///
/// # Errors
///
/// As [`list`].
pub(crate) async fn redrive(args: &GlobalArgs, name: Option<&str>) -> Result<Outcome> {
    let desk = Desk::open(args).await?;
    let mut stdout = std::io::stdout();
    for recipient in desk.meant(name)? {
        let name = recipient.name();
        let letters = DeadLetters::new(desk.keys.clone(), desk.link.clone(), name);
        let queued = letters.redrive().await.map_err(|error| desk.fault(&error))?;
        let survey = Survey { keys: &desk.keys, link: &desk.link };
        let situation = survey.look(&[(name, &recipient.fingerprint)]).await.map_err(|error| desk.fault(&error))?;
        let is_disabled = situation.iter().any(|situation| matches!(situation.gate, Gate::Disabled { .. }));
        let alerts = if queued == 1 { "1 alert".to_owned() } else { format!("{queued} alerts") };
        let line = match (queued, is_disabled) {
            (0, _) => format!("{name}: no dead letters"),
            (_, false) => format!("{name}: {alerts} queued again"),
            (_, true) => format!("{name}: {alerts} queued again; it is disabled: notifier enable {name}"),
        };
        writeln!(stdout, "{line}").context("print the outcome")?;
    }
    Ok(Outcome::Done)
}

fn shown<'a>(recipient: &'a Recipient, letter: &'a DeadLetter) -> Shown<'a> {
    let signal = letter.signal.as_ref().ok();
    Shown {
        recipient: recipient.name(),
        id: &letter.id,
        given_up_at: letter.given_up.rfc3339(),
        attempts: letter.attempts,
        answer: &letter.answer,
        may_have_arrived: letter.in_doubt,
        strategy: signal.map(|signal| signal.strategy.as_str()),
        series: signal.map(|signal| signal.series.as_str()),
        direction: signal.map(|signal| signal.direction.as_str()),
        open_time: signal.map(|signal| signal.open_time.rfc3339()),
        close_time: signal.map(|signal| signal.close_time().rfc3339()),
        price: signal.map(|signal| signal.price.as_str()),
    }
}

fn row(recipient: &Recipient, letter: &DeadLetter, now: UnixMillis) -> Vec<String> {
    let unknown = || "?".to_owned();
    let signal = letter.signal.as_ref().ok();
    let text = |text: &str| crate::text::plain(text);
    vec![
        recipient.name().to_owned(),
        ago(Some(letter.given_up), now),
        text(&letter.id),
        signal.map_or_else(unknown, |signal| text(&signal.strategy)),
        signal.map_or_else(unknown, |signal| signal.series.to_string()),
        signal.map_or_else(unknown, |signal| signal.direction.to_string()),
        letter.attempts.to_string(),
        letter.answer.clone(),
    ]
}
