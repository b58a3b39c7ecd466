//! What a dashboard must be like.
//!
//! Owns the rules: everything is titled and explained, has a unit and its data source from the variable, lies on the grid
//! beside its neighbours, asks for metrics that exist over windows that fit, and leads nowhere but to dashboards that are
//! there. One fault is one line that names the dashboard and the panel.

use std::collections::BTreeSet;

use crate::dashboard::{Dashboard, DataSource, Link, Panel, Target};
use crate::outcome::Outcome;
use crate::promql;
use crate::variable::{self, BUILT_IN};

/// The kinds of panels that are used.
const KINDS: [&str; 4] = ["row", "stat", "timeseries", "table"];

/// A description has so many sentences at most: it is read beside a graph that looks wrong.
const SENTENCES_MAX: usize = 4;

/// The windows of the alert `EndToEndSlow`, which the panel of this title shows; all others follow the time shown.
const BURN_RATE: (&str, [&str; 2]) = ("Burn rate", ["5m", "1h"]);

/// Returns what is wrong with `dashboard`; `all` are the dashboards that links may lead to.
pub fn faults(dashboard: &Dashboard, all: &[Dashboard]) -> Vec<String> {
    let lint = Lint { dashboard, uids: all.iter().map(|other| other.uid.as_str()).collect() };
    let mut faults = lint.whole();
    for panel in &dashboard.panels {
        let of_panel = if panel.is_row() { Vec::new() } else { lint.panel(panel) };
        faults.extend(of_panel.into_iter().map(|fault| format!("panel {} {:?}: {fault}", panel.id, panel.title)));
    }
    faults.into_iter().map(|fault| format!("{}: {fault}", dashboard.uid)).collect()
}

/// An expression with its variables replaced, so that it can be read.
pub fn readable(expr: &str) -> String {
    variable::filled(expr, |name| if name.starts_with("__") { "1m" } else { ".*" })
}

struct Lint<'a> {
    dashboard: &'a Dashboard,
    uids: Vec<&'a str>,
}

