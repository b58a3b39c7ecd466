//! Each rule finds its fault in a dashboard that is right but for that.

use serde_json::{Value, json};

use super::*;

fn right() -> Value {
    let ours = json!({"type": "prometheus", "uid": "${datasource}"});
    json!({
        "uid": "a", "title": "Candlewire: A", "description": "What there is.", "graphTooltip": 1, "editable": false,
        "links": [{"title": "B", "url": "/d/b"}],
        "templating": {"list": [
            {"type": "datasource", "name": "datasource"},
            {"type": "query", "name": "venue", "datasource": ours, "query": {"query": "label_values(candlewire_gaps_total, venue)"}}
        ]},
        "annotations": {"list": [{"datasource": ours, "expr": "process_start_time_seconds"}]},
        "panels": [
            {"id": 1, "type": "row", "title": "First", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 1}},
            {
                "id": 2, "type": "timeseries", "title": "Gaps", "description": "None. If there are, see the log.",
                "gridPos": {"x": 0, "y": 1, "w": 12, "h": 8}, "datasource": ours,
                "fieldConfig": {"defaults": {"unit": "short"}},
                "links": [{"title": "B", "url": "/d/b?var-datasource=${datasource}"}],
                "targets": [{
                    "refId": "A", "datasource": ours, "legendFormat": "{{venue}}", "instant": false,
                    "expr": "sum by (venue) (rate(candlewire_gaps_total{venue=~\"$venue\"}[$__rate_interval]))"
                }]
            },
            {
                "id": 3, "type": "stat", "title": "Gaps", "description": "None.",
                "gridPos": {"x": 12, "y": 1, "w": 12, "h": 8}, "datasource": ours,
                "fieldConfig": {"defaults": {"unit": "short"}},
                "targets": [{
                    "refId": "A", "datasource": ours, "legendFormat": "", "instant": true,
                    "expr": "sum(increase(candlewire_gaps_total[$__range]))"
                }]
            }
        ]
    })
}

/// What is found in a dashboard once the value at `pointer` is another one.
fn found(pointer: &str, value: Value) -> String {
    let mut dashboard = right();
    *dashboard.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
    let dashboard: Dashboard = serde_json::from_value(dashboard).expect("a dashboard");
    let other = Dashboard { uid: "b".to_owned(), ..Dashboard::default() };
    faults(&dashboard, &[dashboard.clone(), other]).join("\n")
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(found("/uid", json!("a")), "");
}

#[test]
fn what_the_whole_lacks_is_found() {
    for (pointer, value, expected) in [
        ("/uid", json!("b"), "b: its uid is not unique"),
        ("/title", json!("A"), "a: its title does not begin with the product's name"),
        ("/description", json!(""), "a: it is not explained in a sentence"),
        ("/graphTooltip", json!(0), "a: the crosshair is not shared"),
        ("/editable", json!(true), "a: it can be edited in Grafana, though the file is the truth"),
        ("/links", json!([]), "a: it does not link to every other dashboard"),
        ("/links/0/url", json!("/d/c"), "a: the link to \"/d/c\" leads nowhere"),
        ("/panels/0/type", json!("stat"), "a: it does not begin with a row"),
        ("/annotations/list/0/expr", json!("up_since"), "a: annotation: up_since: no such metric"),
    ] {
        let found = found(pointer, value);
        assert!(found.lines().any(|line| line == expected), "{pointer}: {found}");
    }
}

#[test]
fn variables_are_defined_used_and_made_of_labels_that_exist() {
    let at = "/templating/list/1";
    let renamed = found(&format!("{at}/name"), json!("source"));
    assert!(renamed.contains("nobody defines $venue") && renamed.contains("$source is not used"), "{renamed}");
    let label = found(&format!("{at}/query/query"), json!("label_values(candlewire_gaps_total, channel)"));
    assert!(label.contains("$venue: candlewire_gaps_total has no label channel"), "{label}");
    let other = found(&format!("{at}/query/query"), json!("query_result(up)"));
    assert!(other.contains("not made of label_values"), "{other}");
    let source = found("/templating/list/0/name", json!("source"));
    assert!(source.contains("no variable for the data source") && source.contains("has $datasource"), "{source}");
}

#[test]
fn layout_is_checked() {
    for (pointer, value, expected) in [
        ("/panels/2/id", json!(2), "has the id of \"Gaps\""),
        ("/panels/2/gridPos/x", json!(11), "lies on \"Gaps\""),
        ("/panels/2/gridPos/w", json!(13), "leaves the grid"),
        ("/panels/2/title", json!(""), "has no title"),
        ("/panels/2/type", json!("graph"), "is of kind \"graph\""),
    ] {
        let found = found(pointer, value);
        assert!(found.contains(expected), "{pointer}: {found}");
    }
}

#[test]
fn panels_are_explained_and_have_units_and_sources() {
    for (pointer, value, expected) in [
        ("/panels/1/description", json!(""), "not explained"),
        ("/panels/1/description", json!("It. Is. Much. Too. Long."), "not explained"),
        ("/panels/1/fieldConfig/defaults/unit", json!(""), "no unit"),
        ("/panels/1/datasource/uid", json!("fixed"), "its data source is not"),
        ("/panels/1/targets/0/datasource", json!(null), "A: its data source is not"),
        ("/panels/1/targets", json!([]), "asks for nothing"),
        ("/panels/1/targets/0/refId", json!(""), "same letter"),
        ("/panels/1/links/0/url", json!("/d/a"), "leads nowhere"),
        ("/panels/1/links/0/url", json!("/d/b?var-x=${x}"), "has $x, which nobody defines"),
    ] {
        let found = found(pointer, value);
        assert!(found.contains(expected), "{pointer}: {found}");
    }
}

#[test]
fn queries_ask_for_what_exists_over_windows_that_fit() {
    for (pointer, value, expected) in [
        ("/panels/1/targets/0/expr", json!("rate(candlewire_gaps_total{venue=\"$venue\"}[5m])"), "its window is 5m"),
        ("/panels/2/targets/0/expr", json!("increase(candlewire_gaps_total[$__rate_interval])"), "not $__range"),
        ("/panels/2/targets/0/expr", json!("sum(candlewire_gaps_total)"), "a counter outside of rate"),
        ("/panels/1/targets/0/legendFormat", json!("{{symbol}}"), "its legend shows symbol"),
    ] {
        let found = found(pointer, value);
        assert!(found.contains(expected), "{pointer}: {found}");
    }
    let windows = json!("rate(candlewire_gaps_total{venue=\"$venue\"}[5m]) + rate(candlewire_gaps_total[1h])");
    let mut dashboard = right();
    dashboard["panels"][1]["title"] = json!("Burn rate");
    dashboard["panels"][1]["targets"][0]["expr"] = windows;
    let dashboard: Dashboard = serde_json::from_value(dashboard).expect("a dashboard");
    let other = Dashboard { uid: "b".to_owned(), ..Dashboard::default() };
    assert_eq!(faults(&dashboard, &[dashboard.clone(), other]), Vec::<String>::new());
}
