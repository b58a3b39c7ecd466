//! What every rule has, and that its expression can have a sample.

use anyhow::{Context, Result};
use monitoring::promql;

use crate::{alerts, rules};

#[test]
fn expressions_name_what_the_metric_table_has() -> Result<()> {
    let rules = rules()?;
    let recorded: Vec<&str> = rules.iter().filter_map(|rule| rule.record.as_deref()).collect();
    for rule in &rules {
        let complaints = promql::complaints(&rule.expr, &recorded);
        assert!(complaints.is_empty(), "{:?} {:?}: {complaints:#?}", rule.alert, rule.record);
    }
    Ok(())
}

#[test]
fn recorded_series_are_used() -> Result<()> {
    let rules = rules()?;
    let used: Vec<String> = rules
        .iter()
        .filter(|rule| rule.alert.is_some())
        .flat_map(|rule| promql::selected(&rule.expr))
        .flatten()
        .collect();
    for name in rules.iter().filter_map(|rule| rule.record.as_ref()) {
        assert!(used.contains(name), "{name} is recorded for nobody");
    }
    Ok(())
}

#[test]
fn every_alert_says_how_bad_it_is_and_what_to_do() -> Result<()> {
    let alerts = alerts()?;
    assert!(alerts.len() >= 15, "{} alerts", alerts.len());
    for (name, rule) in &alerts {
        let is_camel_case = name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric);
        assert!(is_camel_case, "{name}");
        assert_eq!(alerts.iter().filter(|(other, _)| other == name).count(), 1, "{name} is there twice");
        let severity = rule.labels.get("severity").with_context(|| format!("{name}: severity"))?;
        let wanted = if name == "Watchdog" { ["none"].as_slice() } else { ["page", "warning"].as_slice() };
        assert!(wanted.contains(&severity.as_str()), "{name}: {severity}");
        for annotation in ["summary", "description"] {
            let text = rule.annotations.get(annotation).with_context(|| format!("{name}: {annotation}"))?;
            assert!(text.trim_end().ends_with('.'), "{name}: {annotation} is no sentence: {text}");
        }
        assert_eq!(rule.annotations.get("runbook_url"), Some(&format!("docs/runbooks/{name}.md")));
    }
    Ok(())
}
