//! The project's end-to-end test: the demo, with all programs and a real Redis, from candle files to
//! delivered alerts.

mod oracle;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{MetricsPage, ProgramCommand};
use oracle::Pair::{self, Ema, Sma};
use tempfile::TempDir;

/// How long a demo may take on a busy machine, built without optimisation.
const DEADLINE: Duration = Duration::from_mins(2);

/// A file and the strategies that run over it.
type Crossed = (&'static str, &'static [Pair]);

/// How each act's title begins, and what it replays.
const ACTS: [(&str, &[Crossed]); 7] = [
    ("EURUSD by the hour", &[("EURUSD-1h-2017.csv", &[Sma(50, 200), Ema(12, 26)])]),
    ("Apple by the day", &[("AAPL-1d.csv", &[Sma(50, 200), Ema(12, 26)])]),
    ("Google by the day", &[("GOOG-1d.csv", &[Sma(50, 200), Ema(12, 26)])]),
    ("IBM by the day", &[("IBM-1d.csv", &[Sma(50, 200), Ema(12, 26)])]),
    ("Microsoft by the day", &[("MSFT-1d.csv", &[Sma(50, 200), Ema(12, 26)])]),
    ("BTCUSD by the minute", &[("BTCUSD-1m-2019-03-29.csv", &[Sma(50, 200), Sma(10, 30)])]),
    ("BTC and SOL by the minute", &[("BTC-1m-2023-01-15.csv", &[Sma(2, 3)]), ("SOL-1m-2023-01-01.csv", &[Sma(2, 3)])]),
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data")
}

/// A demo whose temporary files are in `directory`, so that what it leaves behind is seen.
fn demo(directory: &TempDir) -> ProgramCommand {
    ProgramCommand::new(env!("CARGO_BIN_EXE_demo")).arg("--data").arg(data()).env("TMPDIR", directory.path())
}

fn ensure_nothing_left(directory: &TempDir, output: &str) -> Result<()> {
    let left = fs::read_dir(directory.path())?.count();
    ensure!(left == 0, "{left} entries are left in the temporary directory");
    for address in addresses(output) {
        ensure!(TcpStream::connect(address).is_err(), "{address} still answers");
    }
    Ok(())
}

/// Finds the addresses of what the demo started: of Redis, the metrics and the receiver.
fn addresses(output: &str) -> Vec<SocketAddr> {
    let words = output.split_whitespace().map(|word| word.trim_start_matches("http://"));
    words.filter_map(|word| word.split('/').next()?.parse().ok()).collect()
}

/// Finds how many alerts an act brought: the last word but three of `6,225 candles → 245 alerts in 412 ms`.
fn alerts_of(output: &str, title: &str) -> Result<usize> {
    let mut lines = output.lines().skip_while(|line| !line.starts_with(title));
    let line = lines
        .find(|line| line.contains(" → ") && line.contains(" in "))
        .with_context(|| format!("{title}: {output}"))?;
    let (_, rest) = line.split_once(" → ").context("an arrow")?;
    Ok(rest.split(' ').next().context("a count")?.replace(',', "").parse()?)
}

#[tokio::test]
async fn two_demos_side_by_side_deliver_each_crossing_once() -> Result<()> {
    let directories = [TempDir::new()?, TempDir::new()?];
    let [one, two] = directories.each_ref().map(|directory| demo(directory).run_to_end(DEADLINE));
    let (one, two) = tokio::try_join!(one, two)?;
    for (demo, directory) in [one, two].iter().zip(&directories) {
        let output = &demo.stdout;
        ensure!(demo.status.success(), "{}: {output}{}", demo.status, demo.stderr);
        ensure!(demo.stderr.is_empty(), "{}", demo.stderr);
        let mut crossings = 0;
        for (title, files) in ACTS {
            let mut expected = 0;
            for (file, pairs) in files {
                for pair in *pairs {
                    expected += oracle::crossings(&data().join(file), *pair)?;
                }
            }
            assert_eq!(alerts_of(output, title)?, expected, "{title}");
            crossings += expected;
        }
        for line in [
            "  candles   20,165 published, 0 refused, 0 dead\n".to_owned(),
            format!("  alerts    {crossings} delivered and verified, 0 rejected, 0 duplicate, 0 missing\n"),
            format!("\nPassed: {crossings} signals, each delivered exactly once with a valid signature.\n"),
        ] {
            ensure!(output.contains(&line), "no {line:?} in {output}");
        }
        ensure!(!output.contains('\u{1b}'), "without a terminal there is nothing to colour or redraw: {output:?}");
        ensure_nothing_left(directory, output)?;
    }
    Ok(())
}

