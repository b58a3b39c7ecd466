//! `ingestor run --or-replay`: what a container does that nobody has configured yet, and how it is asked for its health.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{HttpPage, Program, RedisOptions};

use crate::bench::{Bench, HEADER, data, data_times};

const FILE: &str = "SOL-1m-2023-01-01.csv";
const SERIES: &str = "csv:SOL:1m";
const COUNT: usize = 300;

/// The command with the bundled file, at this address.
fn arguments(file: &str, http: &str) -> Vec<String> {
    ["run", "--or-replay", file, "--series", SERIES, "--http", http].map(str::to_owned).to_vec()
}

/// Starts it, and waits until it serves its pages.
async fn start(bench: &Bench, more: &[&str]) -> Result<(Program, SocketAddr)> {
    let mut arguments = arguments(&data(FILE), "127.0.0.1:0");
    arguments.extend(more.iter().map(|&text| text.to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let program = bench.ingestor(&arguments).spawn()?;
    let line = program.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
    Ok((program, address.context("no address in the log line")?.parse()?))
}

/// What `ingestor health` says of the process at this address, without the address, and its exit code.
async fn health(bench: &Bench, address: SocketAddr) -> Result<(Option<i32>, String)> {
    let http = address.to_string();
    let finished = bench.ingestor(&["health", "--http", &http]).run_to_end(PATIENCE).await?;
    ensure!(finished.stderr.is_empty(), "{}", finished.stderr);
    let said = finished.stdout.strip_prefix(&format!("http://{address}/readyz: ")).context("no address")?;
    Ok((finished.status.code(), said.trim_end().to_owned()))
}

#[tokio::test]
async fn without_sources_the_file_is_published_and_the_process_stays_until_it_is_stopped() -> Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    // A configuration that covers everything but sources changes nothing.
    bench.file("candlewire.toml", "[worker]\nbatch = 100\n")?;
    let (mut program, address) = start(&bench, &[]).await?;
    let end = program.wait_for_line(|line| line.contains("nothing is left to publish"), PATIENCE).await?;
    ensure!(end.contains("add [[sources]] to the configuration"), "{end}");
    let said = program.lines().concat();
    ensure!(said.contains(&format!("replay {SERIES}: {COUNT} candles published in ")), "{said}");
    ensure!(bench.open_times(SERIES).await? == data_times(FILE)?);
    // It has done all that it can do, and is as healthy as ever.
    ensure!(health(&bench, address).await? == (Some(0), "ready".to_owned()));
    ensure!(HttpPage::fetch(address, "/metrics").await?.body.contains("candlewire_candles_published_total"));
    ensure!(program.ended()?.is_none(), "{:?}", program.lines());
    let status = program.terminate(PATIENCE).await?;
    ensure!(status.code() == Some(0), "{status}: {:?}", program.lines());
    let nobody = health(&bench, address).await?;
    ensure!(nobody.0 == Some(1) && nobody.1.starts_with("no answer: Connection refused"), "{nobody:?}");
    Ok(())
}

#[tokio::test]
async fn a_stop_ends_it_in_the_midst_of_the_file() -> Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    // As much history as a series has at least, and the first candle after it, at once; the next after a minute.
    let (mut program, _) = start(&bench, &["--speed", "1x"]).await?;
    bench.wait_for_length(SERIES, 101).await?;
    let status = program.terminate(PATIENCE).await?;
    ensure!(status.code() == Some(0), "{status}: {:?}", program.lines());
    let said = program.lines().concat();
    ensure!(said.contains("interrupted, 101 of 300 candles published"), "{said}");
    ensure!(!said.contains("nothing is left to publish"), "{said}");
    Ok(())
}

#[tokio::test]
async fn redis_is_waited_for_and_health_follows_it() -> Result<()> {
    let mut bench = Bench::start(RedisOptions::default()).await?;
    bench.redis.kill()?;
    let (mut program, address) = start(&bench, &[]).await?;
    let away = health(&bench, address).await?;
    ensure!(away.0 == Some(1) && away.1.starts_with("not ready: redis does not answer"), "{away:?}");
    bench.redis.restart().await?;
    bench.wait_for_length(SERIES, COUNT).await?;
    let ready = async || match health(&bench, address).await {
        Ok((Some(0), said)) if said == "ready" => Ok(()),
        seen => Err(format!("{seen:?}")),
    };
    eventually(PATIENCE, ready).await?;

    bench.redis.kill()?;
    let gone = async || match health(&bench, address).await {
        Ok((Some(1), said)) => Ok(said),
        seen => Err(format!("{seen:?}")),
    };
    eventually(PATIENCE, gone).await?;
    let status = program.terminate(PATIENCE).await?;
    ensure!(status.code() == Some(0), "{status}: {:?}", program.lines());
    Ok(())
}

#[tokio::test]
async fn what_redis_forbids_is_tried_again() -> Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let mut connection = bench.connection().await?;
    let mut allow = async |rule: &str| {
        let set = ["SETUSER", "default", "on", "nopass", "~*", "+@all", rule];
        redis::cmd("ACL").arg(&set).exec_async(&mut connection).await
    };
    allow("-xadd").await?;
    let (mut program, _) = start(&bench, &[]).await?;
    let line = program.wait_for_line(|line| line.contains("NOPERM"), PATIENCE).await?;
    ensure!(line.contains("stopped after 0 of 300 candles"), "{line}");
    ensure!(line.contains("the replay begins anew once candles can be published"), "{line}");
    allow("+xadd").await?;
    bench.wait_for_length(SERIES, COUNT).await?;
    ensure!(bench.open_times(SERIES).await? == data_times(FILE)?);
    ensure!(program.terminate(PATIENCE).await?.code() == Some(0));
    Ok(())
}

#[tokio::test]
async fn sources_come_before_the_file_and_mistakes_are_refused() -> Result<()> {
    let bench = Bench::start(RedisOptions::default()).await?;
    let file = bench.file("good.csv", format!("{HEADER}60,1,2,1,2,3\n"))?;
    let file = file.to_string_lossy();
    let source = "[[sources]]\nvenue = \"kraken\"\nsymbols = [\"BTC/USD\"]\ntimeframes = [\"3m\"]\n";
    bench.file("sources.toml", source)?;
    for (arguments, expected) in [
        // With sources it is the live ingestor, which knows what a venue lacks.
        (
            [&arguments(&file, "127.0.0.1:0")[..], &["--config".to_owned(), "sources.toml".to_owned()]].concat(),
            "ingestor: sources[0].timeframes: kraken has no candles of 3m",
        ),
        (arguments("missing.csv", "127.0.0.1:0"), "ingestor: missing.csv: No such file or directory"),
        (["run"].map(str::to_owned).to_vec(), "ingestor: sources: none is configured"),
        (["run", "--or-replay", "good.csv"].map(str::to_owned).to_vec(), "error: the following required arguments"),
        (["run", "--series", SERIES].map(str::to_owned).to_vec(), "error: the following required arguments"),
        (["run", "--speed", "60x"].map(str::to_owned).to_vec(), "error: the following required arguments"),
        (["health", "--http", "127.0.0.1:0"].map(str::to_owned).to_vec(), "ingestor: http address 127.0.0.1:0: port 0"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let finished = bench.ingestor(&arguments).run_to_end(PATIENCE).await?;
        ensure!(finished.status.code() == Some(64), "{arguments:?}: {finished:?}");
        ensure!(finished.stderr.starts_with(expected), "{arguments:?}: {finished:?}");
    }
    ensure!(bench.length(SERIES).await? == 0);
    Ok(())
}
