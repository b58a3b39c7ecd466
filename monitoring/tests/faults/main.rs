//! Real faults: each alert fires when its fault is made, and is over when the fault is undone.
//!
//! Real processes on a real Redis are scraped by a real Prometheus, once a second, under the shipped rules in a hurry. In
//! the end nothing else may have fired than what the faults explain.

mod candles;
mod delivery;
mod pipeline;
mod replay;
mod rig;
mod service;
mod signals;
mod working;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use monitoring::rules::RuleFile;

/// The faults are made at four rigs at once, since most of the time is spent with waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alert_fires_on_its_fault_and_on_nothing_else() -> Result<()> {
    let (pipeline, working, delivery, replay) =
        tokio::join!(pipeline::faults(), working::faults(), delivery::faults(), replay::nothing_is_wrong());
    let rigs = [
        pipeline.context("the whole pipeline"),
        working.context("around the workers"),
        delivery.context("on the way to recipients"),
        replay.context("a replay"),
    ];
    let mut proven = BTreeSet::new();
    for rig in rigs {
        proven.extend(rig?);
    }
    let files = RuleFile::read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana/rules"))?;
    let all: BTreeSet<String> =
        files.iter().flat_map(|(_, file)| file.rules().filter_map(|rule| rule.alert.clone())).collect();
    assert_eq!(proven, all, "fired here, and shipped");
    Ok(())
}
