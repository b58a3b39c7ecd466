//! Prometheus's own judgement of its files, and of the pages that real processes serve.

use std::fs;

use anyhow::{Context, Result};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{HttpPage, Program, ProgramCommand, PrometheusTool, RedisOptions, RedisServer};

use crate::{alerts, file};

/// The configuration of the processes: a venue that is not there does for a page.
const CONFIG: &str = r#"
[[strategies]]
name = "cross"
series = ["*"]
fast = "sma(2)"
slow = "sma(3)"
[[recipients]]
name = "terminal"
kind = "console"
[[sources]]
venue = "binance"
symbols = ["BTCUSDT"]
timeframes = ["1m"]
rest_url = "http://127.0.0.1:1"
ws_url = "ws://127.0.0.1:1"
"#;

#[tokio::test]
async fn promtool_approves_of_the_configuration_and_its_rules() -> Result<()> {
    let path = file("grafana/prometheus.yml");
    let output = PrometheusTool::Promtool.approve(&["check", "config", &path.to_string_lossy()], "").await?;
    let files = fs::read_dir(file("grafana/rules"))?.filter(|entry| entry.as_ref().is_ok_and(|it| it.path().is_file()));
    assert!(output.contains(&format!("{} rule files found", files.count())), "{output}");
    Ok(())
}

#[tokio::test]
async fn unit_tests_of_the_rules_pass() -> Result<()> {
    let mut all = String::new();
    for entry in fs::read_dir(file("grafana/rules"))? {
        let path = entry?.path();
        if path.is_file() {
            let tests = path.parent().context("a folder")?.join("tests").join(path.file_name().context("a name")?);
            PrometheusTool::Promtool.approve(&["test", "rules", &tests.to_string_lossy()], "").await?;
            all.push_str(&fs::read_to_string(tests)?);
        }
    }
    for (name, _) in alerts()? {
        let fires = all.contains(&format!("alertname: {name}\n")) || all.contains(&format!("alertname=\"{name}\""));
        assert!(fires, "no unit test of {name}");
    }
    Ok(())
}

#[tokio::test]
async fn promtool_approves_of_every_process_metrics() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("candlewire.toml");
    fs::write(&config, format!("[redis]\nurl = \"{}\"\n{CONFIG}", redis.url()))?;
    for name in ["ingestor", "indicator-worker", "notifier"] {
        let command = ProgramCommand::built(name)?.arg("--config").arg(&config);
        let process: Program = command.args(["run", "--http", "127.0.0.1:0"]).spawn()?;
        let line = process.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).context("an address")?;
        let page = HttpPage::fetch(address.parse()?, "/metrics").await?;
        PrometheusTool::Promtool.approve(&["check", "metrics"], &page.body).await.with_context(|| name)?;
    }
    Ok(())
}
