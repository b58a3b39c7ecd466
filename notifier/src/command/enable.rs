//! `notifier enable`: a recipient that was disabled is tried again, and an open breaker closes.

use std::io::Write;

use anyhow::{Context, Result};
use candlewire_common::cli::GlobalArgs;
use candlewire_common::exit::Outcome;

use super::Desk;
use crate::queue::{Enabled, enable};

/// Enables the recipient called `name`.
///
/// # Errors
///
/// [`Fault`](candlewire_common::exit::Fault) where the configuration or Redis can't be used, or there is no such
/// recipient.
pub(crate) async fn run(args: &GlobalArgs, name: &str) -> Result<Outcome> {
    let desk = Desk::open(args).await?;
    desk.meant(Some(name))?;
    let Enabled { was_disabled, was_open, waiting } =
        enable(&desk.keys, &desk.link, name).await.map_err(|error| desk.fault(&error))?;
    let what = match (was_disabled, was_open) {
        (true, _) => "is enabled again",
        (false, true) => "was not disabled; its breaker is closed again",
        (false, false) => "was not disabled",
    };
    writeln!(std::io::stdout(), "{name} {what}; {} for it", waiting_alerts(waiting)).context("print the outcome")?;
    Ok(Outcome::Done)
}

fn waiting_alerts(count: u64) -> String {
    if count == 1 { "1 alert waits".to_owned() } else { format!("{count} alerts wait") }
}
