//! What the tests of the commands share: a private Redis, mock venues, a configuration, and the view of a foreign
//! program on the candle stream.

use std::process::ExitStatus;

use anyhow::{Context, Result, ensure};
use candlewire_common::candle::Origin;
use candlewire_common::candle_entry::{CandleEntry, Place};
use candlewire_common::decimal::Decimal;
use candlewire_common::keys::Keys;
use candlewire_common::series::{Partitions, Series};
use candlewire_common::stream::{StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::venue::{Market, MockVenue, OANDA_TOKEN, Script, TruthCandle, VenueKind, VirtualClock};
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{Program, ProgramCommand, RedisOptions, RedisServer};
use tempfile::TempDir;

pub(crate) const MINUTE: i64 = 60_000;
/// Wednesday 2026-01-14 00:00 UTC, long over.
pub(crate) const BEGIN: i64 = 1_768_348_800_000;
/// The instrument, in the words of the mock.
pub(crate) const SYMBOL: &str = "BTC-USD";
/// The account of the mock OANDA, which takes any.
const ACCOUNT: &str = "101-004-1234567-001";

/// A Redis, and a directory with a configuration to run the program in.
pub(crate) struct Bench {
    pub(crate) redis: RedisServer,
    directory: TempDir,
}

/// How a run ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    /// Without log lines.
    pub(crate) stderr: Vec<String>,
    /// Whether Redis was slow to answer, so that the last seconds were sent again.
    has_repeated: bool,
}

/// A candle, comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) open_time: i64,
    numbers: [Decimal; 5],
}

impl Bench {
    pub(crate) async fn start(options: RedisOptions, sources: &str) -> Result<Self> {
        let bench = Self { redis: RedisServer::start(options).await?, directory: tempfile::tempdir()? };
        bench.configure(sources)?;
        Ok(bench)
    }

    pub(crate) fn configure(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(self.directory.path().join("candlewire.toml"), text)?)
    }

    /// The program with these arguments, against this Redis.
    pub(crate) fn ingestor(&self, arguments: &[&str]) -> ProgramCommand {
        self.ingestor_at(&self.redis.url(), arguments)
    }

    pub(crate) fn ingestor_at(&self, redis: &str, arguments: &[&str]) -> ProgramCommand {
        let command = ProgramCommand::new(env!("CARGO_BIN_EXE_ingestor"));
        // The usual port may be somebody else's.
        let command = command.env("CANDLEWIRE__HTTP__INGESTOR", "127.0.0.1:0");
        command.current_dir(self.directory.path()).env("REDIS_URL", redis).args(arguments)
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<Ended> {
        ended(self.ingestor(arguments)).await
    }

    /// The arguments of a backfill.
    pub(crate) async fn backfill(&self, series: &str, from: i64, to: i64) -> Result<Ended> {
        self.run(&["backfill", "--series", series, "--from", &from.to_string(), "--to", &to.to_string()]).await
    }

    /// What the stream holds of a series, in its order. All of it must be a backfill's.
    pub(crate) async fn published(&self, series: &str) -> Result<Vec<Row>> {
        let (series, partitions): (Series, _) = (series.parse()?, Partitions::new(16).context("16 is in range")?);
        let place = Place { partition: series.partition(partitions), partitions };
        let mut connection = self.redis.connection().await?;
        let mut range = redis::cmd("XRANGE");
        range.arg(Keys::new("cw").candles(place.partition)).arg("-").arg("+");
        let entries: Vec<StreamEntry> = range_reply(range.query_async(&mut connection).await?)?;
        let mut rows = Vec::new();
        for entry in &entries {
            let decoded = CandleEntry::decode(entry.id, &entry.fields, place, UnixMillis::now())?;
            if decoded.series == series {
                ensure!(decoded.origin == Origin::Backfill, "origin is {:?}", decoded.origin);
                let candle = decoded.candle;
                let numbers = [candle.open(), candle.high(), candle.low(), candle.close(), candle.volume()];
                rows.push(Row { open_time: candle.open_time().0, numbers });
            }
        }
        Ok(rows)
    }

    /// Waits until the series has at least so many candles.
    pub(crate) async fn wait_for(&self, series: &str, count: usize) -> Result<()> {
        let probe = async || match self.published(series).await {
            Ok(rows) if rows.len() >= count => Ok(()),
            other => Err(format!("{:?}", other.map(|rows| rows.len()))),
        };
        Ok(eventually(PATIENCE, probe).await?)
    }
}

