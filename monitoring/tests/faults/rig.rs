//! A Prometheus with the shipped rules, hurried, and what the tests ask of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::prometheus_server::{ActiveAlert, AlertState};
use candlewire_testkit::wait::eventually;
use candlewire_testkit::{PrometheusConfig, PrometheusServer};
use monitoring::haste::Haste;
use monitoring::rules::RuleFile;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::service::Service;

const EVERY: Duration = Duration::from_secs(1);

/// Hours become half minutes. Programs look at the streams every 5 s, so a range of 8 s holds two looks.
const HASTE: Haste = Haste { divisor: 120, hold_min: Duration::from_secs(2), range_min: Duration::from_secs(8) };

/// For how long a fault may take to be seen, or its end.
const PATIENCE: Duration = Duration::from_secs(100);

pub(crate) struct Rig {
    prometheus: PrometheusServer,
    begun: Instant,
    /// Alerts that were waited for, and fired.
    proven: Mutex<BTreeSet<String>>,
    _rules: TempDir,
}

impl Rig {
    /// Scrapes these services, and waits until all have been.
    pub(crate) async fn start(services: &[&Service]) -> Result<Self> {
        let rules = tempfile::tempdir()?;
        let mut config = PrometheusConfig::every(EVERY);
        for name in ["ingestor", "indicator-worker", "notifier"] {
            let targets: Vec<_> = services.iter().filter(|service| service.name == name).map(|it| it.http).collect();
            // A job that has nothing to do is not configured; the rules expect the other two.
            if !targets.is_empty() {
                config = config.job(name, targets);
            }
        }
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana/rules");
        for (path, mut file) in RuleFile::read_all(&shipped)? {
            HASTE.apply(&mut file)?;
            let hurried = rules.path().join(path.file_name().context("a file name")?);
            fs::write(&hurried, serde_json::to_vec(&file)?)?;
            config = config.rule_file(hurried);
        }
        let prometheus = PrometheusServer::start(&config.to_string()).await?;
        prometheus.wait_until_scraped(PATIENCE).await?;
        let mut rig = Self { prometheus, begun: Instant::now(), proven: Mutex::default(), _rules: rules };
        rig.fires("Watchdog", &[]).await?;
        // Before the first scrape nothing is there, which lasts seconds: too long under rules in a hurry.
        rig.resolves("TargetDown", &[]).await?;
        rig.begun = Instant::now();
        Ok(rig)
    }

    /// Waits until an alert with these labels fires, with a text that is whole.
    pub(crate) async fn fires(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let alert = self.prometheus.wait_until_firing(name, |alert| carries(alert, labels), PATIENCE).await?;
        let summary = alert.annotations.get("summary").map_or("", String::as_str);
        let is_whole = !summary.is_empty() && !summary.contains("no value") && !summary.contains("error");
        ensure!(is_whole, "{name}: {summary}");
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok(())
    }

    /// Waits until an alert fires while `going_on`, which does not end by itself, goes on.
    pub(crate) async fn fires_while(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        going_on: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        tokio::select! {
            fired = self.fires(name, labels) => fired,
            ended = going_on => ended,
        }
    }

    /// Waits until an alert with these labels is over.
    pub(crate) async fn resolves(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        Ok(self.prometheus.wait_until_resolved(name, |alert| carries(alert, labels), PATIENCE).await?)
    }

    /// Waits until an expression has a sample.
    pub(crate) async fn sees(&self, expression: &str) -> Result<()> {
        self.prometheus.wait_for_samples(expression, PATIENCE).await?;
        Ok(())
    }

    /// Looks for a while: nothing but the watchdog may fire.
    pub(crate) async fn is_silent_for(&self, span: Duration) -> Result<()> {
        let end = Instant::now() + span;
        let looked = eventually(span + PATIENCE, async || {
            let alerts = match self.prometheus.alerts().await {
                Ok(alerts) => alerts,
                Err(error) => return Ok(Err(error.to_string())),
            };
            let loud = |alert: &&ActiveAlert| alert.state == AlertState::Firing && alert.name() != "Watchdog";
            match alerts.iter().find(loud) {
                Some(alert) => Ok(Err(alert.to_string())),
                None if Instant::now() < end => Err("all is silent so far"),
                None => Ok(Ok(())),
            }
        });
        looked.await?.map_err(|loud| anyhow::anyhow!("not silent: {loud}"))
    }

    /// Checks that every rule could be evaluated, and that nothing has ever fired but what was waited for, and
    /// `consequences` of that. Answers with what was waited for.
    pub(crate) async fn only_these_fired(self, consequences: &[&str]) -> Result<BTreeSet<String>> {
        for rule in self.prometheus.rules().await? {
            ensure!(rule.health == "ok", "{}: {}", rule.name, rule.last_error);
        }
        let since = self.begun.elapsed().as_millis();
        let query = format!("group by (alertname) (last_over_time(ALERTS{{alertstate=\"firing\"}}[{since}ms]))");
        let mut fired = BTreeSet::new();
        for mut sample in self.prometheus.query(&query).await? {
            fired.extend(sample.labels.remove("alertname"));
        }
        let proven = self.proven.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unexplained: Vec<&String> =
            fired.difference(&proven).filter(|name| !consequences.contains(&name.as_str())).collect();
        ensure!(unexplained.is_empty(), "fired without a fault: {unexplained:?}");
        Ok(proven)
    }
}

fn carries(alert: &ActiveAlert, labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| alert.label(name) == *value)
}
