//! Every query of every dashboard has data: real processes on real and live candles, scraped by a real Prometheus.

mod stage;

use std::time::Duration;

use anyhow::{Result, ensure};
use candlewire_testkit::{PrometheusServer, eventually};
use monitoring::dashboard::Dashboard;
use monitoring::{promql, variable};
use tokio::time::{MissedTickBehavior, interval};

use stage::{Candles, Stage};

/// The slowest are rates over a gauge that is reported every few seconds, and alerts that fail for good.
const DEADLINE: Duration = Duration::from_secs(90);

/// Between two rounds of queries, as long as between two scrapes: earlier there is nothing new.
const ROUND: Duration = Duration::from_secs(1);

/// A query, and where it is shown.
#[derive(Clone)]
struct Query {
    place: String,
    expression: String,
}

/// What only an ingestor that follows venues can tell.
const OF_LIVE_CANDLES: [&str; 12] = [
    "candlewire_backfilled_candles_total",
    "candlewire_candles_fetched_total",
    "candlewire_close_to_publish_seconds_bucket",
    "candlewire_end_to_end_seconds_bucket",
    "candlewire_end_to_end_seconds_count",
    "candlewire_gaps_total",
    "candlewire_last_close_timestamp_seconds",
    "candlewire_publish_buffer_candles",
    "candlewire_rest_requests_total",
    "candlewire_source_reconnects_total",
    "candlewire_source_up",
    "candlewire_stale_series",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_has_data() -> Result<()> {
    let queries = queries()?;
    ensure!(queries.len() > 100, "only {} queries", queries.len());
    expect_data(Stage::start(Candles::LiveAndReplayed).await?, queries).await
}

/// This is what somebody sees who tries Candlewire without any configuration.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_alone_shows_life() -> Result<()> {
    let mut shown = Vec::new();
    for query in queries()? {
        let metrics = promql::selected(&query.expression)?;
        if !metrics.iter().any(|metric| OF_LIVE_CANDLES.contains(&metric.as_str())) {
            shown.push(query);
        }
    }
    expect_data(Stage::start(Candles::Replayed).await?, shown).await
}

/// Waits until each query has had data.
async fn expect_data(mut stage: Stage, mut waiting: Vec<Query>) -> Result<()> {
    let mut round = interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let complete = eventually(DEADLINE, async || {
        round.tick().await;
        stage.check().map_err(|error| format!("{error:#}"))?;
        let mut without = Vec::new();
        for query in &waiting {
            if !has_data(&stage.prometheus, &query.expression).await.map_err(|error| format!("{error:#}"))? {
                without.push(query.clone());
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
