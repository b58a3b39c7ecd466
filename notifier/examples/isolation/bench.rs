//! What is measured on: Redis, the notifier, and its recipients.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Deed, HostileReceiver, Program, ProgramCommand, RedisOptions, RedisServer, WebhookReceiver};
use redis::{Cmd, Pipeline};
use tempfile::TempDir;
use tokio::time::{MissedTickBehavior, interval};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PARTITIONS: u16 = 16;
/// How many recipients are well, and how many of each kind are not.
const GOOD: usize = 10;
const BAD: usize = 5;
/// How many instruments there are signals of.
const INSTRUMENTS: u32 = 50;

/// All that runs; dropped, it ends.
pub(crate) struct Bench {
    // The program first, so that it does not see its surroundings go.
    _notifier: Program,
    redis: RedisServer,
    good: Vec<WebhookReceiver>,
    _bad: Vec<HostileReceiver>,
    _directory: TempDir,
}

impl Bench {
    /// Starts everything, and waits until the notifier delivers.
    pub(crate) async fn start() -> Result<Self> {
        let options = RedisOptions { append_only: AppendOnly::EverySec, ..RedisOptions::default() };
        let redis = RedisServer::start(options).await?;
        let mut config =
            format!("[redis]\nurl = \"{}\"\npartitions = {PARTITIONS}\n[delivery]\nmax_age = \"off\"\n", redis.url());
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for at in 0..GOOD {
            let receiver = WebhookReceiver::start(Some(SECRET)).await?;
            add(&mut config, &format!("good-{at}"), &receiver.url())?;
            good.push(receiver);
        }
        for at in 0..BAD {
            for (kind, deed) in [("hangs", Deed::hang()), ("fails", Deed::status(500))] {
                let receiver = HostileReceiver::start(deed)?;
                add(&mut config, &format!("{kind}-{at}"), &receiver.url())?;
                bad.push(receiver);
            }
        }
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("candlewire.toml");
        std::fs::write(&file, config).context("write the configuration")?;
        let command = ProgramCommand::built("notifier")?.arg("--config").arg(&file);
        let notifier = command.args(["run", "--http", "127.0.0.1:0"]).spawn()?;
        notifier.wait_for_line(|line| line.contains("delivering to "), PATIENCE).await?;
        Ok(Self { _notifier: notifier, redis, good, _bad: bad, _directory: directory })
    }

    /// Publishes signals with a pause between them, or all at once, and returns when each was: its id, and the Unix ms
    /// of its entry.
    pub(crate) async fn publish(&self, count: u32, pause: Option<Duration>) -> Result<HashMap<String, f64>> {
        let mut connection = self.redis.connection().await?;
        let mut entries: Vec<String> = Vec::with_capacity(count as usize);
        match pause {
            None => {
                let mut commands = Pipeline::new();
                for number in 0..count {
                    commands.add_command(signal(number)?);
                }
                entries = commands.query_async(&mut connection).await?;
            }
            Some(pause) => {
                let mut ticks = interval(pause);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                for number in 0..count {
                    ticks.tick().await;
                    entries.push(signal(number)?.query_async(&mut connection).await?);
                }
            }
        }
        let published = (0..).zip(entries).map(|(number, entry)| {
            let millis = entry.split('-').next().unwrap_or_default().parse()?;
            Ok((id(number), millis))
        });
        published.collect()
    }

    /// Waits until every good receiver has had so many alerts, and returns them with the Unix ms of their arrival.
    pub(crate) async fn arrivals(&self, count: u32) -> Result<Vec<(String, f64)>> {
        let mut arrivals = Vec::new();
        for receiver in &self.good {
            for request in receiver.wait_for(count.into(), PATIENCE).await? {
                let id = request.header("webhook-id").context("an alert without id")?.to_owned();
                arrivals.push((id, request.arrived.duration_since(UNIX_EPOCH)?.as_secs_f64() * 1_000.0));
            }
        }
        Ok(arrivals)
    }
}

fn add(config: &mut String, name: &str, url: &str) -> Result<()> {
    let recipient = format!("name = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"");
    Ok(write!(config, "[[recipients]]\n{recipient}\nallow_private = true\n")?)
}

fn id(number: u32) -> String {
    format!("sig_{number:032x}")
}

/// What publishes the signal with this number, as a worker does.
fn signal(number: u32) -> Result<Cmd> {
    let series: Series = format!("binance:COIN{}USDT:1m", number % INSTRUMENTS).parse()?;
    let partitions = Partitions::new(PARTITIONS).context("partitions")?;
    let now = UnixMillis::now();
    let minute = 60_000;
    let open_time = UnixMillis((now.0 / minute - 1) * minute);
    let now_us = (now.0 * 1_000).to_string();
    let mut command = redis::cmd("XADD");
    command.arg(Keys::new("cw").signals(series.partition(partitions))).arg("*");
    for (name, value) in [
        ("id", id(number)),
        ("strategy", "golden-cross".to_owned()),
        ("series", series.to_string()),
        ("direction", "buy".to_owned()),
        ("open_time", open_time.to_string()),
        ("close_time", series.timeframe().close_time(open_time).to_string()),
        ("price", "42001.37".to_owned()),
        ("fast", "41890.2".to_owned()),
        ("slow", "41880.9".to_owned()),
        ("origin", "live".to_owned()),
        ("candle_us", now_us.clone()),
        ("emitted_us", now_us),
    ] {
        command.arg(name).arg(value);
    }
    Ok(command)
}
