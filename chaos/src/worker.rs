//! One indicator-worker behind a proxy of its own.
//!
//! Owns the process, what afflicts it and until when, and the last look at its metrics. Dropped, it is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{HttpPage, MetricsPage, Program, ProgramCommand};
use tokio::time::timeout;

/// How long a look at the metrics may take: they are read on the way, and a worker that is busy is let be.
const METRICS_DEADLINE: Duration = Duration::from_millis(300);

/// What lasts on a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affliction {
    /// It is stopped.
    Frozen,
    /// Its connections hang, or are refused.
    Cut,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    /// The process.
    pub program: Program,
    /// Its name: the consumer that its partitions show.
    pub name: String,
    /// What afflicts it, and until when.
    pub affliction: Option<(Affliction, Instant)>,
    /// The end of its last disturbance.
    pub calm_since: Instant,
    metrics: SocketAddr,
}

impl Worker {
    /// Starts a worker and waits until it has a name.
    ///
    /// # Errors
    ///
    /// If it can't be run or does not say who it is.
    pub async fn start(config: &Path, log_filter: &str) -> Result<Self> {
        let command = ProgramCommand::built("indicator-worker")?.arg("run").arg("--config").arg(config);
        let program = command.env("RUST_LOG", log_filter).spawn()?;
        let named = program.wait_for_line(|line| name(line).is_some(), PATIENCE).await?;
        let served = program.wait_for_line(|line| metrics_address(line).is_some(), PATIENCE).await?;
        let name = name(&named).context("the worker's name")?.to_owned();
        let metrics = metrics_address(&served).context("the address of the metrics")?;
        Ok(Self { program, name, affliction: None, calm_since: Instant::now(), metrics })
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub async fn ready(&self) -> Result<()> {
        let ready = eventually(PATIENCE, async || match HttpPage::fetch(self.metrics, "/readyz").await {
            Ok(HttpPage { status: 200, .. }) => Ok(()),
            Ok(page) => Err(format!("/readyz answers {}", page.status)),
            Err(error) => Err(error.to_string()),
        });
        ready.await.with_context(|| format!("worker {} is not ready", self.name))
    }

    /// Returns how many of its commits were refused because the partition had changed hands; 0 if it does not say.
    pub async fn fenced(&self) -> u64 {
        if self.affliction.is_some() {
            return 0;
        }
        let page = timeout(METRICS_DEADLINE, MetricsPage::fetch(self.metrics)).await;
        let fenced = page.ok().and_then(Result::ok);
        let fenced = fenced.and_then(|page| page.value("candlewire_commits_total", &[("outcome", "fenced")]));
        // A count is whole and small.
        fenced.and_then(|count| format!("{count:.0}").parse().ok()).unwrap_or(0)
    }
}

/// Finds the name in a line such as `worker 0c6f… starts: 5 strategies, …`.
fn name(line: &str) -> Option<&str> {
    let (before, _) = line.split_once(" starts: ")?;
    before.rsplit_once("worker ").map(|(_, name)| name)
}

/// Finds the address in a line such as `metrics at http://127.0.0.1:9102/metrics`.
fn metrics_address(line: &str) -> Option<SocketAddr> {
    let (_, url) = line.split_once("http://")?;
    url.split_once("/metrics")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_address_are_found_in_the_log() {
        let line =
            "2026-11-22T01:02:03Z  INFO indicator_worker::run: worker 0c6f-11 starts: 5 strategies, 16 partitions";
        assert_eq!(name(line), Some("0c6f-11"));
        assert_eq!(name("worker 0c6f-11 stopped"), None);
        let line = "INFO metrics at http://127.0.0.1:40123/metrics";
        assert_eq!(metrics_address(line), Some(SocketAddr::from(([127, 0, 0, 1], 40_123))));
    }
}
