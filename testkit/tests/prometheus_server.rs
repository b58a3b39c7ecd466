//! A real Prometheus: it scrapes, evaluates and answers; bad configurations are refused with the reason.

use std::time::Duration;

use anyhow::Result;
use candlewire_testkit::prometheus_server::{PrometheusServerError, RuleKind};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{PrometheusConfig, PrometheusServer, PrometheusTool};

const RULES: &str = r#"
groups:
  - name: own
    interval: 100ms
    rules:
      - record: doubled
        expr: 2 * up
      - alert: Scraped
        expr: doubled{job="itself"} == 2
        labels: {severity: none}
        annotations: {summary: "{{ $labels.job }} is {{ $value }}"}
"#;

#[tokio::test]
async fn rules_are_evaluated_over_what_is_scraped() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let rules = directory.path().join("rules.yml");
    std::fs::write(&rules, RULES)?;
    let idle = PrometheusServer::start(&PrometheusConfig::every(Duration::from_secs(1)).to_string()).await?;
    let config = PrometheusConfig::every(Duration::from_millis(200)).job("itself", [idle.address()]).rule_file(&rules);
    let prometheus = PrometheusServer::start(&config.to_string()).await?;

    prometheus.wait_until_scraped(PATIENCE).await?;
    let alert = prometheus.wait_until_firing("Scraped", |alert| alert.label("job") == "itself", PATIENCE).await?;
    assert_eq!(alert.annotations["summary"], "itself is 2");
    let samples = prometheus.wait_for_samples("doubled", PATIENCE).await?;
    assert_eq!((samples.len(), samples[0].value), (1, 2.0));
    let rules = prometheus.rules().await?;
    let seen: Vec<_> = rules.iter().map(|rule| (rule.name.as_str(), rule.kind, rule.health.as_str())).collect();
    assert_eq!(seen, [("doubled", RuleKind::Recording, "ok"), ("Scraped", RuleKind::Alerting, "ok")]);

    drop(idle);
    prometheus.wait_until_resolved("Scraped", |_| true, PATIENCE).await?;
    assert!(prometheus.targets().await?.iter().all(|target| !target.up));
    Ok(())
}

#[tokio::test]
async fn refused_configuration_and_query_tell_why() -> Result<()> {
    let error = PrometheusServer::start("scrape_configs: [{}]").await.expect_err("a job without a name");
    assert!(error.to_string().contains("job_name is empty"), "{error}");
    let prometheus = PrometheusServer::start("").await?;
    let error = prometheus.query("rate(").await.expect_err("half a query");
    assert!(matches!(error, PrometheusServerError::Answer { status: 400, .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn promtool_reads_its_input_and_says_what_is_wrong() -> Result<()> {
    let page = "# HELP a_total Counts.\n# TYPE a_total counter\na_total 1\n";
    PrometheusTool::Promtool.approve(&["check", "metrics"], page).await?;
    let error = PrometheusTool::Promtool.approve(&["check", "metrics"], "a{\n").await.expect_err("half a sample");
    assert!(error.to_string().starts_with("promtool check metrics\n"), "{error}");
    PrometheusTool::Amtool.approve(&["--version"], "").await?;
    Ok(())
}
