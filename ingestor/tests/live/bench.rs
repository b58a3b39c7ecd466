//! What the tests of the live engine share: a mock venue, the engine in this process on the venue's own clock, and
//! the view of a foreign program on the candle stream.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use candlewire_common::candle::Origin;
use candlewire_common::candle_entry::{CandleEntry, Place};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::decimal::Decimal;
use candlewire_common::keys::Keys;
use candlewire_common::screen::Screen;
use candlewire_common::series::{Partition, Partitions, Series};
use candlewire_common::stream::{StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use candlewire_common::tls;
use candlewire_testkit::RedisServer;
use candlewire_testkit::venue::{Market, MockVenue, OANDA_TOKEN, Script, TruthCandle, VenueKind, VirtualClock};
use candlewire_testkit::wait::eventually;
use ingestor::clock::Clock;
use ingestor::live::run::{plan, spawn};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const MINUTE: i64 = 60_000;
/// Wednesday 2026-11-18 10:00 UTC: every market is open, and nobody's clock is behind it.
pub(crate) const BEGIN: i64 = 1_794_996_000_000;
/// How many candles of history are fetched at first.
pub(crate) const WARMUP: i64 = 20;
/// The instrument, in the words of the mock.
pub(crate) const SYMBOL: &str = "BTC-USD";

/// What an engine is to follow.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) kind: VenueKind,
    pub(crate) speed: u32,
    pub(crate) symbols: Vec<&'static str>,
    pub(crate) timeframes: &'static str,
    pub(crate) derive: &'static str,
    pub(crate) warmup: i64,
    pub(crate) prefix: String,
    /// When the venue's clock begins.
    pub(crate) begin: i64,
}

impl Wanted {
    /// One symbol's minutes.
    pub(crate) fn minutes(kind: VenueKind, prefix: &str) -> Self {
        Self {
            kind,
            speed: 60,
            symbols: vec![SYMBOL],
            timeframes: r#"["1m"]"#,
            derive: "[]",
            warmup: WARMUP,
            prefix: prefix.to_owned(),
            begin: BEGIN + 30_000,
        }
    }

    pub(crate) fn venue_name(&self) -> String {
        format!("{:?}", self.kind).to_lowercase()
    }

    pub(crate) fn series(&self, symbol: &str, timeframe: &str) -> Result<Series> {
        Ok(format!("{}:{}:{timeframe}", self.venue_name(), self.kind.feed_symbol(symbol)).parse()?)
    }

    /// The configuration, as a person would write it.
    pub(crate) fn config(&self, redis: &str, venue: &MockVenue) -> String {
        let symbols: Vec<String> = self.symbols.iter().map(|symbol| self.kind.feed_symbol(symbol)).collect();
        let (name, Self { timeframes, derive, warmup, prefix, .. }) = (self.venue_name(), self);
        format!(
            "[redis]\nurl = \"{redis}\"\nprefix = \"{prefix}\"\npartitions = 4\n\
             [[sources]]\nvenue = \"{name}\"\nsymbols = {symbols:?}\ntimeframes = {timeframes}\nderive = {derive}\n\
             warmup = {warmup}\nrest_url = \"{}\"\nws_url = \"{}\"\nstream_url = \"{}\"\n\
             token = \"{OANDA_TOKEN}\"\naccount = \"101-004-1234567-001\"\n",
            venue.rest_url(),
            venue.ws_url(),
            venue.stream_url()
        )
    }
}

/// A running engine.
pub(crate) struct Engine {
    stop: CancellationToken,
    tasks: JoinSet<Result<()>>,
}

impl Engine {
    /// Starts it on the venue's clock.
    pub(crate) fn start(config: &str, clock: VirtualClock) -> Result<Self> {
        tls::install();
        let config = Config::from_text(config, None, &[])?;
        let speed = NonZeroU32::new(clock.speed).context("speed")?;
        let clock = match clock.speed {
            1 => Clock::system(),
            _ => Clock::scaled(UnixMillis(clock.origin_ms), clock.started, speed),
        };
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let target = RedisTarget::new(&config.redis)?;
        spawn(&config, &target, plan(&config)?, clock, &Screen::new(), &stop, &mut tasks)?;
        Ok(Self { stop, tasks })
    }

    /// Stops it in order; no task may have failed.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if let Some(ended) = self.tasks.try_join_next() {
            bail!("a task ended by itself: {ended:?}");
        }
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Ends it at once, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.tasks.shutdown().await;
    }
}

/// A venue, and what is to be followed there.
pub(crate) struct Bench {
    pub(crate) wanted: Wanted,
    pub(crate) venue: MockVenue,
    redis: String,
}

