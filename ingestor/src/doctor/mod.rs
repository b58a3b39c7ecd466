//! `ingestor doctor`: one line for each thing that must be right, and what to do where it is not.
//!
//! It looks, and changes nothing. Venues are asked within their budgets, one after the other.

mod needs;
mod source_check;

use std::net::SocketAddr;

use anyhow::Result;
use candlewire_common::config::Config;
use candlewire_common::doctor::streams::Kind;
use candlewire_common::doctor::{Finding, Report, coverage, http_address, redis, secret_file, streams};
use candlewire_common::exit::Outcome;
use candlewire_common::phrase::counted;

use crate::live::run::plan;

/// Looks at everything; the lines go to standard output, each as soon as it is known.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where the configuration can't be used at all.
pub async fn run(config: &Config, http: Option<SocketAddr>, as_json: bool) -> Result<Outcome> {
    // Whoever publishes otherwise has a Redis to look at all the same.
    let plans = if config.sources.is_empty() { Vec::new() } else { plan(config)? };
    let series: usize = plans.iter().map(|plan| plan.series().count()).sum();
    let mut report = Report::new(as_json);
    let detail = format!("{}, {series} series", counted(plans.len() as u64, "source"));
    report.add(&Finding::ok("configuration", detail));
    if plans.is_empty() {
        let detail = "none is configured: `ingestor run` needs [[sources]], replay does not";
        report.add(&Finding::warning("sources", detail));
    }
    for finding in coverage::look(config) {
        report.add(&finding);
    }
    for source in &config.sources {
        let subject = format!("{} token", source.venue);
        if let Some(finding) = source.token.as_ref().and_then(|token| secret_file::look(&subject, token)) {
            report.add(&finding);
        }
    }
    report.add(&http_address::look(http.unwrap_or(config.http.ingestor), "http.ingestor").await);
    if let Some(mut nodes) = redis::look(&config.redis, &needs::of(config), &mut report).await? {
        streams::look(Kind::Candles, &config.redis, &mut nodes, &mut report).await;
    }
    for plan in &plans {
        source_check::look(plan, &mut report).await?;
    }
    Ok(report.finish())
}
