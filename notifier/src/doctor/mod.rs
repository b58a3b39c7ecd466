//! `notifier doctor`: one line for each thing that alerts need, and what to do where it is not well.
//!
//! It looks, and changes nothing. No alert is sent: a webhook's server is connected to and told nothing, of Telegram the bot
//! and the chat are asked for by their names.

mod needs;
mod reach;
mod recipients;
mod standing;

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::connection::RedisTarget;
use candlewire_common::doctor::streams::{self, Kind};
use candlewire_common::doctor::{Finding, Report, coverage, http_address, redis};
use candlewire_common::exit::Outcome;
use candlewire_common::metrics::RedisMetrics;

use crate::link::Link;
use crate::queue::QueueKeys;

/// Looks at everything; the lines go to standard output, each as soon as it is known.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where the configuration can't be used at all.
pub(crate) async fn run(args: &GlobalArgs, as_json: bool) -> Result<Outcome> {
    let mut config = args.load()?;
    let mut report = Report::new(as_json);
    report.add(&coverage::summary(&config));
    if config.recipients.is_empty() {
        report.add(&Finding::fault(
            "recipients",
            "none is configured: `notifier run` needs at least one [[recipients]] table",
        ));
    }
    report.add(&http_address::look(args.http.unwrap_or(config.http.notifier), "http.notifier").await);
    let (settings, timeout) = (config.redis.clone(), config.delivery.timeout);
    let nodes = redis::look(&settings, &needs::of(&settings), &mut report).await?;
    let is_there = nodes.is_some();
    if let Some(mut nodes) = nodes {
        streams::look(Kind::Signals, &settings, &mut nodes, &mut report).await;
    }
    let recipients = recipients::look(std::mem::take(&mut config.recipients), timeout, &mut report).await;
    if is_there {
        let link = Link::new(RedisTarget::new(&settings)?, settings.keys.delivery(""), RedisMetrics::new());
        standing::look(&recipients, &QueueKeys::new(settings.keys), &link, &mut report).await;
    }
    Ok(report.finish())
}
