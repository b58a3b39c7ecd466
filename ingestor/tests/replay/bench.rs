//! What the tests of the replay command share: a private Redis, a directory for files, and the view
//! of a foreign program on the candle stream.

use std::path::{Path, PathBuf};

use candlewire_common::candle_entry::{CandleEntry, Place};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::stream::{StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{ProgramCommand, RedisOptions, RedisServer};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// What every candle file begins with.
pub(crate) const HEADER: &str = "open_time,open,high,low,close,volume\n";

/// A Redis and a directory to run the command in.
pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    directory: TempDir,
}

impl Bench {
    pub(crate) async fn start(options: RedisOptions) -> anyhow::Result<Self> {
        Ok(Self { redis: RedisServer::start(options).await?, directory: tempfile::tempdir()? })
    }

    /// Writes a file into the directory in which the command runs.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content)?;
        Ok(path)
    }

    /// The command with these arguments, against this Redis.
    pub(crate) fn ingestor(&self, arguments: &[&str]) -> ProgramCommand {
        ingestor(&self.redis.url(), self.directory.path(), arguments)
    }

    pub(crate) async fn connection(&self) -> anyhow::Result<MultiplexedConnection> {
        Ok(self.redis.connection().await?)
    }

    /// How many entries the series' stream has, other series' included.
    pub(crate) async fn length(&self, series: &str) -> anyhow::Result<usize> {
        let (key, _) = stream(series)?;
        Ok(redis::cmd("XLEN").arg(key).query_async(&mut self.connection().await?).await?)
    }

    /// Waits until the series' stream has at least `count` entries; returns how many.
    pub(crate) async fn wait_for_length(&self, series: &str, count: usize) -> anyhow::Result<usize> {
        let probe = async || match self.length(series).await {
            Ok(length) if length >= count => Ok(length),
            other => Err(format!("{other:?}")),
        };
        Ok(eventually(PATIENCE, probe).await?)
    }

    /// Reads the series' entries, of those in its stream.
    pub(crate) async fn entries(&self, series: &str) -> anyhow::Result<Vec<StreamEntry>> {
        let (key, _) = stream(series)?;
        let mut connection = self.connection().await?;
        let reply = redis::cmd("XRANGE").arg(key).arg("-").arg("+").query_async(&mut connection).await?;
        let entries = range_reply(reply)?.into_iter();
        Ok(entries.filter(|entry| entry.fields.text("series") == Some(series)).collect())
    }

    /// Reads the series' entries as a worker does; each must be usable. Returns the open times.
    pub(crate) async fn open_times(&self, series: &str) -> anyhow::Result<Vec<i64>> {
        let (_, place) = stream(series)?;
        let mut times = Vec::new();
        for entry in self.entries(series).await? {
            let decoded = CandleEntry::decode(entry.id, &entry.fields, place, UnixMillis::now())?;
            times.push(decoded.candle.open_time().0);
        }
        Ok(times)
    }
}

/// The command with these arguments, run in `directory`.
pub(crate) fn ingestor(url: &str, directory: &Path, arguments: &[&str]) -> ProgramCommand {
    ProgramCommand::new(env!("CARGO_BIN_EXE_ingestor")).current_dir(directory).env("REDIS_URL", url).args(arguments)
}

/// A file of the bundled candles.
pub(crate) fn data(name: &str) -> String {
    format!("{}/../data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The rows of a bundled file, without its header, cut at their commas.
pub(crate) fn data_rows(name: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(data(name))?;
    Ok(text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect())
}

/// The first column of a bundled file.
pub(crate) fn data_times(name: &str) -> anyhow::Result<Vec<i64>> {
    data_rows(name)?.iter().map(|row| Ok(row[0].parse()?)).collect()
}

/// The open times without those that are not after all before them, as a worker applies them.
pub(crate) fn applied(times: &[i64]) -> Vec<i64> {
    let mut applied: Vec<i64> = Vec::new();
    for &time in times {
        if applied.last().is_none_or(|&last| time > last) {
            applied.push(time);
        }
    }
    applied
}

fn stream(series: &str) -> anyhow::Result<(String, Place)> {
    let partitions = Partitions::new(16).ok_or_else(|| anyhow::anyhow!("16 is in range"))?;
    let partition = series.parse::<Series>()?.partition(partitions);
    Ok((Keys::new("cw").candles(partition), Place { partition, partitions }))
}
