//! The configuration of a Prometheus server for a test.
//!
//! Owns the text: what is scraped, how often, and which files hold rules. Paths are absolute in it. What else there is
//! to configure is left to Prometheus's defaults.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What is scraped and evaluated; displayed, it is the text of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusConfig {
    interval: Duration,
    jobs: Vec<(String, Vec<SocketAddr>)>,
    rule_files: Vec<PathBuf>,
}

impl PrometheusConfig {
    /// Scrapes and evaluates once in every `interval`, which is in whole milliseconds.
    pub fn every(interval: Duration) -> Self {
        Self { interval, jobs: Vec::new(), rule_files: Vec::new() }
    }

    /// Adds a job, which is the value of the label `job` of all that its targets have.
    #[must_use]
    pub fn job(mut self, name: &str, targets: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.jobs.push((name.to_owned(), targets.into_iter().collect()));
        self
    }

    /// Adds a file of rules.
    #[must_use]
    pub fn rule_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.rule_files.push(path.into());
        self
    }
}

impl Display for PrometheusConfig {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ms = self.interval.as_millis();
        writeln!(f, "global: {{scrape_interval: {ms}ms, scrape_timeout: {ms}ms, evaluation_interval: {ms}ms}}")?;
        writeln!(f, "rule_files:")?;
        for path in &self.rule_files {
            writeln!(f, "  - {}", quoted(&path.display().to_string()))?;
        }
        writeln!(f, "scrape_configs:")?;
        for (name, targets) in &self.jobs {
            let targets: Vec<String> = targets.iter().map(|target| quoted(&target.to_string())).collect();
            writeln!(f, "  - job_name: {}", quoted(name))?;
            writeln!(f, "    static_configs: [{{targets: [{}]}}]", targets.join(", "))?;
        }
        Ok(())
    }
}

/// A YAML scalar in double quotes, for which JSON's escapes are valid.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_holds_every_part() {
        let config = PrometheusConfig::every(Duration::from_secs(1))
            .job("notifier", [SocketAddr::from(([127, 0, 0, 1], 9103))])
            .rule_file("/tmp/a \"b\".yml");
        let expected = r#"global: {scrape_interval: 1000ms, scrape_timeout: 1000ms, evaluation_interval: 1000ms}
rule_files:
  - "/tmp/a \"b\".yml"
scrape_configs:
  - job_name: "notifier"
    static_configs: [{targets: ["127.0.0.1:9103"]}]
"#;
        assert_eq!(config.to_string(), expected);
    }
}
