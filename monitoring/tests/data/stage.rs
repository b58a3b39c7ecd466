//! Everything that runs: Redis, a mock venue, an ingestor that follows it and one that replays a file, two workers, a
//! notifier with a recipient that accepts and one that fails, and Prometheus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use candlewire_testkit::redis_server::Eviction;
use candlewire_testkit::venue::{Market, Script, VenueKind, VirtualClock};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{
    Deed, HostileReceiver, MockVenue, Program, ProgramCommand, PrometheusConfig, PrometheusServer, RedisOptions,
    RedisServer, WebhookReceiver, bundled,
};
use tempfile::TempDir;

/// So that there is a share of memory to show.
const REDIS_MEMORY_BYTES: u64 = 256 << 20;

/// In the words of the mock; Binance spells them without the dash.
const SYMBOLS: [&str; 6] = ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOT-USD"];

/// Where candles come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Candles {
    /// From a file alone.
    Replayed,
    /// From a file and from a venue.
    LiveAndReplayed,
}

/// What is running. Dropped, all of it ends.
pub(crate) struct Stage {
    pub(crate) prometheus: PrometheusServer,
    programs: Vec<Program>,
    _recipients: (WebhookReceiver, HostileReceiver),
    _venue: MockVenue,
    _directory: TempDir,
    _redis: RedisServer,
}

impl Stage {
    /// Starts all of it, or all but the ingestor that follows the venue.
    pub(crate) async fn start(candles: Candles) -> Result<Self> {
        let memory = Some((REDIS_MEMORY_BYTES, Eviction::NoEviction));
        let redis = RedisServer::start(RedisOptions { memory, ..RedisOptions::default() }).await?;
        let market = Market::new(20_261_124, &SYMBOLS).with_empty_share(0);
        // A candle of a second mostly holds no trade, and is to be published nevertheless.
        let script = Script { binance_closes_empty: true, ..Script::none() };
        let venue = MockVenue::start(VenueKind::Binance, market, VirtualClock::real(), script).await?;
        let (accepting, failing) = (WebhookReceiver::start(None).await?, HostileReceiver::start(Deed::status(500))?);
        let directory = tempfile::tempdir()?;
        let config = config(&redis, &venue, &accepting.url(), &failing.url());
        std::fs::write(directory.path().join("candlewire.toml"), config)?;

        let file = bundled::path("EURUSD-1h-2017.csv");
        let file = file.to_str().context("the path is not UTF-8")?;
        let replay = ["replay", file, "--series", "csv:EURUSD:1h", "--speed", "7200x"];
        let run = ["run"];
        let mut wanted: Vec<(&'static str, &[&str])> =
            vec![("indicator-worker", &run), ("indicator-worker", &run), ("notifier", &run), ("ingestor", &replay)];
        if candles == Candles::LiveAndReplayed {
            wanted.push(("ingestor", &run));
        }
        let mut programs = Vec::new();
        let mut jobs: BTreeMap<&'static str, Vec<SocketAddr>> = BTreeMap::new();
        for (name, arguments) in wanted {
            let (program, address) = run_program(name, arguments, directory.path()).await?;
            programs.push(program);
            jobs.entry(name).or_default().push(address);
        }
        let config = PrometheusConfig::every(Duration::from_secs(1));
        let config = jobs.into_iter().fold(config, |config, (name, addresses)| config.job(name, addresses));
        let prometheus = PrometheusServer::start(&config.to_string()).await?;
        prometheus.wait_until_scraped(PATIENCE).await?;
        Ok(Self {
            prometheus,
            programs,
            _recipients: (accepting, failing),
            _venue: venue,
            _directory: directory,
            _redis: redis,
        })
    }

    /// Fails once a program has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        for program in &mut self.programs {
            if let Some(status) = program.ended()? {
                bail!("a program ended with {status}; it said:\n{}", program.lines().join("\n"));
            }
        }
        Ok(())
    }
}

/// Strategies that cross often, and alerts that are given up on after seconds.
fn config(redis: &RedisServer, venue: &MockVenue, accepting: &str, failing: &str) -> String {
    let symbols = SYMBOLS.map(|symbol| VenueKind::Binance.feed_symbol(symbol));
    format!(
        r#"
[redis]
url = "{}"
[[strategies]]
name = "nervous"
series = ["*:*:*"]
fast = "close"
slow = "sma(3)"
[delivery]
schedule = ["0s", "1s", "1s"]
max_age = "off"
[[recipients]]
name = "desk"
kind = "webhook"
url = "{accepting}"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
allow_private = true
[[recipients]]
name = "broken"
kind = "webhook"
url = "{failing}"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
allow_private = true
[[sources]]
venue = "binance"
symbols = {symbols:?}
timeframes = ["1s"]
warmup = 20
rest_url = "{}"
ws_url = "{}"
"#,
        redis.url(),
        venue.rest_url(),
        venue.ws_url()
    )
}

/// Starts a program and waits until it tells where its metrics are.
async fn run_program(name: &str, arguments: &[&str], directory: &Path) -> Result<(Program, SocketAddr)> {
    let command = ProgramCommand::built(name)?.args(arguments).args(["--http", "127.0.0.1:0"]).current_dir(directory);
    let program = command.spawn()?;
    let line = program.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.context("no address in the log line")?.parse()?;
    Ok((program, address))
}
