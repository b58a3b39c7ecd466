//! A worker on a Redis of its own, seen from outside: candles are written and signals read as a
//! foreign program would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candlewire_common::series::{Partitions, Series};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, ProgramCommand, RedisOptions, RedisServer, eventually};
use redis::Value;
use redis::aio::MultiplexedConnection;

pub(crate) const PARTITIONS: u16 = 4;

/// A candle as a foreign program writes it: open time in ms, and the price of a flat bar.
pub(crate) type Tick = (i64, String);

/// An entry of a stream: its id and its fields.
pub(crate) type Entry = (String, BTreeMap<String, String>);

pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    directory: PathBuf,
    config: String,
}

impl Bench {
    /// Starts Redis, with `config` for the workers to come.
    pub(crate) async fn start(options: RedisOptions, config: &str) -> Self {
        let redis = RedisServer::start(options).await.unwrap();
        let directory = redis.directory().to_owned();
        let bench = Self { redis, directory, config: String::new() };
        bench.with_config(config)
    }

    /// Changes the configuration for the workers started from now on.
    pub(crate) fn with_config(mut self, config: &str) -> Self {
        self.config = format!(
            "[redis]\nurl = \"{}\"\npartitions = {PARTITIONS}\n[http]\nindicator_worker = \"127.0.0.1:0\"\n[worker]\nlease_ttl = \"1s\"\n{config}",
            self.redis.url()
        );
        std::fs::write(self.file(), &self.config).unwrap();
        self
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("candlewire.toml")
    }

    pub(crate) fn worker(&self) -> Program {
        command(&self.file()).arg("run").env("RUST_LOG", "debug").spawn().unwrap()
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        self.redis.connection().await.unwrap()
    }

    /// Writes flat candles of a series, with the contract's required fields alone.
    pub(crate) async fn publish(&self, series: &str, ticks: &[Tick]) {
        let mut connection = self.connection().await;
        let mut pipe = redis::pipe();
        for (open_time, price) in ticks {
            pipe.cmd("XADD").arg(key(series, "candles")).arg("*").arg("series").arg(series).arg("open_time");
            pipe.arg(open_time).arg("open").arg(price).arg("high").arg(price).arg("low").arg(price);
            pipe.arg("close").arg(price).ignore();
        }
        pipe.exec_async(&mut connection).await.unwrap();
    }

    /// Reads a whole stream.
    pub(crate) async fn stream(&self, key: &str) -> Vec<Entry> {
        let mut connection = self.connection().await;
        redis::cmd("XRANGE").arg(key).arg("-").arg("+").query_async(&mut connection).await.unwrap()
    }

    pub(crate) async fn hash(&self, series: &str) -> BTreeMap<String, Vec<u8>> {
        let mut connection = self.connection().await;
        redis::cmd("HGETALL").arg(key(series, &format!("ma:{series}"))).query_async(&mut connection).await.unwrap()
    }

    /// Changes the lease of the workers started from now on.
    pub(crate) fn set_lease(&self, ttl: &str) {
        self.edit("lease_ttl = \"1s\"", &format!("lease_ttl = \"{ttl}\""));
    }

    /// Changes the number of partitions for the workers started from now on, of which [`key`] knows nothing.
    pub(crate) fn set_partitions(&self, count: u16) {
        self.edit(&format!("partitions = {PARTITIONS}\n"), &format!("partitions = {count}\n"));
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
    }

    /// Waits until every entry of the series' partition is settled.
    pub(crate) async fn wait_settled(&self, series: &str) {
        let settled = eventually(PATIENCE, async || match self.lag(series).await? {
            Value::Int(0) => Ok(()),
            lag => Err(format!("lag of {series} is {lag:?}")),
        });
        settled.await.unwrap();
    }

    /// Whether every entry of all these series' partitions is settled.
    pub(crate) async fn is_settled(&self, series: impl Iterator<Item = &String>) -> bool {
        for series in series {
            if self.lag(series).await != Ok(Value::Int(0)) {
                return false;
            }
        }
        true
    }

    /// What Redis says about the lag of the series' partition.
    async fn lag(&self, series: &str) -> Result<Value, String> {
        let mut connection = self.redis.connection().await.map_err(|error| error.to_string())?;
        let mut groups = redis::cmd("XINFO");
        groups.arg("GROUPS").arg(key(series, "candles"));
        let groups: Vec<BTreeMap<String, Value>> =
            groups.query_async(&mut connection).await.map_err(|error| error.to_string())?;
        let ours = Value::BulkString(b"indicator-workers".to_vec());
        let ours = groups.iter().find(|group| group.get("name") == Some(&ours));
        Ok(ours.and_then(|group| group.get("lag")).cloned().unwrap_or_default())
    }
}

pub(crate) fn command(config: &Path) -> ProgramCommand {
    ProgramCommand::new(env!("CARGO_BIN_EXE_indicator-worker")).arg("--config").arg(config)
}

/// The key of a series' partition with this ending.
pub(crate) fn key(series: &str, ending: &str) -> String {
    let partitions = Partitions::new(PARTITIONS).unwrap();
    let partition = series.parse::<Series>().unwrap().partition(partitions);
    let mut key = String::from("cw");
    write!(key, ":{{{partition}}}:{ending}").unwrap();
    key
}

/// Minutes with prices that cross often; the same every time.
pub(crate) fn waves(count: i64, seed: i64) -> Vec<Tick> {
    let price = |minute: i64| 1_000 + (minute * (7 + seed) * 31) % 97 - (minute * minute + seed) % 53;
    (1..=count)
        .map(|minute| (minute * 60_000, format!("{}.{:02}", price(minute) / 10, price(minute) % 10 * 10)))
        .collect()
}

pub(crate) const SOON: Duration = Duration::from_secs(10);
