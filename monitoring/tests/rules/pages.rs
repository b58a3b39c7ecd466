//! The pages of `docs/runbooks`: one for each alert, all in the index, none without an alert.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use crate::{alerts, file};

/// What a page answers, in this order.
const HEADINGS: [&str; 5] =
    ["## What it means", "## What you notice", "## How to look", "## How to fix it", "## When to worry"];

fn names() -> Result<BTreeSet<String>> {
    Ok(alerts()?.into_iter().map(|(name, _)| name).collect())
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() -> Result<()> {
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(file("docs/runbooks"))? {
        let name = entry?.file_name().into_string().ok().context("a file's name")?;
        pages.insert(name.strip_suffix(".md").with_context(|| name.clone())?.to_owned());
    }
    assert!(pages.remove("README"), "there is no index");
    assert_eq!(pages, names()?);
    Ok(())
}

#[test]
fn every_page_answers_the_same_questions() -> Result<()> {
    for (name, rule) in alerts()? {
        let page = fs::read_to_string(file(&format!("docs/runbooks/{name}.md")))?;
        let mut lines = page.lines();
        assert_eq!(lines.next(), Some(format!("# {name}").as_str()));
        let headings: Vec<&str> = lines.clone().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{name}");
        let severity = format!("Severity: {}", rule.labels.get("severity").context("severity")?);
        assert!(page.contains(&severity), "{name}: the page does not say {severity:?}");
    }
    Ok(())
}

#[test]
fn index_has_every_page() -> Result<()> {
    let index = fs::read_to_string(file("docs/runbooks/README.md"))?;
    let listed: BTreeSet<String> = index
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next()?.strip_suffix(".md"))
        .filter(|target| !target.contains('/'))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, names()?);
    Ok(())
}
