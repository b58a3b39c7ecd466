//! What the tests run the notifier on: its own Redis and directory, and a producer of signals.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{
    MetricsPage, Program, ProgramCommand, RedisOptions, RedisServer, WebhookReceiver, eventually,
};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue};
use tempfile::TempDir;

/// What the tests' receivers verify with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Settings under which a test is quick.
pub(crate) const QUICK: &str = r#"schedule = ["0s", "50ms", "50ms", "50ms", "50ms"]
timeout = "1s"
max_age = "off""#;

const PARTITIONS: u16 = 4;

/// A Redis of its own, and a directory for the configuration.
pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    directory: TempDir,
}

/// A running notifier and where its metrics are.
pub(crate) struct Notifier {
    pub(crate) program: Program,
    pub(crate) http: SocketAddr,
}

impl Bench {
    /// Starts a Redis that survives a kill.
    pub(crate) async fn start() -> Result<Self> {
        let options = RedisOptions { append_only: AppendOnly::Always, ..RedisOptions::default() };
        Ok(Self { redis: RedisServer::start(options).await?, directory: tempfile::tempdir()? })
    }

    /// Writes a configuration with these settings of `[delivery]` and these recipients.
    pub(crate) fn configure(&self, delivery: &str, recipients: &[String]) -> Result<()> {
        let text = config(&format!("url = \"{}\"", self.redis.url()), delivery, recipients)?;
        std::fs::write(self.config_file(), text).context("write the configuration")
    }

    fn config_file(&self) -> PathBuf {
        self.directory.path().join("candlewire.toml")
    }

    /// The program with the configuration, and nothing else.
    pub(crate) fn command(&self) -> ProgramCommand {
        command(&self.config_file())
    }

    /// Starts `notifier run` and waits until it serves its metrics.
    pub(crate) async fn run(&self) -> Result<Notifier> {
        Notifier::start(self.command()).await
    }

    /// A connection as a foreign program has it.
    pub(crate) async fn connection(&self) -> Result<MultiplexedConnection> {
        Ok(self.redis.connection().await?)
    }

    /// Runs one command, written as in redis-cli.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &str) -> Result<T> {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap_or_default());
        words.for_each(|word| {
            cmd.arg(word);
        });
        cmd.query_async(&mut self.connection().await?).await.with_context(|| command.to_owned())
    }

    /// Asks until the answer is `wanted`.
    pub(crate) async fn until<T: FromRedisValue + PartialEq + std::fmt::Debug>(
        &self,
        command: &str,
        wanted: T,
    ) -> Result<()> {
        let probed = eventually(PATIENCE, async || match self.ask::<T>(command).await {
            Ok(seen) if seen == wanted => Ok(()),
            Ok(seen) => Err(format!("{command}: {seen:?}, not {wanted:?}")),
            Err(error) => Err(format!("{error:#}")),
        });
        Ok(probed.await?)
    }

    /// How many entries of the signal streams were read and not acknowledged.
    pub(crate) async fn pending(&self) -> Result<i64> {
        let mut pending = 0;
        for partition in 0..PARTITIONS {
            let command = format!("XPENDING cw:{{{partition}}}:signals notifier");
            pending += self.ask::<(i64, redis::Value, redis::Value, redis::Value)>(&command).await?.0;
        }
        Ok(pending)
    }

    /// Publishes one signal as a worker does, and answers with its id.
    pub(crate) async fn publish(&self, number: u32) -> Result<String> {
        let signal = Draft::new(number);
        self.publish_draft(&signal).await?;
        Ok(signal.id())
    }

    /// Publishes a signal that was changed.
    pub(crate) async fn publish_draft(&self, signal: &Draft) -> Result<()> {
        signal.command()?.exec_async(&mut self.connection().await?).await.context("publish a signal")
    }
}

/// The program with a configuration, and nothing else.
pub(crate) fn command(config: &Path) -> ProgramCommand {
    ProgramCommand::new(env!("CARGO_BIN_EXE_notifier")).arg("--config").arg(config)
}

