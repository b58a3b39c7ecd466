//! Every query of every dashboard has data: real processes on real and live candles, scraped by a real Prometheus.

mod stage;

use std::time::Duration;

use anyhow::{Result, ensure};
use candlewire_testkit::{PrometheusServer, eventually};
use monitoring::dashboard::Dashboard;
use monitoring::variable;
use tokio::time::{MissedTickBehavior, interval};

use stage::Stage;

/// The slowest are rates over a gauge that is reported every few seconds, and alerts that fail for good.
const DEADLINE: Duration = Duration::from_secs(90);

/// Between two rounds of queries, as long as between two scrapes: earlier there is nothing new.
const ROUND: Duration = Duration::from_secs(1);

/// A query, and where it is shown.
struct Query {
    place: String,
    expression: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_has_data() -> Result<()> {
    let mut waiting = queries()?;
    ensure!(waiting.len() > 100, "only {} queries", waiting.len());
    let mut stage = Stage::start().await?;
    let mut round = interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let complete = eventually(DEADLINE, async || {
        round.tick().await;
        stage.check().map_err(|error| format!("{error:#}"))?;
        let mut without = Vec::new();
        for query in waiting.drain(..) {
            if !has_data(&stage.prometheus, &query.expression).await.map_err(|error| format!("{error:#}"))? {
                without.push(query);
            }
        }
        waiting = without;
        let named = waiting.iter().map(|query| format!("\n{}: {}", query.place, query.expression));
        if waiting.is_empty() { Ok(()) } else { Err(named.collect::<String>()) }
    })
    .await;
    Ok(complete?)
}

async fn has_data(prometheus: &PrometheusServer, expression: &str) -> Result<bool> {
    Ok(prometheus.query(expression).await?.iter().any(|sample| sample.value.is_finite()))
}

/// All queries, with the windows that Grafana would choose for a scrape in each second.
fn queries() -> Result<Vec<Query>> {
    let value = |name: &str| match name {
        "__rate_interval" => "15s",
        "__range" => "2m",
        _ => ".*",
    };
    let mut queries = Vec::new();
    for dashboard in Dashboard::all()? {
        for mark in &dashboard.annotations.list {
            let place = format!("{}, annotation", dashboard.uid);
            queries.push(Query { place, expression: variable::filled(&mark.expr, value) });
        }
        for panel in &dashboard.panels {
            for target in &panel.targets {
                let place = format!("{}, {:?} {}", dashboard.uid, panel.title, target.ref_id);
                queries.push(Query { place, expression: variable::filled(&target.expr, value) });
            }
        }
    }
    Ok(queries)
}
