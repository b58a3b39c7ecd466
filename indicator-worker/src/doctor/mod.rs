//! `indicator-worker doctor`: one line for each thing that workers need, and what to do where it is not well.
//!
//! It looks, and changes nothing. Workers may run meanwhile; none has to.

mod needs;
mod series;
mod workers;

use std::net::SocketAddr;

use anyhow::Result;
use candlewire_common::config::Config;
use candlewire_common::doctor::streams::{self, Kind};
use candlewire_common::doctor::{Report, coverage, http_address, redis};
use candlewire_common::exit::Outcome;

/// Looks at everything; the lines go to standard output, each as soon as it is known.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where the configuration can't be used at all.
pub async fn run(config: &Config, http: Option<SocketAddr>, as_json: bool) -> Result<Outcome> {
    let mut report = Report::new(as_json);
    report.add(&coverage::summary(config));
    for finding in coverage::look(config) {
        report.add(&finding);
    }
    report.add(&http_address::look(http.unwrap_or(config.http.indicator_worker), "http.indicator_worker").await);
    if let Some(mut nodes) = redis::look(&config.redis, &needs::of(config), &mut report).await? {
        report.add(&workers::look(config, &mut nodes).await);
        streams::look(Kind::Candles, &config.redis, &mut nodes, &mut report).await;
        streams::look_for_dead(&config.redis, &mut nodes, &mut report).await;
        streams::look(Kind::Signals, &config.redis, &mut nodes, &mut report).await;
        for finding in series::look(config, &mut nodes).await {
            report.add(&finding);
        }
    }
    Ok(report.finish())
}
