//! Where alerts go.

use std::fs;

use anyhow::{Context, Result};
use candlewire_testkit::PrometheusTool;

use crate::{alerts, file};

const CONFIG: &str = "grafana/alertmanager.yml";

#[tokio::test]
async fn amtool_approves_of_it_as_it_is_and_with_every_example() -> Result<()> {
    let path = file(CONFIG);
    PrometheusTool::Amtool.approve(&["check-config", &path.to_string_lossy()], "").await?;
    let text = fs::read_to_string(path)?;
    let (routes, receivers) = text.split_once("\nreceivers:").context("receivers")?;
    // Debian 12's amtool is of version 0.25, and doesn't know yet that these two can be files.
    let examples = receivers
        .replace("\n    # ", "\n    ")
        .replace("bot_token_file: ", "bot_token: ")
        .replace("- url_file: /", "- url: http://localhost/");
    let directory = tempfile::tempdir()?;
    let whole = directory.path().join("alertmanager.yml");
    fs::write(&whole, format!("{routes}\nreceivers:{examples}"))?;
    PrometheusTool::Amtool.approve(&["check-config", &whole.to_string_lossy()], "").await?;
    Ok(())
}

#[tokio::test]
async fn every_alert_is_routed_by_its_severity() -> Result<()> {
    let config = format!("--config.file={}", file(CONFIG).display());
    for (name, rule) in alerts()? {
        let severity = rule.labels.get("severity").context("severity")?;
        let labels = [format!("alertname={name}"), format!("severity={severity}")];
        let arguments = ["config", "routes", "test", &config, &labels[0], &labels[1]];
        let receiver = PrometheusTool::Amtool.run(&arguments, "").await?.stdout;
        let wanted = if name == "Watchdog" { "watchdog" } else { severity.as_str() };
        assert_eq!(receiver.trim(), wanted, "{name}");
    }
    Ok(())
}

#[test]
fn inhibitions_name_alerts_that_exist() -> Result<()> {
    let text = fs::read_to_string(file(CONFIG))?;
    let (_, rules) = text.split_once("\ninhibit_rules:").context("inhibit_rules")?;
    let (rules, _) = rules.split_once("\nreceivers:").context("receivers")?;
    let known = alerts()?;
    let mut named = 0;
    for quoted in rules.split("alertname =").skip(1) {
        let quoted = quoted.split('"').nth(1).context("a name in quotes")?;
        for name in quoted.split('|') {
            assert!(known.iter().any(|(known, _)| known == name), "{name}");
            named += 1;
        }
    }
    assert!(named >= 10, "{named}");
    Ok(())
}