#[tokio::test]
async fn interrupted_demo_leaves_nothing_behind() -> Result<()> {
    let directory = TempDir::new()?;
    for (first_sign, code) in [("Candlewire: ", 130), ("  🟢 BUY ", 143)] {
        let mut demo = demo(&directory).spawn()?;
        demo.wait_for_line(|line| line.starts_with(first_sign), PATIENCE).await?;
        let status = if code == 130 { demo.interrupt(PATIENCE).await? } else { demo.terminate(PATIENCE).await? };
        assert_eq!(status.code(), Some(code));
        demo.wait_for_line(|line| line.contains("everything it started is stopped"), PATIENCE).await?;
        ensure_nothing_left(&directory, &demo.lines().join("\n"))?;
    }
    Ok(())
}

#[tokio::test]
async fn kept_demo_can_be_looked_at_until_ctrl_c() -> Result<()> {
    let directory = TempDir::new()?;
    let mut demo = demo(&directory).arg("--keep").spawn()?;
    demo.wait_for_line(|line| line.starts_with("Everything keeps running"), DEADLINE).await?;
    let worker = demo.wait_for_line(|line| line.starts_with("  worker "), PATIENCE).await?;
    let page = MetricsPage::fetch(*addresses(&worker).first().context("an address")?).await?;
    assert_eq!(page.value("candlewire_candles_processed_total", &[("outcome", "applied")]), Some(20_165.0));
    let feed = demo.wait_for_line(|line| line.contains("/ingestor replay "), PATIENCE).await?;
    let mut words = feed.split_whitespace();
    let ingestor = ProgramCommand::new(words.next().context("a program")?);
    let published =
        ingestor.args(words.map(|word| if word == "1x" { "max" } else { word })).run_to_end(PATIENCE).await?;
    ensure!(published.status.success(), "{}: {}", published.status, published.stderr);
    demo.wait_for_line(|line| line.contains(" BTCUSDT 1s · pulse · "), PATIENCE).await?;
    assert_eq!(demo.interrupt(PATIENCE).await?.code(), Some(0));
    ensure_nothing_left(&directory, &demo.lines().join("\n"))
}

#[tokio::test]
async fn candle_that_can_not_be_used_fails_the_demo_and_nothing_else() -> Result<()> {
    let directory = TempDir::new()?;
    let mut demo = demo(&directory).spawn()?;
    let redis = demo.wait_for_line(|line| line.starts_with("  redis "), PATIENCE).await?;
    let address = addresses(&redis).first().copied().context("an address")?;
    let mut connection =
        redis::Client::open(format!("redis://{address}/0"))?.get_multiplexed_async_connection().await?;
    redis::cmd("XADD").arg("cw:{3}:candles").arg("*").arg("not").arg("a candle").exec_async(&mut connection).await?;
    assert_eq!(demo.wait(DEADLINE).await?.code(), Some(1));
    demo.wait_for_line(|line| line == "demo: 1 candle in the dead streams", PATIENCE).await?;
    demo.wait_for_line(|line| line.contains("0 rejected, 0 duplicate, 0 missing"), PATIENCE).await?;
    ensure_nothing_left(&directory, &demo.lines().join("\n"))
}

#[tokio::test]
async fn what_is_missing_is_said_in_one_line() -> Result<()> {
    let directory = TempDir::new()?;
    let no_data =
        ProgramCommand::new(env!("CARGO_BIN_EXE_demo")).args(["--data", "/nowhere"]).run_to_end(PATIENCE).await?;
    assert_eq!((no_data.status.code(), no_data.stderr.lines().count()), (Some(64), 1), "{}", no_data.stderr);
    let no_redis = demo(&directory).env("PATH", "/nowhere").env("TEST_REDIS_SERVER", "").run_to_end(PATIENCE).await?;
    assert_eq!(no_redis.status.code(), Some(1));
    assert_eq!(no_redis.stderr, "demo: redis-server is not installed: run `make demo`, which installs it\n");
    ensure_nothing_left(&directory, "")
}
