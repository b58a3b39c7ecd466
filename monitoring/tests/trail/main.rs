//! A signal's way through the logs: by its id it is found where it was born and where it was delivered, with fields
//! of the same names, at the level that is on by default.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use candlewire_common::series::{Partitions, Series};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, ProgramCommand, RedisOptions, RedisServer};
use serde_json::Value;

const SERIES: &str = "acme:WIDGET:1m";
const PARTITIONS: u16 = 2;

fn start(program: &str, config: &Path) -> Result<Program> {
    let command = ProgramCommand::built(program)?.arg("--config").arg(config).args(["--log-format", "json", "run"]);
    Ok(command.args(["--http", "127.0.0.1:0"]).spawn()?)
}

/// The first line of a log that has a signal's id, or the very one.
async fn line_of(program: &Program, id: Option<&str>) -> Result<Value> {
    let has_id = |line: &str| {
        let found = serde_json::from_str::<Value>(line).ok()?.get("signal.id")?.as_str()?.to_owned();
        Some(id.is_none_or(|id| found == id))
    };
    let line = program.wait_for_line(|line| has_id(line) == Some(true), PATIENCE).await?;
    Ok(serde_json::from_str(&line)?)
}

#[tokio::test]
async fn a_signal_is_followed_by_its_id() -> Result<()> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let config = redis.directory().join("candlewire.toml");
    let text = format!(
        "[redis]\nurl = \"{}\"\npartitions = {PARTITIONS}\n[delivery]\nmax_age = \"off\"\n\
         [[strategies]]\nname = \"cross\"\nseries = [\"*:*:*\"]\nfast = \"sma(2)\"\nslow = \"sma(3)\"\n\
         [[recipients]]\nname = \"terminal\"\nkind = \"console\"\n",
        redis.url()
    );
    std::fs::write(&config, text)?;
    let (worker, notifier) = (start("indicator-worker", &config)?, start("notifier", &config)?);

    let partition = SERIES.parse::<Series>()?.partition(Partitions::new(PARTITIONS).context("partitions")?);
    let mut connection = redis.connection().await?;
    for (minute, price) in ["10", "11", "12", "11", "9"].iter().enumerate() {
        let mut add = redis::cmd("XADD");
        add.arg(format!("cw:{{{partition}}}:candles")).arg("*").arg("series").arg(SERIES);
        add.arg("open_time").arg((minute + 1) * 60_000).arg("open").arg(price).arg("high").arg(price);
        add.arg("low").arg(price).arg("close").arg(price).exec_async(&mut connection).await?;
    }

    let found = line_of(&worker, None).await?;
    let id = found["signal.id"].as_str().context("an id")?;
    ensure!(found["series"] == SERIES && found["strategy"] == "cross" && found["level"] == "INFO", "{found}");
    ensure!(found["open_time"].as_i64().is_some_and(|time| time % 60_000 == 0), "{found}");
    let delivered = line_of(&notifier, Some(id)).await?;
    ensure!(delivered["recipient"] == "terminal" && delivered["series"] == SERIES, "{delivered}");
    for line in [&found, &delivered] {
        ensure!(
            line["message"].as_str().is_some_and(|message| message.contains(id)),
            "alone it says too little: {line}"
        );
    }
    Ok(())
}
