//! A long-running program of Candlewire: the indicator-worker or the notifier.
//!
//! Owns the child process from its readiness to its orderly end. Dropped before that, it is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{HttpPage, MetricsPage, Program, ProgramCommand};

/// How long it may take to stop, as the contract promises.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// How many of its last lines a fault quotes.
const QUOTED: usize = 8;

/// A running program.
pub struct Service {
    name: &'static str,
    program: Program,
    address: SocketAddr,
}

impl Service {
    /// Starts the program that was built beside this one and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it can't be run, ends, or does not become ready; with what it said last.
    pub async fn start(name: &'static str, config: &Path) -> Result<Self> {
        let program = ProgramCommand::built(name)?.arg("run").arg("--config").arg(config).spawn()?;
        let line = program.wait_for_line(|line| metrics_address(line).is_some(), PATIENCE).await?;
        let address = metrics_address(&line).with_context(|| format!("{name} logged {line:?}"))?;
        let mut service = Self { name, program, address };
        eventually(PATIENCE, async || {
            service.check()?;
            let page = HttpPage::fetch(address, "/readyz").await?;
            ensure!(page.status == 200, "/readyz answers {}", page.status);
            Ok(())
        })
        .await
        .with_context(|| format!("{name} is not ready"))?;
        Ok(service)
    }

    /// Returns where its metrics are.
    pub fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Reads its metrics.
    ///
    /// # Errors
    ///
    /// If there are none.
    pub async fn metrics(&self) -> Result<MetricsPage> {
        MetricsPage::fetch(self.address).await.with_context(|| format!("metrics of the {}", self.name))
    }

    /// Makes sure that it still runs.
    ///
    /// # Errors
    ///
    /// If it has ended, with what it said last.
    pub fn check(&mut self) -> Result<()> {
        match self.program.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended early with {status}{}", self.name, self.last_words()),
        }
    }

    /// Stops it as a system would, with SIGTERM.
    ///
    /// # Errors
    ///
    /// If it does not end in time, or not with 0.
    pub async fn stop(&mut self) -> Result<()> {
        let status = self.program.terminate(STOP_DEADLINE).await?;
        ensure!(status.success(), "{} was told to stop and ended with {status}{}", self.name, self.last_words());
        Ok(())
    }

    /// Returns the last lines it printed, each on a line of its own.
    pub fn last_words(&self) -> String {
        let lines = self.program.lines();
        let last = &lines[lines.len().saturating_sub(QUOTED)..];
        let quoted: Vec<String> = last.iter().map(|line| format!("\n  {}: {line}", self.name)).collect();
        quoted.concat()
    }
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
    fn address_is_found_in_the_log() {
        let line = "2026-11-22T01:02:03Z  INFO metrics at http://127.0.0.1:40123/metrics";
        assert_eq!(metrics_address(line), Some(SocketAddr::from(([127, 0, 0, 1], 40_123))));
        assert_eq!(metrics_address("INFO posting to http://127.0.0.1:40123/hook"), None);
        assert_eq!(metrics_address("INFO waiting"), None);
    }
}
