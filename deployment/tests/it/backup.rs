//! `deploy/backup.sh`: what it makes is whole, and the programs go on from it as if nothing had been.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::program_command::Finished;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{ProgramCommand, RedisOptions, RedisServer, eventually};
use tempfile::TempDir;

use crate::bench::{Bench, PASSWORD, command, shipped};

const SETTINGS: &str = r#"partitions = 1
[[strategies]]
name = "cross"
series = ["*:*:*"]
fast = "sma(5)"
slow = "sma(20)"
"#;
const SERIES: &str = "csv:AAPL:1d";
const CANDLES: usize = 3_270;
/// The shipped user, for a server that has no others.
const BACKUP_USER: &str = "ACL SETUSER backup on >of-a-test +ping +info +bgsave +config|get";

/// Runs the script against a server as the user `backup`.
async fn back_up(port: u16, to: &Path, password: &str, more: &[&str]) -> Result<Finished> {
    let secret = TempDir::new()?;
    let file = secret.path().join("password");
    fs::write(&file, format!("{password}\n"))?;
    let script = ProgramCommand::new(shipped("deploy/backup.sh")).arg("--to").arg(to);
    let script = script.args(["--port", &port.to_string(), "--user", "backup", "--password-file"]).arg(file);
    Ok(script.args(more).run_to_end(PATIENCE).await?)
}

fn backups(to: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(to)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.sort();
    Ok(found)
}

/// The ids of all signals, in order.
async fn signals(bench: &Bench) -> Result<Vec<String>> {
    let mut connection = bench.connection().await?;
    let entries: Vec<(String, Vec<String>)> = command("XRANGE cw:{0}:signals - +").query_async(&mut connection).await?;
    let id = |fields: Vec<String>| fields.chunks(2).find(|pair| pair[0] == "id").map(|pair| pair[1].clone());
    entries.into_iter().map(|(_, fields)| id(fields).context("a signal without id")).collect()
}

