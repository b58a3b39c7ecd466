//! The publisher: candles into one candle stream, in order, through outages of Redis.
//!
//! A batch is one transaction, so that a Redis that is out of memory refuses all of it: were a part
//! taken, a later candle could reach a worker before an earlier one, which would then be too late.
//! After each reconnect the last seconds are sent again, for a Redis that crashed may have lost what it
//! had acknowledged; consumers drop what they have.

use std::collections::VecDeque;
use std::time::Duration;

use backon::ExponentialBackoff;
use candlewire_common::backoff;
use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::candle_entry::encode;
use candlewire_common::config::RedisConfig;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget, describe, server_error};
use candlewire_common::exit::Fault;
use candlewire_common::meta::{self, MetaError};
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMicros;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The most candles of one transaction.
pub const BATCH: usize = 500;
/// How long Redis may be away before the command gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much is sent again after a reconnect, counted from the last acknowledgement.
const REPEATED: Duration = Duration::from_secs(10);

/// Publishes the candles of one series.
#[derive(Debug)]
pub struct Publisher<'a> {
    target: RedisTarget,
    config: &'a RedisConfig,
    series: Series,
    stream: String,
    metrics: RedisMetrics,
    connection: Option<MultiplexedConnection>,
    /// The first candle to be sent.
    next: usize,
    /// The candles before it were acknowledged at least once.
    acknowledged: usize,
    /// When the batches of the last [`REPEATED`] were acknowledged, and where each begins.
    recent: VecDeque<(Instant, usize)>,
}

/// How publishing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Everything is acknowledged.
    All,
    /// The stop came first.
    Interrupted,
}

/// Redis does not take candles, and since when.
struct Outage {
    since: Instant,
    delays: ExponentialBackoff,
}

enum SendError {
    Redis(RedisError),
    Layout(Fault),
}

impl From<RedisError> for SendError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<MetaError> for SendError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Redis(error) => Self::Redis(error),
            refused => Self::Layout(refused.into()),
        }
    }
}

impl<'a> Publisher<'a> {
    /// Connects, and agrees on the layout of keys.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`] when Redis does not answer, [`Fault::Usage`] when it has another layout
    /// or evicts streams.
    pub async fn connect(target: RedisTarget, config: &'a RedisConfig, series: Series) -> Result<Self, Fault> {
        meta::agree(&target, config).await.map_err(|error| match error {
            MetaError::Redis(error) => target.unreachable(&error),
            refused => refused.into(),
        })?;
        let stream = config.keys.candles(series.partition(config.partitions));
        let connection = target.connect_once(&stream).await?;
        Ok(Self {
            target,
            config,
            series,
            stream,
            metrics: RedisMetrics::new(),
            connection: Some(connection),
            next: 0,
            acknowledged: 0,
            recent: VecDeque::new(),
        })
    }

    /// How many candles are acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// Publishes the candles before `until` that are not published yet. `candles` are the same at each
    /// call. An outage is waited out for [`PATIENCE`]; `stop` ends it after the batch in flight.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`] when the outage lasts or Redis refuses for good, [`Fault::Usage`] when it
    /// came back with another layout.
    pub async fn publish(
        &mut self,
        candles: &[ClosedCandle],
        until: usize,
        stop: &CancellationToken,
    ) -> Result<Sent, Fault> {
        let mut outage: Option<Outage> = None;
        while self.next < until {
            if stop.is_cancelled() {
                return Ok(Sent::Interrupted);
            }
            match self.send(candles, until).await {
                Ok(()) => {
                    if outage.take().is_some() {
                        tracing::info!("redis at {} takes candles again", self.target.address());
                    }
                }
                Err(SendError::Layout(fault)) => return Err(fault),
                Err(SendError::Redis(error)) => {
                    let delay = self.delay(&mut outage, &error)?;
                    tokio::select! {
                        () = sleep(delay) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        Ok(Sent::All)
    }

    /// Sends the next batch, over a new connection where there is none.
    async fn send(&mut self, candles: &[ClosedCandle], until: usize) -> Result<(), SendError> {
        let mut connection = match self.connection.clone() {
            Some(connection) => connection,
            None => self.reconnect().await?,
        };
        let end = until.min(self.next + BATCH);
        self.batch(&candles[self.next..end]).exec_async(&mut connection).await?;
        let now = Instant::now();
        self.recent.push_back((now, self.next));
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > REPEATED) {
            self.recent.pop_front();
        }
        self.next = end;
        self.acknowledged = self.acknowledged.max(end);
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<MultiplexedConnection, SendError> {
        meta::agree(&self.target, self.config).await?;
        let connection = self.target.connect(&self.stream, RESPONSE_TIMEOUT).await?;
        if let Some((_, start)) = self.recent.front() {
            self.next = *start;
        }
        self.recent.clear();
        Ok(self.connection.insert(connection).clone())
    }

    fn batch(&self, candles: &[ClosedCandle]) -> Pipeline {
        let sent = UnixMicros::now();
        let mut pipeline = Pipeline::with_capacity(candles.len());
        pipeline.atomic();
        for candle in candles {
            pipeline.cmd("XADD").arg(&self.stream).arg("*");
            for (name, value) in encode(&self.series, candle, Origin::Replay, sent) {
                pipeline.arg(name).arg(value);
            }
        }
        pipeline
    }

    /// Counts a fault, and tells how long to wait before the next attempt.
    fn delay(&mut self, outage: &mut Option<Outage>, error: &RedisError) -> Result<Duration, Fault> {
        let fault = self.metrics.count(error);
        if !keeps_data(error) {
            self.connection = None;
        }
        if !matches!(fault, RedisFault::Connection | RedisFault::Moved | RedisFault::Unavailable) {
            return Err(self.target.unreachable(error));
        }
        if outage.is_none() {
            let (address, reason) = (self.target.address(), describe(error));
            tracing::warn!("redis at {address}: {reason}; trying again for up to {} s", PATIENCE.as_secs());
        }
        let outage = outage.get_or_insert_with(|| Outage { since: Instant::now(), delays: backoff::redis() });
        let delay = outage.delays.next().unwrap_or(PATIENCE);
        if outage.since.elapsed() + delay > PATIENCE {
            return Err(self.target.unreachable(error));
        }
        Ok(delay)
    }
}

/// Whether the server only refuses for now and still has what it acknowledged. Another fault may mean
/// that it started again, or that another node has taken over.
fn keeps_data(error: &RedisError) -> bool {
    server_error(error).is_some_and(|error| matches!(error.code(), "OOM" | "MISCONF" | "NOREPLICAS" | "BUSY"))
}
