//! What Prometheus's HTTP API answers, as values.
//!
//! Owns the reading of the `data` of an answer; `None` is one that does not look as the API's documentation says.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde_json::Value;

/// One sample that a query gave.
#[derive(Clone, Debug, PartialEq)]
pub struct QueriedSample {
    /// The labels, the metric's name among them as `__name__` where it was kept.
    pub labels: BTreeMap<String, String>,
    /// The value; NaN and the infinities are possible.
    pub value: f64,
}

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// Its expression holds, not yet for long enough.
    Pending,
    /// It would wake somebody.
    Firing,
}

/// An alert whose expression holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveAlert {
    /// How far it has come.
    pub state: AlertState,
    /// Its labels, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// Its annotations, templates filled in.
    pub annotations: BTreeMap<String, String>,
}

impl ActiveAlert {
    /// Returns its name.
    pub fn name(&self) -> &str {
        self.label("alertname")
    }

    /// Returns a label's value, empty where there is none.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Display for ActiveAlert {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter().filter(|(name, _)| *name != "alertname");
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{} {:?} {{{}}}", self.name(), self.state, labels.join(", "))
    }
}

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// It raises an alert.
    Alerting,
    /// It records a new series.
    Recording,
}

/// A rule that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedRule {
    /// The alert's name, or that of the new series.
    pub name: String,
    /// What it is for.
    pub kind: RuleKind,
    /// Whether its last evaluation went well: `ok`, `err`, or `unknown` before the first.
    pub health: String,
    /// Why it did not; empty if it did.
    pub last_error: String,
}

/// Something that is scraped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapedTarget {
    /// The job that it belongs to.
    pub job: String,
    /// Its page.
    pub url: String,
    /// Whether the last scrape went well.
    pub up: bool,
    /// Why it did not; empty if it did, and before the first.
    pub last_error: String,
}

impl Display for ScrapedTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fault = if self.last_error.is_empty() { "not scraped yet" } else { &self.last_error };
        write!(f, "{} {} {}", self.job, self.url, if self.up { "up" } else { fault })
    }
}

pub(super) fn samples(data: &Value) -> Option<Vec<QueriedSample>> {
    match data["resultType"].as_str()? {
        "vector" => list(&data["result"], |sample| {
            Some(QueriedSample { labels: texts(&sample["metric"])?, value: value(&sample["value"])? })
        }),
        "scalar" => Some(vec![QueriedSample { labels: BTreeMap::new(), value: value(&data["result"])? }]),
        _ => None,
    }
}

pub(super) fn alerts(data: &Value) -> Option<Vec<ActiveAlert>> {
    list(&data["alerts"], |alert| {
        let state = match alert["state"].as_str()? {
            "pending" => AlertState::Pending,
            "firing" => AlertState::Firing,
            _ => return None,
        };
        Some(ActiveAlert { state, labels: texts(&alert["labels"])?, annotations: texts(&alert["annotations"])? })
    })
}

pub(super) fn rules(data: &Value) -> Option<Vec<LoadedRule>> {
    let groups = list(&data["groups"], |group| {
        list(&group["rules"], |rule| {
            Some(LoadedRule {
                name: text(&rule["name"])?,
                kind: if rule["type"] == "alerting" { RuleKind::Alerting } else { RuleKind::Recording },
                health: text(&rule["health"])?,
                last_error: text(&rule["lastError"]).unwrap_or_default(),
            })
        })
    })?;
    Some(groups.into_iter().flatten().collect())
}

pub(super) fn targets(data: &Value) -> Option<Vec<ScrapedTarget>> {
    list(&data["activeTargets"], |target| {
        Some(ScrapedTarget {
            job: text(&target["labels"]["job"])?,
            url: text(&target["scrapeUrl"])?,
            up: target["health"] == "up",
            last_error: text(&target["lastError"]).unwrap_or_default(),
        })
    })
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(read).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Option<BTreeMap<String, String>> {
    value.as_object()?.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

/// Reads `[time, "value"]`. Prometheus writes the infinities as `+Inf` and `-Inf`.
fn value(pair: &Value) -> Option<f64> {
    pair[1].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn vectors_and_scalars_are_samples() {
        let vector = json!({"resultType": "vector", "result": [{"metric": {"job": "a"}, "value": [1.5, "+Inf"]}]});
        let labels = BTreeMap::from([("job".to_owned(), "a".to_owned())]);
        assert_eq!(samples(&vector), Some(vec![QueriedSample { labels, value: f64::INFINITY }]));
        let scalar = json!({"resultType": "scalar", "result": [1.5, "3"]});
        assert_eq!(samples(&scalar), Some(vec![QueriedSample { labels: BTreeMap::new(), value: 3.0 }]));
        let matrix = json!({"resultType": "matrix", "result": []});
        assert_eq!(samples(&matrix), None);
    }
}
