//! A short run with every kind of fault: nothing is lost, doubled, reordered or unexpected.
//!
//! Times are printed and not asserted: the machines that run tests are busy with others.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::ProgramCommand;
use chaos::schedule::Kind;
use serde_json::Value;
use tempfile::TempDir;

/// How long the run may take on a busy machine, built without optimisation.
const DEADLINE: Duration = Duration::from_mins(3);

/// Enough for every kind, whatever the seed.
const FAULTS: u64 = 60;

#[tokio::test]
async fn sixty_faults_of_every_kind_lose_and_double_nothing() -> Result<()> {
    let directory = TempDir::new()?;
    let json = directory.path().join("figures.json");
    let command = ProgramCommand::new(env!("CARGO_BIN_EXE_chaos"))
        .args(["--faults", &FAULTS.to_string(), "--json"])
        .arg(&json)
        .env("TMPDIR", directory.path());
    let run = command.run_to_end(DEADLINE).await?;
    let output = format!("{}{}", run.stdout, run.stderr);
    let text = std::fs::read_to_string(&json).with_context(|| format!("{}: {output}", run.status))?;
    let figures: Value = serde_json::from_str(&text)?;
    let number = |pointer: &str| figures.pointer(pointer).and_then(Value::as_u64).with_context(|| pointer.to_owned());
    for pointer in [
        "/signals/lost",
        "/signals/doubled",
        "/signals/out_of_order",
        "/signals/unexpected",
        "/signals/wrong",
        "/wrong_states",
        "/wrong_histories",
        "/dead",
    ] {
        ensure!(number(pointer)? == 0, "{pointer} is not 0: {output}");
    }
    ensure!(figures["incidents"].as_array().is_some_and(Vec::is_empty), "{output}");
    ensure!(number("/expected")? > 500, "too few signals to tell: {output}");
    let faults = figures["faults"].as_object().context("faults")?;
    ensure!(faults.len() == Kind::ALL.len(), "not every kind came: {output}");
    ensure!(faults.values().filter_map(Value::as_u64).sum::<u64>() == FAULTS, "{output}");
    // Shown by `cargo test -- --nocapture`, for people.
    std::io::Write::write_all(&mut std::io::stderr(), output.as_bytes())?;
    let left = std::fs::read_dir(directory.path())?.count();
    ensure!(left == 1, "{left} entries are left where only the figures should be");
    Ok(())
}

#[tokio::test]
async fn bad_usage_is_told_with_its_own_code() -> Result<()> {
    let run =
        ProgramCommand::new(env!("CARGO_BIN_EXE_chaos")).args(["--lease-ttl", "1ms"]).run_to_end(DEADLINE).await?;
    assert_eq!(run.status.code(), Some(64));
    ensure!(run.stderr.contains("not from 500ms to 5m"), "{}", run.stderr);
    Ok(())
}
