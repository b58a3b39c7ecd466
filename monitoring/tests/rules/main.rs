//! The files that Prometheus and Alertmanager load: whole, in step with the metric table, and with a page for each alert.

mod alertmanager;
mod pages;
mod shape;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Result;
use monitoring::rules::{Rule, RuleFile};

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Every rule that is shipped.
fn rules() -> Result<Vec<Rule>> {
    let files = RuleFile::read_all(&file("grafana/rules"))?;
    Ok(files.iter().flat_map(|(_, file)| file.rules().cloned()).collect())
}

/// Those that raise alerts, by their names.
fn alerts() -> Result<Vec<(String, Rule)>> {
    Ok(rules()?.into_iter().filter_map(|rule| Some((rule.alert.clone()?, rule))).collect())
}
