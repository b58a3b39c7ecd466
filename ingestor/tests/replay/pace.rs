//! A replay at the pace of the market: waited for, watched from outside, and interrupted.

use std::net::SocketAddr;
use std::process::Command;

use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{HttpPage, MetricsPage, RedisOptions};

use crate::bench::{Bench, HEADER};

/// Two candles an hour apart, of which the second is not due as long as the test runs.
const HOURS: &str = "3600,1,2,1,2,3\n7200,1,2,1,2,3\n";

const ARGUMENTS: [&str; 6] = ["replay", "hours.csv", "--series", "csv:X:1h", "--speed", "1x"];

async fn waiting() -> anyhow::Result<Bench> {
    let bench = Bench::start(RedisOptions::default()).await?;
    bench.file("hours.csv", format!("{HEADER}{HOURS}nonsense\n"))?;
    Ok(bench)
}

#[tokio::test]
async fn ctrl_c_and_sigterm_end_the_wait_for_the_next_candle() -> anyhow::Result<()> {
    let bench = waiting().await?;
    for (run, expected) in [(1, "ctrl-c"), (2, "SIGTERM")] {
        let mut program = bench.ingestor(&ARGUMENTS).spawn()?;
        bench.wait_for_length("csv:X:1h", run).await?;
        let status = if run == 1 { program.interrupt(PATIENCE).await? } else { program.terminate(PATIENCE).await? };
        assert_eq!(status.code(), Some(130), "{expected}");
        let summary = "replay csv:X:1h: interrupted, 1 of 2 candles published in";
        program.wait_for_line(|line| line.starts_with(summary) && line.contains("1 row refused"), PATIENCE).await?;
        program.wait_for_line(|line| line.contains(expected), PATIENCE).await?;
    }
    assert_eq!(bench.length("csv:X:1h").await?, 2);
    Ok(())
}

#[tokio::test]
async fn ctrl_c_is_heard_while_a_pipe_gives_nothing() -> anyhow::Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let pipe = bench.file("pipe", "")?;
    std::fs::remove_file(&pipe)?;
    anyhow::ensure!(Command::new("mkfifo").arg(&pipe).status()?.success());
    let mut program = bench.ingestor(&["replay", "pipe", "--series", "csv:X:1h"]).spawn()?;
    let mut connection = bench.connection().await?;
    let connected =
        eventually(PATIENCE, async || match redis::cmd("EXISTS").arg("cw:meta").query_async(&mut connection).await {
            Ok(true) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    connected.await?;
    assert_eq!(program.interrupt(PATIENCE).await?.code(), Some(130));
    program.wait_for_line(|line| line == "replay csv:X:1h: interrupted, no candle published", PATIENCE).await?;
    Ok(())
}

#[tokio::test]
async fn metrics_are_served_where_an_address_is_given() -> anyhow::Result<()> {
    let bench = waiting().await?;
    let arguments = [&ARGUMENTS[..], &["--http", "127.0.0.1:0"]].concat();
    let mut program = bench.ingestor(&arguments).spawn()?;
    let line = program.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.strip_suffix("/metrics"));
    let address: SocketAddr = address.unwrap_or_default().parse()?;

    let series = [("venue", "csv"), ("timeframe", "1h")];
    let page = eventually(PATIENCE, async || {
        let page = MetricsPage::fetch(address).await.map_err(|error| error.to_string())?;
        match page.value("candlewire_candles_published_total", &series) {
            Some(1.0) => Ok(page),
            other => Err(format!("published {other:?}")),
        }
    });
    let page = page.await?;
    assert_eq!(page.value("candlewire_candles_received_total", &series), Some(3.0));
    for (reason, count) in [("forming", 0.0), ("duplicate", 0.0), ("invalid", 1.0)] {
        assert_eq!(page.value("candlewire_candles_discarded_total", &[("reason", reason)]), Some(count), "{reason}");
    }
    assert_eq!(page.value("candlewire_build_info", &[]), Some(1.0));
    let ready = eventually(PATIENCE, async || match HttpPage::fetch(address, "/readyz").await {
        Ok(HttpPage { status: 200, .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    ready.await?;
    assert_eq!(program.terminate(PATIENCE).await?.code(), Some(130));
    Ok(())
}