impl Ended {
    fn new(code: Option<i32>, stdout: Vec<String>, stderr: Vec<String>) -> Self {
        let is_logged = |line: &String| ["  INFO ", "  WARN "].iter().any(|level| line.contains(level));
        let (logged, stderr): (Vec<_>, Vec<_>) = stderr.into_iter().partition(is_logged);
        let has_repeated = logged.iter().any(|line| line.contains("trying again"));
        Self { code, stdout, stderr, has_repeated }
    }

    /// How a program that was watched has ended.
    pub(crate) fn of(program: &Program, status: ExitStatus) -> Self {
        Self::new(status.code(), Vec::new(), program.lines())
    }

    /// What of the candles in a stream a worker uses: all of them, unless some were sent again.
    pub(crate) fn applied(&self, published: Vec<Row>) -> Vec<Row> {
        let mut applied: Vec<Row> = Vec::new();
        for row in published {
            let is_next = applied.last().is_none_or(|last| last.open_time < row.open_time);
            if is_next || !self.has_repeated {
                applied.push(row);
            }
        }
        applied
    }
}

/// Runs a program to its end; no secret may be in what it says.
pub(crate) async fn ended(command: ProgramCommand) -> Result<Ended> {
    let finished = command.run_to_end(PATIENCE).await?;
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    for text in [&finished.stdout, &finished.stderr] {
        ensure!(![OANDA_TOKEN, "hunter2", "wrong-token"].iter().any(|secret| text.contains(secret)), "{text}");
    }
    Ok(Ended::new(finished.status.code(), lines(&finished.stdout), lines(&finished.stderr)))
}

/// A venue in real time.
pub(crate) async fn venue(kind: VenueKind, market: Market, script: Script) -> Result<MockVenue> {
    Ok(MockVenue::start(kind, market, VirtualClock::real(), script).await?)
}

/// A market of the one instrument.
pub(crate) fn market() -> Market {
    Market::new(11, &[SYMBOL])
}

/// Where a venue is: REST, WebSocket, stream.
pub(crate) type Addresses = [String; 3];

pub(crate) fn addresses(venue: &MockVenue) -> Addresses {
    [venue.rest_url(), venue.ws_url(), venue.stream_url()]
}

/// A source, as a person would write it.
pub(crate) fn source(kind: VenueKind, [rest, ws, stream]: &Addresses, symbols: &[&str], timeframes: &[&str]) -> String {
    let symbols: Vec<String> = symbols.iter().map(|symbol| kind.feed_symbol(symbol)).collect();
    let secrets = match kind {
        VenueKind::Oanda => format!("token = \"{OANDA_TOKEN}\"\naccount = \"{ACCOUNT}\"\n"),
        _ => String::new(),
    };
    format!(
        "[[sources]]\nvenue = \"{}\"\nsymbols = {symbols:?}\ntimeframes = {timeframes:?}\n\
         rest_url = \"{rest}\"\nws_url = \"{ws}\"\nstream_url = \"{stream}\"\n{secrets}",
        name(kind)
    )
}

/// The source of a mock venue with its one instrument's minutes.
pub(crate) fn minutes_of(kind: VenueKind, venue: &MockVenue) -> String {
    source(kind, &addresses(venue), &[SYMBOL], &["1m"])
}

pub(crate) fn name(kind: VenueKind) -> String {
    format!("{kind:?}").to_lowercase()
}

/// A series of the instrument.
pub(crate) fn series(kind: VenueKind, timeframe: &str) -> String {
    format!("{}:{}:{timeframe}", name(kind), kind.feed_symbol(SYMBOL))
}

/// What the venue has of the instrument from `from` on, before `to`.
pub(crate) fn truth(venue: &MockVenue, timeframe: i64, from: i64, to: i64) -> Vec<Row> {
    let row = |truth: &TruthCandle| {
        let texts = [&truth.open, &truth.high, &truth.low, &truth.close, &truth.volume];
        let number = |text: &String| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        Row { open_time: truth.open_time_ms, numbers: texts.map(number) }
    };
    venue.truth(SYMBOL, timeframe, from, to).iter().map(row).collect()
}

/// Nothing is missing, nothing is there twice, all is in order.
pub(crate) fn expect_same(published: &[Row], expected: &[Row], what: &str) {
    let differs = published.iter().zip(expected).find(|(published, expected)| published != expected);
    assert!(differs.is_none(), "{what}: {differs:?}");
    assert_eq!(published.len(), expected.len(), "{what}");
}

/// A line without how long it took.
pub(crate) fn without_seconds(line: &str) -> String {
    let Some((before, after)) = line.split_once(" in ") else { return line.to_owned() };
    format!("{before}{}", after.split_once(" s").map_or("", |(_, after)| after))
}