/// Runs a worker until so many candles are in the state of the series.
async fn work(bench: &Bench, candles: usize) -> Result<()> {
    let mut worker = bench.run("indicator-worker", "worker")?;
    let mut connection = bench.connection().await?;
    let applied = eventually(PATIENCE, async || {
        let count = command(&format!("HGET cw:{{0}}:ma:{SERIES} candles"));
        match count.query_async::<Option<usize>>(&mut connection).await {
            Ok(Some(count)) if count == candles => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
    applied.await?;
    ensure!(worker.terminate(PATIENCE).await?.success());
    Ok(())
}

/// The first rows of the bundled file, as a file.
fn beginning(directory: &Path, rows: usize) -> Result<PathBuf> {
    let text = fs::read_to_string(shipped("data/AAPL-1d.csv"))?;
    let file = directory.join("beginning.csv");
    let lines: Vec<&str> = text.lines().take(rows + 1).collect();
    fs::write(&file, lines.join("\n"))?;
    Ok(file)
}

/// Has the server find this part of a backup in place of its own data.
async fn restore(part: &Path, redis: &mut RedisServer) -> Result<()> {
    redis.kill()?;
    let directory = redis.directory().to_owned();
    let old = directory.join("appendonlydir");
    if old.exists() {
        fs::remove_dir_all(old)?;
    }
    let copied = Command::new("cp").arg("-r").arg(part).arg(&directory).status()?;
    ensure!(copied.success(), "{copied}");
    Ok(redis.restart().await?)
}

#[tokio::test]
async fn a_worker_goes_on_from_a_backup_and_finds_each_signal_once() -> Result<()> {
    let whole = Bench::start().await?;
    whole.configure(SETTINGS)?;
    whole.replay("AAPL-1d.csv", SERIES).await?;
    work(&whole, CANDLES).await?;
    let expected = signals(&whole).await?;
    ensure!(expected.len() > 50, "only {} signals", expected.len());

    // 2,000 candles that were worked on and 500 that were not are in the backup; all is lost afterwards.
    let mut broken = Bench::start().await?;
    broken.configure(SETTINGS)?;
    for rows in [2_000, 2_500] {
        let file = beginning(broken.directory(), rows)?;
        let arguments = ["replay", file.to_str().context("UTF-8")?, "--series", SERIES];
        broken.done("ingestor", "ingestor", &arguments).await?;
        if rows == 2_000 {
            work(&broken, rows).await?;
        }
    }
    let before = signals(&broken).await?;
    let to = TempDir::new()?;
    let made = back_up(broken.redis.port(), to.path(), PASSWORD, &[]).await?;
    ensure!(made.status.success() && made.stdout.starts_with("backup: "), "{made:?}");
    let backup = backups(to.path())?.pop().context("no backup")?;
    command("FLUSHALL").exec_async(&mut broken.connection().await?).await?;

    restore(&backup.join("appendonlydir"), &mut broken.redis).await?;
    let after = signals(&broken).await?;
    ensure!(after == before, "{} signals, {} before", after.len(), before.len());
    work(&broken, 2_500).await?;
    broken.replay("AAPL-1d.csv", SERIES).await?;
    work(&broken, CANDLES).await?;
    ensure!(signals(&broken).await? == expected, "other signals than without a loss");
    ensure!(expected.iter().collect::<BTreeSet<_>>().len() == expected.len(), "a signal came twice");
    Ok(())
}

#[tokio::test]
async fn the_newest_are_kept_and_are_made_while_redis_writes() -> Result<()> {
    let mut redis =
        RedisServer::start(RedisOptions { append_only: AppendOnly::EverySec, ..Default::default() }).await?;
    let mut connection = redis.connection().await?;
    command(BACKUP_USER).exec_async(&mut connection).await?;
    let to = TempDir::new()?;
    for day in 1..=9 {
        fs::create_dir(to.path().join(format!("candlewire-2026010{day}T031500Z")))?;
    }
    // Transactions of two keys and rewrites go on meanwhile: what is restored has both keys of each or none.
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let mut writer = redis.connection().await?;
    let writing = async {
        let mut turn = 0_u32;
        while stopped.try_recv().is_err() {
            turn += 1;
            let mut both = redis::pipe();
            both.atomic().cmd("SET").arg("a").arg(turn).cmd("SET").arg("b").arg(turn);
            both.exec_async(&mut writer).await?;
            if turn.is_multiple_of(500) {
                // One may be under way.
                let _: Result<(), _> = command("BGREWRITEAOF").exec_async(&mut writer).await;
            }
        }
        Ok::<u32, anyhow::Error>(turn)
    };
    let making = async {
        let made = back_up(redis.port(), to.path(), PASSWORD, &[]).await;
        let _ = stop.send(());
        made
    };
    let (turns, made) = tokio::join!(writing, making);
    let (turns, made) = (turns?, made?);
    ensure!(made.status.success(), "{made:?}");
    let kept = backups(to.path())?;
    ensure!(kept.len() == 7 && kept.iter().all(|kept| !kept.ends_with("candlewire-20260103T031500Z")), "{kept:?}");
    let backup = kept.last().context("no backup")?.clone();
    ensure!(backup.join("dump.rdb").is_file() && backup.join("appendonlydir").is_dir());

    restore(&backup.join("appendonlydir"), &mut redis).await?;
    let mut connection = redis.connection().await?;
    let pair: (u32, u32) = command("MGET a b").query_async(&mut connection).await?;
    ensure!(pair.0 == pair.1 && (1..=turns).contains(&pair.0), "{pair:?} of {turns}");
    Ok(())
}

#[tokio::test]
async fn a_snapshot_alone_brings_everything_back() -> Result<()> {
    let mut redis = RedisServer::start(RedisOptions::default()).await?;
    let mut connection = redis.connection().await?;
    command(BACKUP_USER).exec_async(&mut connection).await?;
    command("SET a 1").exec_async(&mut connection).await?;
    let to = TempDir::new()?;
    let made = back_up(redis.port(), to.path(), PASSWORD, &[]).await?;
    ensure!(made.status.success(), "{made:?}");
    let backup = backups(to.path())?.pop().context("no backup")?;
    ensure!(!backup.join("appendonlydir").exists(), "there is no append-only file to copy");

    command("FLUSHALL").exec_async(&mut connection).await?;
    restore(&backup.join("dump.rdb"), &mut redis).await?;
    let mut connection = redis.connection().await?;
    // As docs/BACKUP.md has it: what was read becomes an append-only file.
    command("CONFIG SET appendonly yes").exec_async(&mut connection).await?;
    ensure!(command("GET a").query_async::<Option<u8>>(&mut connection).await? == Some(1));
    Ok(())
}

#[tokio::test]
async fn a_backup_that_fails_says_why_and_leaves_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let (to, port) = (TempDir::new()?, bench.redis.port());
    let nowhere = TempDir::new()?.path().join("nowhere");
    let nowhere = nowhere.to_str().context("UTF-8")?;
    for (password, more, code, said) in [
        ("hunter2", &[][..], 69, "WRONGPASS"),
        (PASSWORD, &["--user", "notifier"], 69, "NOPERM"),
        (PASSWORD, &["--port", "1"], 69, "Could not connect"),
        (PASSWORD, &["--data", nowhere], 74, "can't be read"),
        (PASSWORD, &["--keep", "0"], 64, "not a whole number of at least 1: '0'"),
        (PASSWORD, &["--often"], 64, "unknown argument --often"),
    ] {
        let failed = back_up(port, to.path(), password, more).await?;
        ensure!(failed.status.code() == Some(code) && failed.stderr.contains(said), "{more:?}: {failed:?}");
        ensure!(failed.stderr.lines().count() == 1 && !failed.stderr.contains("hunter2"), "{failed:?}");
    }
    ensure!(backups(to.path())?.is_empty(), "{:?}", backups(to.path())?);
    Ok(())
}

#[tokio::test]
async fn two_at_once_do_not_get_into_each_other_and_what_a_killed_one_left_goes() -> Result<()> {
    let bench = Bench::start().await?;
    let (to, port) = (TempDir::new()?, bench.redis.port());
    let left = to.path().join(".partial.killed");
    fs::create_dir(&left)?;
    let two_days = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    fs::File::open(&left)?.set_modified(two_days)?;
    let (one, other) = tokio::join!(back_up(port, to.path(), PASSWORD, &[]), back_up(port, to.path(), PASSWORD, &[]));
    let made = [one?, other?];
    let succeeded = made.iter().filter(|made| made.status.success()).count();
    // Redis may have no time for a second snapshot, or the name may be taken.
    let said = |made: &Finished| made.status.success() || made.stderr.contains("already");
    ensure!(succeeded >= 1 && made.iter().all(said), "{made:?}");
    ensure!(!left.exists(), "what a killed one left is there still");
    let kept = backups(to.path())?;
    ensure!(kept.len() == succeeded, "{kept:?} of {made:?}");
    for backup in kept {
        let strange = backups(&backup)?.into_iter().find(|path| path.to_string_lossy().contains(".partial"));
        ensure!(strange.is_none(), "{strange:?}");
    }
    Ok(())
}