impl Bench {
    pub(crate) async fn start(redis: &RedisServer, wanted: Wanted, script: Script) -> Result<Self> {
        Self::with_market(redis, wanted, script, |market| market).await
    }

    pub(crate) async fn with_market(
        redis: &RedisServer,
        wanted: Wanted,
        script: Script,
        shape: impl FnOnce(Market) -> Market,
    ) -> Result<Self> {
        let market = shape(Market::new(7, &wanted.symbols));
        let clock = match wanted.speed {
            1 => VirtualClock::real(),
            speed => VirtualClock::starting_at(wanted.begin, speed),
        };
        let venue = MockVenue::start(wanted.kind, market, clock, script).await?;
        Ok(Self { wanted, venue, redis: redis.url() })
    }

    pub(crate) fn config(&self) -> String {
        self.wanted.config(&self.redis, &self.venue)
    }

    pub(crate) fn engine(&self) -> Result<Engine> {
        Engine::start(&self.config(), self.venue.clock())
    }

    /// What is in the stream of a series, in the order of the stream.
    pub(crate) async fn published(&self, series: &Series) -> Result<Vec<Published>> {
        let published = self.partition(series.partition(partitions()?)).await?;
        Ok(published.into_iter().filter(|(of, _)| of == series).map(|(_, published)| published).collect())
    }

    /// What is in all streams, in their order.
    pub(crate) async fn all_published(&self) -> Result<HashMap<Series, Vec<Published>>> {
        let mut all: HashMap<Series, Vec<Published>> = HashMap::new();
        for partition in partitions()?.iter() {
            for (series, published) in self.partition(partition).await? {
                all.entry(series).or_default().push(published);
            }
        }
        Ok(all)
    }

    async fn connection(&self) -> Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(self.redis.as_str())?.get_multiplexed_async_connection().await?)
    }

    async fn partition(&self, partition: Partition) -> Result<Vec<(Series, Published)>> {
        let mut range = redis::cmd("XRANGE");
        range.arg(Keys::new(&self.wanted.prefix).candles(partition)).arg("-").arg("+");
        let entries: Vec<StreamEntry> = range_reply(range.query_async(&mut self.connection().await?).await?)?;
        let place = Place { partition, partitions: partitions()? };
        let published = entries.iter().map(|entry| {
            let decoded = CandleEntry::decode(entry.id, &entry.fields, place, UnixMillis::now())?;
            let (origin, sent_ms) = (decoded.origin, decoded.sent.millis().0);
            Ok((decoded.series, Published { candle: row(&decoded.candle), origin, sent_ms }))
        });
        published.collect()
    }

    /// What the venue has of a series from `from` on, before `to`.
    pub(crate) fn truth(&self, symbol: &str, timeframe: Timeframe, from: i64, to: i64) -> Result<Vec<Row>> {
        let truth = self.venue.truth(symbol, timeframe.millis(), from, to);
        truth.iter().map(truth_row).collect()
    }

    /// Waits until the series' last candle before `to` is in the stream, then compares everything before `to` with the
    /// truth: nothing is missing, nothing is there twice, all is in order.
    pub(crate) async fn expect_all(&self, symbol: &str, timeframe: Timeframe, to: i64) -> Result<Vec<Published>> {
        let series = self.wanted.series(symbol, timeframe.as_str())?;
        let published = self.wait_through(&series, symbol, timeframe, to).await?;
        let found: Vec<Row> =
            published.iter().map(|published| published.candle.clone()).filter(|row| row.open_time < to).collect();
        let first = found.first().context("nothing was published")?.open_time;
        let expected = self.truth(symbol, timeframe, first, to)?;
        ensure!(found == expected, "{series}: {}", difference(&found, &expected));
        Ok(published)
    }

    /// The same where candles may be repeated: what a worker makes of the stream.
    pub(crate) async fn expect_all_in_effect(&self, symbol: &str, timeframe: Timeframe, to: i64) -> Result<()> {
        let series = self.wanted.series(symbol, timeframe.as_str())?;
        self.wait_through(&series, symbol, timeframe, to).await?;
        let published = self.published(&series).await?;
        let found: Vec<Row> = in_effect(&published)?.into_iter().filter(|row| row.open_time < to).collect();
        let first = found.first().context("nothing was published")?.open_time;
        let expected = self.truth(symbol, timeframe, first, to)?;
        ensure!(found == expected, "{series}: {}", difference(&found, &expected));
        Ok(())
    }

    /// Waits until the series' last candle before `to` is in the stream.
    pub(crate) async fn wait_through(
        &self,
        series: &Series,
        symbol: &str,
        timeframe: Timeframe,
        to: i64,
    ) -> Result<Vec<Published>> {
        let probe = async || match self.published(series).await {
            Ok(published) if self.is_through(symbol, timeframe, to, &published) => Ok(published),
            Ok(published) => Err(format!(
                "{series}: {} candles, the last of {:?}, at {}",
                published.len(),
                published.last().map(|last| UnixMillis(last.candle.open_time).rfc3339()),
                UnixMillis(self.venue.clock().now_ms()).rfc3339()
            )),
            Err(error) => Err(error.to_string()),
        };
        let left = Duration::from_millis(u64::try_from(to - self.venue.clock().now_ms()).unwrap_or(0));
        let deadline = left / self.wanted.speed + Duration::from_secs(30);
        eventually(deadline, probe).await.context(format!("{:?}", self.wanted.kind))
    }

    /// How long after its end a candle was sent, on the venue's clock.
    pub(crate) fn lateness(&self, published: &Published, timeframe: Timeframe) -> i64 {
        let clock = self.venue.clock();
        let started = UnixMillis::now().0 - i64::try_from(clock.started.elapsed().as_millis()).unwrap_or(0);
        let sent = clock.origin_ms + (published.sent_ms - started) * i64::from(clock.speed);
        sent - published.candle.open_time - timeframe.millis()
    }

    /// The closed candles that REST has answered with since `from`, one for each time it did.
    pub(crate) fn fetched_since(&self, from: i64, timeframe: Timeframe) -> Vec<i64> {
        let requests = self.venue.requests();
        let rows = requests
            .iter()
            .filter(|request| request.at_ms >= from)
            .flat_map(|request| request.rows.iter().copied().filter(|row| row + timeframe.millis() <= request.at_ms));
        let mut rows: Vec<i64> = rows.collect();
        rows.sort_unstable();
        rows
    }

    fn is_through(&self, symbol: &str, timeframe: Timeframe, to: i64, published: &[Published]) -> bool {
        let truth = self.venue.truth(symbol, timeframe.millis(), to - 60 * timeframe.millis(), to);
        truth
            .last()
            .is_some_and(|last| published.iter().any(|published| published.candle.open_time >= last.open_time_ms))
    }
}