/// A configuration with these ways to Redis, these settings of `[delivery]` and these recipients.
pub(crate) fn config(redis: &str, delivery: &str, recipients: &[String]) -> Result<String> {
    let mut text = format!("[redis]\n{redis}\npartitions = {PARTITIONS}\n[delivery]\n{delivery}\n");
    for recipient in recipients {
        write!(text, "[[recipients]]\n{recipient}\n")?;
    }
    Ok(text)
}

impl Notifier {
    /// Starts `notifier run` and waits until it serves its metrics.
    pub(crate) async fn start(command: ProgramCommand) -> Result<Self> {
        let program = command.args(["run", "--http", "127.0.0.1:0"]).spawn()?;
        let line = program.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
        let http = address.context("no address in the log line")?.parse()?;
        Ok(Self { program, http })
    }

    /// Waits until a metric has a value.
    pub(crate) async fn counted(&self, metric: &str, labels: &[(&str, &str)], wanted: f64) -> Result<()> {
        let probed = eventually(PATIENCE, async || {
            let page = MetricsPage::fetch(self.http).await.map_err(|error| error.to_string())?;
            let seen = page.value(metric, labels);
            if seen == Some(wanted) { Ok(()) } else { Err(format!("{metric}{labels:?} is {seen:?}, not {wanted}")) }
        });
        Ok(probed.await?)
    }

    /// Stops it as a service manager does.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let status = self.program.terminate(std::time::Duration::from_secs(10)).await?;
        ensure!(status.success(), "ended with {status}: {:#?}", self.program.lines());
        Ok(())
    }

    /// Everything it has logged and printed.
    pub(crate) fn output(&self) -> String {
        self.program.lines().join("\n")
    }
}

/// A webhook recipient at a receiver of this machine.
pub(crate) fn webhook(name: &str, receiver: &WebhookReceiver) -> String {
    webhook_at(name, &receiver.url())
}

/// A webhook recipient.
pub(crate) fn webhook_at(name: &str, url: &str) -> String {
    format!("name = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\nallow_private = true")
}

/// A signal to be published, as the contract describes its entry.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) number: u32,
    pub(crate) series: &'static str,
    pub(crate) strategy: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) open_time: i64,
}

impl Draft {
    /// The signal with this number, of an hour that has just closed.
    pub(crate) fn new(number: u32) -> Self {
        let hour = 3_600_000;
        let open_time = (UnixMillis::now().0 / hour - 1) * hour;
        Self {
            number,
            series: "binance:BTCUSDT:1h",
            strategy: "golden-cross",
            direction: "buy",
            origin: "live",
            open_time,
        }
    }

    pub(crate) fn id(&self) -> String {
        format!("sig_{:032x}", self.number)
    }

    /// What publishes it.
    pub(crate) fn command(&self) -> Result<Cmd> {
        let mut command = redis::cmd("XADD");
        command.arg(self.stream()?).arg("*");
        for (name, value) in self.fields()? {
            command.arg(name).arg(value);
        }
        Ok(command)
    }

    pub(crate) fn stream(&self) -> Result<String> {
        let partitions = Partitions::new(PARTITIONS).context("partitions")?;
        Ok(Keys::new("cw").signals(self.series.parse::<Series>()?.partition(partitions)))
    }

    fn fields(&self) -> Result<Vec<(&'static str, String)>> {
        let series: Series = self.series.parse()?;
        let (open_time, now_us) = (UnixMillis(self.open_time), UnixMillis::now().0 * 1_000);
        Ok(vec![
            ("id", self.id()),
            ("strategy", self.strategy.to_owned()),
            ("series", self.series.to_owned()),
            ("direction", self.direction.to_owned()),
            ("open_time", open_time.to_string()),
            ("close_time", series.timeframe().close_time(open_time).to_string()),
            ("price", "42001.37".to_owned()),
            ("fast", "41890.2".to_owned()),
            ("slow", "41880.9".to_owned()),
            ("origin", self.origin.to_owned()),
            ("candle_us", now_us.to_string()),
            ("emitted_us", now_us.to_string()),
        ])
    }
}
