//! The dashboards and their provisioning as they are: held against the rules, the metric table and each other.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use candlewire_common::metrics::table;
use monitoring::dashboard::Dashboard;
use monitoring::{lint, promql};

fn text(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The first value of a key in a YAML file that has it on a line of its own.
fn value<'t>(yaml: &'t str, key: &str) -> Result<&'t str> {
    let found = yaml.lines().find_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(key)?.strip_prefix(": "));
    found.with_context(|| format!("no {key}"))
}

#[test]
fn nothing_is_wrong_with_any_dashboard() -> Result<()> {
    let all = Dashboard::all()?;
    let uids: Vec<&str> = all.iter().map(|dashboard| dashboard.uid.as_str()).collect();
    assert_eq!(uids, ["candlewire-delivery", "candlewire-overview", "candlewire-redis-streams"]);
    let faults: Vec<String> = all.iter().flat_map(|dashboard| lint::faults(dashboard, &all)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn every_metric_is_shown_somewhere() -> Result<()> {
    let mut shown = BTreeSet::new();
    for dashboard in Dashboard::all()? {
        for target in dashboard.panels.iter().flat_map(|panel| &panel.targets) {
            shown.extend(promql::selected(&lint::readable(&target.expr))?);
        }
    }
    let parts = |name: &str| ["", "_bucket", "_count"].map(|part| format!("{name}{part}"));
    let is_shown = |name: &str| parts(name).iter().any(|part| shown.contains(part));
    let missing: Vec<&str> = table::ALL.iter().map(|metric| metric.name).filter(|name| !is_shown(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    Ok(())
}

#[test]
fn overview_follows_the_data() -> Result<()> {
    let all = Dashboard::all()?;
    let overview = all.iter().find(|dashboard| dashboard.uid == "candlewire-overview").context("no overview")?;
    let mut rows: Vec<_> = overview.panels.iter().filter(|panel| panel.is_row()).collect();
    rows.sort_by_key(|row| row.grid_pos.y);
    let titles: Vec<&str> = rows.iter().map(|row| row.title.as_str()).collect();
    assert_eq!(titles, ["Is it healthy?", "End to end", "Ingest", "Streams", "Worker", "Notifier", "Redis"]);
    Ok(())
}

#[test]
fn provisioning_fits_the_dashboards_and_prometheus() -> Result<()> {
    let source = text("grafana/provisioning/datasources/prometheus.yml")?;
    let scraped = text("grafana/prometheus.yml")?;
    assert_eq!(value(&source, "timeInterval")?, value(&scraped, "scrape_interval")?, "$__rate_interval would be wrong");
    let uid = value(&source, "uid")?;
    for file in ["overview", "delivery", "redis-streams"] {
        let dashboard = text(&format!("grafana/dashboards/{file}.json"))?;
        let dashboard: serde_json::Value = serde_json::from_str(&dashboard).context(file)?;
        ensure!(dashboard["templating"]["list"][0]["current"]["value"] == uid, "{file}: another data source");
    }
    let provider = text("grafana/provisioning/dashboards/candlewire.yml")?;
    assert_eq!(value(&provider, "allowUiUpdates")?, "false");
    assert_eq!(value(&provider, "type")?, "file");
    let mount = format!("./grafana/dashboards:{}:ro", value(&provider, "path")?);
    ensure!(text("docker-compose.yml")?.contains(&mount), "the container has no {mount}");
    Ok(())
}
