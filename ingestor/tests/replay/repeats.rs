//! Replays that repeat each other: what workers make of the stream is what they make of one replay.
//!
//! Workers apply of each series, in stream order, what is newer than the last; all that they write follows
//! from what they apply. So two streams are worth the same when the candles applied are the same.

use candlewire_common::stream::StreamEntry;
use candlewire_testkit::RedisOptions;
use candlewire_testkit::wait::PATIENCE;

use crate::bench::{Bench, data, data_rows};

const COLUMNS: [&str; 6] = ["open_time", "open", "high", "low", "close", "volume"];

/// The rows of the candles that a worker applies, of all that are in the stream.
fn applied(entries: &[StreamEntry]) -> anyhow::Result<Vec<Vec<String>>> {
    let (mut rows, mut last) = (Vec::new(), 0_i64);
    for entry in entries {
        let row: Vec<String> = COLUMNS.iter().filter_map(|name| entry.fields.text(name)).map(str::to_owned).collect();
        let open_time = row[0].parse()?;
        if open_time > last {
            rows.push(row);
            last = open_time;
        }
    }
    Ok(rows)
}

#[tokio::test]
async fn two_replays_side_by_side_are_worth_one() -> anyhow::Result<()> {
    for (file, series, speed) in
        [("EURUSD-1h-2017.csv", "csv:EURUSD:1h", "max"), ("BTCUSD-1m-2019-03-29.csv", "csv:BTCUSD:1m", "60000x")]
    {
        let bench = Bench::start(RedisOptions::default()).await?;
        let (file_path, rows) = (data(file), data_rows(file)?);
        let arguments = ["replay", &file_path, "--series", series, "--speed", speed];
        let mut programs = [bench.ingestor(&arguments).spawn()?, bench.ingestor(&arguments).spawn()?];
        for program in &mut programs {
            assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());
        }
        let entries = bench.entries(series).await?;
        assert_eq!(entries.len(), 2 * rows.len());
        assert_eq!(applied(&entries)?, rows, "{file}");
    }
    Ok(())
}

#[tokio::test]
async fn a_replay_that_is_killed_anywhere_and_run_again_is_worth_one() -> anyhow::Result<()> {
    const FILE: &str = "BTCUSD-1m-2019-03-29.csv";
    const SERIES: &str = "csv:BTCUSD:1m";
    let bench = Bench::start(RedisOptions::default()).await?;
    for more in [1, 700, 30, 1_100, 333, 2] {
        let before = bench.length(SERIES).await?;
        let mut program = bench.ingestor(&["replay", &data(FILE), "--series", SERIES, "--speed", "60000x"]).spawn()?;
        bench.wait_for_length(SERIES, before + more).await?;
        program.kill()?;
    }
    let killed = applied(&bench.entries(SERIES).await?)?;
    let rows = data_rows(FILE)?;
    assert!(killed.len() < rows.len(), "no replay came to its end");
    assert!(rows.starts_with(&killed));
    let mut program = bench.ingestor(&["replay", &data(FILE), "--series", SERIES]).spawn()?;
    assert_eq!(program.wait(PATIENCE).await?.code(), Some(0), "{:?}", program.lines());
    assert_eq!(applied(&bench.entries(SERIES).await?)?, rows);
    Ok(())
}
