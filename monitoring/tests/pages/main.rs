//! The pages of all processes from their first second on: every metric of the table is there, counters at zero,
//! although Redis is away and nothing has happened. `increase()` would miss the first event otherwise.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use candlewire_common::metrics::{Kind, Process, table};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{MetricsPage, ProgramCommand, eventually};

const CONFIG: &str = r#"
[redis]
url = "redis://127.0.0.1:1/0"

[http]
ingestor = "127.0.0.1:0"
indicator_worker = "127.0.0.1:0"
notifier = "127.0.0.1:0"

[[sources]]
venue = "binance"
symbols = ["BTCUSDT"]
timeframes = ["1m"]
rest_url = "http://127.0.0.1:1"
ws_url = "ws://127.0.0.1:1"

[[strategies]]
name = "cross"
series = ["*:*:*"]
fast = "sma(2)"
slow = "sma(3)"

[[recipients]]
name = "terminal"
kind = "console"
"#;

async fn check(program: &str, process: Process, config: &Path) -> Result<()> {
    let running = ProgramCommand::built(program)?.arg("--config").arg(config).arg("run").spawn()?;
    let line = running.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).context("an address")?;
    let address = address.parse()?;
    // The address is told before all parts are built.
    let seen = eventually(PATIENCE, async || {
        let page = MetricsPage::fetch(address).await.map_err(|error| error.to_string())?;
        look(program, process, &page).map_err(|error| error.to_string())
    });
    Ok(seen.await?)
}

fn look(program: &str, process: Process, page: &MetricsPage) -> Result<()> {
    for metric in table::ALL.iter().filter(|metric| metric.process.is_none_or(|owner| owner == process)) {
        let name = match metric.kind {
            Kind::Histogram(_) => format!("{}_count", metric.name),
            Kind::Counter | Kind::Gauge => metric.name.to_owned(),
        };
        let series: Vec<_> = page.samples().iter().filter(|sample| sample.name == name).collect();
        ensure!(!series.is_empty(), "{program} has no {name}");
        // Faults of a Redis that is away have been counted already.
        let may_have_happened = metric.name.starts_with("candlewire_redis_") || metric.kind == Kind::Gauge;
        for sample in series.into_iter().filter(|_| !may_have_happened) {
            ensure!(sample.value == 0.0, "{program}: {sample:?}");
        }
        let labels = page.samples().iter().filter(|sample| sample.name == name).flat_map(|sample| &sample.labels);
        ensure!(labels.clone().all(|(label, _)| metric.labels.contains(&label.as_str())), "{program}: {name}");
    }
    let ours =
        |name: &str| table::ALL.iter().any(|metric| name.starts_with(metric.name)) || name.starts_with("process_");
    ensure!(page.samples().iter().all(|sample| ours(&sample.name)), "{program} has a metric that is not in the table");
    ensure!(page.value("process_resident_memory_bytes", &[]).is_some_and(|bytes| bytes > 0.0), "{program}: no memory");
    Ok(())
}

#[tokio::test]
async fn every_metric_is_there_before_anything_happens() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("candlewire.toml");
    std::fs::write(&config, CONFIG)?;
    check("ingestor", Process::Ingestor, &config).await?;
    check("indicator-worker", Process::IndicatorWorker, &config).await?;
    check("notifier", Process::Notifier, &config).await
}