impl Lint<'_> {
    fn whole(&self) -> Vec<String> {
        let Dashboard { uid, title, description, graph_tooltip, editable, links, .. } = self.dashboard;
        let mut faults = Vec::new();
        let mut unless = |right: bool, fault: &str| {
            if !right {
                faults.push(fault.to_owned());
            }
        };
        unless(!uid.is_empty() && self.uids.iter().filter(|other| *other == uid).count() == 1, "its uid is not unique");
        unless(title.starts_with("Candlewire: "), "its title does not begin with the product's name");
        unless(description.ends_with('.'), "it is not explained in a sentence");
        unless(*graph_tooltip == 1, "the crosshair is not shared");
        unless(!editable, "it can be edited in Grafana, though the file is the truth");
        unless(links.len() + 1 == self.uids.len(), "it does not link to every other dashboard");
        faults.extend(links.iter().filter_map(|link| self.link(link)));
        faults.extend(self.variables());
        faults.extend(self.layout());
        for mark in &self.dashboard.annotations.list {
            faults.extend(self.target(mark, false).into_iter().map(|fault| format!("annotation: {fault}")));
        }
        faults
    }

    fn variables(&self) -> Vec<String> {
        let variables = &self.dashboard.templating.list;
        let mut faults = Vec::new();
        if !variables.iter().any(|variable| variable.name == "datasource" && variable.kind == "datasource") {
            faults.push("it has no variable for the data source".to_owned());
        }
        for variable in variables.iter().filter(|variable| variable.kind == "query") {
            let name = &variable.name;
            if !is_ours(variable.datasource.as_ref()) {
                faults.push(format!("the values of ${name} come from another data source"));
            }
            let inner = variable.query.query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            faults.extend(match inner.and_then(|inner| inner.split_once(", ")) {
                Some((metric, label)) if promql::labels(metric).is_some_and(|labels| labels.contains(&label)) => None,
                Some((metric, label)) => Some(format!("${name}: {metric} has no label {label}")),
                None => Some(format!("${name} is not made of label_values(metric, label)")),
            });
            let used =
                |panel: &Panel| panel.targets.iter().any(|target| variable::names(&target.expr).contains(&&**name));
            if !self.dashboard.panels.iter().any(used) {
                faults.push(format!("${name} is not used"));
            }
        }
        faults
    }

    fn layout(&self) -> Vec<String> {
        let panels = &self.dashboard.panels;
        let mut faults = Vec::new();
        if !panels.first().is_some_and(Panel::is_row) {
            faults.push("it does not begin with a row".to_owned());
        }
        for (index, panel) in panels.iter().enumerate() {
            let name = format!("{} {:?}", panel.id, panel.title);
            if !panel.grid_pos.fits() {
                faults.push(format!("panel {name} leaves the grid"));
            }
            if panel.title.is_empty() || !KINDS.contains(&&*panel.kind) {
                faults.push(format!("panel {name} has no title, or is of kind {:?}", panel.kind));
            }
            for other in &panels[..index] {
                if other.id == panel.id {
                    faults.push(format!("panel {name} has the id of {:?}", other.title));
                }
                if other.grid_pos.overlaps(&panel.grid_pos) {
                    faults.push(format!("panel {name} lies on {:?}", other.title));
                }
            }
        }
        faults
    }

    fn panel(&self, panel: &Panel) -> Vec<String> {
        let mut faults = Vec::new();
        let sentences = panel.description.split(". ").flat_map(|part| part.split("? ")).count();
        if !panel.description.ends_with('.') || sentences > SENTENCES_MAX {
            faults.push("it is not explained in a few sentences".to_owned());
        }
        if panel.field_config.defaults.unit.is_empty() {
            faults.push("it has no unit".to_owned());
        }
        if !is_ours(panel.datasource.as_ref()) {
            faults.push("its data source is not ${datasource}".to_owned());
        }
        if panel.targets.is_empty() {
            faults.push("it asks for nothing".to_owned());
        }
        let refs: BTreeSet<&str> = panel.targets.iter().map(|target| target.ref_id.as_str()).collect();
        if refs.len() != panel.targets.len() || refs.contains("") {
            faults.push("two of its queries have the same letter".to_owned());
        }
        faults.extend(panel.links.iter().filter_map(|link| self.link(link)));
        let is_burn_rate = panel.title == BURN_RATE.0;
        for target in &panel.targets {
            let of_target = self.target(target, is_burn_rate);
            faults.extend(of_target.into_iter().map(|fault| format!("{}: {fault}", target.ref_id)));
        }
        faults
    }

    fn target(&self, target: &Target, is_burn_rate: bool) -> Vec<String> {
        let mut faults = Vec::new();
        if !is_ours(target.datasource.as_ref()) {
            faults.push("its data source is not ${datasource}".to_owned());
        }
        for name in variable::names(&target.expr) {
            let is_defined = self.dashboard.templating.list.iter().any(|variable| variable.name == name);
            if !is_defined && !BUILT_IN.contains(&name) {
                faults.push(format!("nobody defines ${name}"));
            }
        }
        let wanted = if target.instant { "$__range" } else { "$__rate_interval" };
        for window in windows(&target.expr) {
            if window != wanted && !(is_burn_rate && BURN_RATE.1.contains(&window)) {
                faults.push(format!("its window is {window}, not {wanted}"));
            }
        }
        let expression = readable(&target.expr);
        faults.extend(promql::complaints(&expression, &[]).iter().map(ToString::to_string));
        let outcome = Outcome::of(&expression);
        faults.extend(outcome.faults);
        for label in placeholders(&target.legend_format) {
            if !outcome.labels.contains(label) {
                faults.push(format!("its legend shows {label}, which its result does not have"));
            }
        }
        faults
    }

    fn link(&self, link: &Link) -> Option<String> {
        let uid = link.url.strip_prefix("/d/").map(|rest| rest.split(['?', '/']).next().unwrap_or(rest));
        let leads_to_another = uid.is_some_and(|uid| self.uids.contains(&uid) && uid != self.dashboard.uid);
        let undefined = variable::names(&link.url).into_iter().find(|name| {
            !BUILT_IN.contains(name) && !self.dashboard.templating.list.iter().any(|variable| variable.name == **name)
        });
        match undefined {
            Some(name) => Some(format!("the link {:?} has ${name}, which nobody defines", link.title)),
            None if !leads_to_another || link.title.is_empty() => {
                Some(format!("the link to {:?} leads nowhere", link.url))
            }
            None => None,
        }
    }
}

fn is_ours(source: Option<&DataSource>) -> bool {
    source.is_some_and(|source| source.kind == "prometheus" && source.uid == "${datasource}")
}

/// The texts between square brackets.
fn windows(expr: &str) -> impl Iterator<Item = &str> {
    expr.split('[').skip(1).filter_map(|rest| rest.split(']').next())
}

/// The labels that a legend shows: `{{label}}`.
fn placeholders(legend: &str) -> impl Iterator<Item = &str> {
    legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).map(str::trim)
}

#[cfg(test)]
mod tests;