/// As many as the configuration says.
fn partitions() -> Result<Partitions> {
    Partitions::new(4).context("no partitions")
}

/// One candle, comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) open_time: i64,
    pub(crate) numbers: [Decimal; 5],
}

/// A candle in the stream.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) candle: Row,
    pub(crate) origin: Origin,
    /// When it was sent, in real time.
    pub(crate) sent_ms: i64,
}

fn row(candle: &candlewire_common::candle::ClosedCandle) -> Row {
    let numbers = [candle.open(), candle.high(), candle.low(), candle.close(), candle.volume()];
    Row { open_time: candle.open_time().0, numbers }
}

fn truth_row(truth: &TruthCandle) -> Result<Row> {
    let TruthCandle { open_time_ms, open, high, low, close, volume } = truth;
    let numbers = [open.parse()?, high.parse()?, low.parse()?, close.parse()?, volume.parse()?];
    Ok(Row { open_time: *open_time_ms, numbers })
}

/// What workers make of a stream: the first of each candle; nothing may come after a later one for the first time.
pub(crate) fn in_effect(published: &[Published]) -> Result<Vec<Row>> {
    let mut applied: Vec<Row> = Vec::new();
    for Published { candle, .. } in published {
        match applied.binary_search_by_key(&candle.open_time, |row| row.open_time) {
            Ok(at) => ensure!(applied[at] == *candle, "two different candles of {}", candle.open_time),
            Err(at) if at == applied.len() => applied.push(candle.clone()),
            Err(_) => bail!("the candle of {} comes too late", candle.open_time),
        }
    }
    Ok(applied)
}

/// The first place where two series differ.
fn difference(found: &[Row], expected: &[Row]) -> String {
    let at = found.iter().zip(expected).position(|(found, expected)| found != expected);
    let at = at.unwrap_or(found.len().min(expected.len()));
    let shown = |rows: &[Row]| {
        rows.iter()
            .skip(at)
            .take(3)
            .map(|row| format!("{} {:?}", UnixMillis(row.open_time).rfc3339(), row.numbers.map(|n| n.to_string())))
            .collect::<Vec<_>>()
    };
    format!("at {at} of {}: found {:#?}, expected {:#?}", expected.len(), shown(found), shown(expected))
}
