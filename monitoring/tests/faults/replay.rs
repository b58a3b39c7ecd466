//! What compose shows without any configuration: candles of years ago, replayed, are no fault, nor is the replay's end.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::Result;
use candlewire_testkit::bundled;
use candlewire_testkit::{RedisOptions, RedisServer};

use crate::rig::Rig;
use crate::service::Service;

const SILENCE: Duration = Duration::from_secs(12);

/// Makes no fault.
pub(crate) async fn nothing_is_wrong() -> Result<BTreeSet<String>> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("candlewire.toml");
    let shipped = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../candlewire.toml"))?;
    let own = shipped.replace("redis://127.0.0.1:6379/0", &redis.url());
    fs::write(&config, own.replace("# max_age = \"auto\"", "max_age = \"off\""))?;
    let worker = Service::start("indicator-worker", &config).await?;
    let notifier = Service::start("notifier", &config).await?;
    let file = bundled::path("EURUSD-1h-2017.csv").to_string_lossy().into_owned();
    let arguments = ["replay", &file, "--series=csv:EURUSD:1h", "--speed=14400x"].map(str::to_owned);
    let mut replay = Service::start_with("ingestor", &config, arguments.into()).await?;
    let rig = Rig::start(&[&replay, &worker, &notifier]).await?;

    rig.sees("increase(candlewire_candles_processed_total{outcome=\"applied\"}[5s]) > 0").await?;
    rig.is_silent_for(SILENCE).await?;
    replay.program.terminate(SILENCE).await?;
    rig.sees("up{job=\"ingestor\"} == 0").await?;
    rig.is_silent_for(SILENCE).await?;
    rig.only_these_fired(&[]).await
}
