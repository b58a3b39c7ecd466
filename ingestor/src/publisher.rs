//! The publisher of a replay or a backfill: the candles of one series, in order, through whatever becomes of Redis.
//!
//! After each reconnect what Redis has lost is sent again, and the last seconds in any case, as the contract
//! promises it; consumers drop what they have. Where there is no room, and where Redis does not take
//! candles, it waits, and gives up when nothing moves.

use std::collections::VecDeque;
use std::time::Duration;

use backon::ExponentialBackoff;
use candlewire_common::backoff;
use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::config::Config;
use candlewire_common::connection::{RedisFault, RedisTarget, describe};
use candlewire_common::exit::Fault;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use redis::RedisError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::backpressure::Hold;
use crate::partition_stream::{Outgoing, PartitionStream, ReconnectError};
use crate::resume::first_missing;
use crate::waiting::Waiting;

/// The most candles of one transaction.
pub const BATCH: usize = 500;
/// How long Redis may be away before the command gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much is sent again after a reconnect, counted from the last acknowledgement.
const REPEATED: Duration = Duration::from_secs(10);

/// Publishes the candles of one series.
#[derive(Debug)]
pub struct Publisher {
    stream: PartitionStream,
    series: Series,
    origin: Origin,
    metrics: RedisMetrics,
    waiting: Waiting,
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

impl Publisher {
    /// Connects, and agrees on the layout of keys.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`] when Redis does not answer, [`Fault::Usage`] when it has another layout
    /// or evicts streams.
    pub async fn connect(target: RedisTarget, config: &Config, series: Series, origin: Origin) -> Result<Self, Fault> {
        let stream = PartitionStream::connect(target, config, series.partition(config.redis.partitions)).await?;
        Ok(Self {
            stream,
            series,
            origin,
            metrics: RedisMetrics::new(),
            waiting: Waiting::default(),
            next: 0,
            acknowledged: 0,
            recent: VecDeque::new(),
        })
    }

    /// How many candles are acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// The newest candle of the series that Redis holds.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`] when Redis does not answer.
    pub async fn newest_held(&mut self) -> Result<Option<UnixMillis>, Fault> {
        let newest = self.stream.newest_held(std::slice::from_ref(&self.series)).await;
        let newest = newest.map_err(|error| self.stream.target().unreachable(&error))?;
        Ok(newest.get(&self.series).copied())
    }

    /// Publishes the candles before `until` that are not published yet. `candles` are the same at each
    /// call, but for more at their end. An outage is waited out for [`PATIENCE`], a lack of room while something moves; `stop` ends
    /// either after the batch in flight.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`] when the outage lasts, nothing makes room or Redis refuses for good,
    /// [`Fault::Usage`] when it came back with another layout.
    pub async fn publish(
        &mut self,
        candles: &[ClosedCandle],
        until: usize,
        stop: &CancellationToken,
    ) -> Result<Sent, Fault> {
        let mut outage: Option<Outage> = None;
        while self.next < until {
            let ready = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Sent::Interrupted),
                ready = self.prepare(candles) => ready,
            };
            let fault = match ready {
                Ok(None) => match self.send(candles, until).await {
                    Ok(()) => {
                        self.say_it_flows(outage.take().is_some());
                        continue;
                    }
                    Err(error) => error,
                },
                Ok(Some(hold)) => {
                    // Redis answers: should it fall silent, that is another outage.
                    if let Some(outage) = &mut outage {
                        outage.since = Instant::now();
                    }
                    pause(self.hold_up(&hold)?, stop).await;
                    continue;
                }
                Err(ReconnectError::Layout(fault)) => return Err(fault),
                Err(ReconnectError::Redis(error)) => error,
            };
            pause(self.delay(&mut outage, &fault)?, stop).await;
        }
        Ok(Sent::All)
    }

    /// Connects again where that is needed, and looks whether there is room. Cancel-safe.
    async fn prepare(&mut self, candles: &[ClosedCandle]) -> Result<Option<Hold>, ReconnectError> {
        if let Some(newest) = self.stream.reconnect(std::slice::from_ref(&self.series)).await? {
            self.go_back(first_missing(candles, newest.get(&self.series).copied()));
        }
        Ok(self.stream.look().await?)
    }

    /// Goes back to what Redis misses, and to the last seconds in any case.
    fn go_back(&mut self, missing: usize) {
        if missing < self.next {
            let (lost, series, address) = (self.next - missing, &self.series, self.stream.target().address());
            tracing::info!(series = %series, "redis at {address} no longer shows the last {lost} candles of {series}: they are sent again");
        }
        let recent = self.recent.front().map_or(self.next, |(_, start)| *start);
        self.next = self.next.min(recent).min(missing);
        self.recent.clear();
    }

    /// Sends the next batch.
    async fn send(&mut self, candles: &[ClosedCandle], until: usize) -> Result<(), RedisError> {
        let end = until.min(self.next + BATCH);
        let (series, origin) = (&self.series, self.origin);
        let outgoing = |candle| Outgoing { series, candle, origin };
        self.stream.append(candles[self.next..end].iter().map(outgoing)).await?;
        let now = Instant::now();
        self.recent.push_back((now, self.next));
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > REPEATED) {
            self.recent.pop_front();
        }
        self.next = end;
        self.acknowledged = self.acknowledged.max(end);
        Ok(())
    }

    fn say_it_flows(&mut self, after_outage: bool) {
        if self.waiting.flows() {
            tracing::info!("there is room in {} again: candles flow", self.stream.bounds().stream);
        }
        if after_outage {
            tracing::info!("redis at {} takes candles again", self.stream.target().address());
        }
    }

    /// Tells how long to wait for room before the next look.
    fn hold_up(&mut self, hold: &Hold) -> Result<Duration, Fault> {
        let next = self.waiting.held(hold, Instant::now());
        let bounds = self.stream.bounds();
        let secs = PATIENCE.as_secs();
        let (cause, way_out) = (hold.cause(bounds), hold.way_out(bounds));
        if next.stuck + next.delay > PATIENCE {
            return Err(Fault::Unreachable(format!("{cause}; nothing has moved for {secs} s: {way_out}")));
        }
        if next.say {
            tracing::warn!("waiting for room, up to {secs} s while nothing moves: {cause}; {way_out}");
        }
        Ok(next.delay)
    }

    /// Counts a fault, and tells how long to wait before the next attempt.
    fn delay(&mut self, outage: &mut Option<Outage>, error: &RedisError) -> Result<Duration, Fault> {
        let (fault, target) = (self.metrics.count(error), self.stream.target());
        if !matches!(fault, RedisFault::Connection | RedisFault::Moved | RedisFault::Unavailable) {
            return Err(target.unreachable(error));
        }
        if outage.is_none() {
            let (address, reason) = (target.address(), describe(error));
            tracing::warn!("redis at {address}: {reason}; trying again for up to {} s", PATIENCE.as_secs());
        }
        let outage = outage.get_or_insert_with(|| Outage { since: Instant::now(), delays: backoff::redis() });
        let delay = outage.delays.next().unwrap_or(PATIENCE);
        if outage.since.elapsed() + delay > PATIENCE {
            return Err(target.unreachable(error));
        }
        Ok(delay)
    }
}

/// Waits, at most until the stop.
async fn pause(delay: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = sleep(delay) => {}
        () = stop.cancelled() => {}
    }
}
