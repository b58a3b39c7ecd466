//! The outlet of one partition: takes candles out of its outbox into the stream, through whatever becomes of Redis.
//!
//! An outage and a full stream are waited out without end; each is said once. After a reconnect the outbox is told
//! what Redis still holds, and decides what goes out again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use backon::ExponentialBackoff;
use candlewire_common::backoff;
use candlewire_common::candle::Origin;
use candlewire_common::connection::{RedisFault, describe};
use candlewire_common::exit::Fault;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backpressure::Hold;
use crate::clock::Clock;
use crate::live::metrics::SentMetrics;
use crate::live::outbox::{Outbox, Parcel, Sender};
use crate::partition_stream::{Outgoing, PartitionStream, ReconnectError};
use crate::waiting::Waiting;

/// The most candles of one transaction.
const BATCH: usize = 500;
/// How often an idle connection is looked at: Redis may have started again, and lost what was sent last.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the rest is tried to be sent once the process is to stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// Sends one partition's candles.
#[derive(Debug)]
pub struct Outlet {
    stream: PartitionStream,
    outbox: Arc<Outbox>,
    senders: Vec<Arc<Sender>>,
    sent: Vec<SentMetrics>,
    series: Vec<Series>,
    redis: RedisMetrics,
    clock: Clock,
    waiting: Waiting,
    outage: Option<ExponentialBackoff>,
    /// Whether a line in the log told of the outage.
    is_said: bool,
}

impl Outlet {
    /// An outlet that is not connected yet; `sent` are its senders' metrics.
    pub fn new(stream: PartitionStream, outbox: Arc<Outbox>, sent: Vec<SentMetrics>, clock: Clock) -> Self {
        let senders = outbox.senders();
        let series = senders.iter().map(|sender| sender.series.clone()).collect();
        Self {
            stream,
            outbox,
            senders,
            sent,
            series,
            redis: RedisMetrics::new(),
            clock,
            waiting: Waiting::default(),
            outage: None,
            is_said: false,
        }
    }

    /// Sends until `stop`, then what is left, as far as Redis takes it at once.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] when Redis has another layout of keys, or evicts streams.
    pub async fn run(mut self, stop: CancellationToken) -> Result<()> {
        loop {
            let pause = tokio::select! {
                biased;
                // A node that hangs is not waited for. A batch whose answer was not waited for is sent again, which does
                // no harm.
                () = stop.cancelled() => break,
                pause = self.step() => pause?,
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.pause(pause) => {}
            }
        }
        // A rewind or an outage is for the next process.
        let _ = timeout(FAREWELL, self.say_farewell()).await;
        Ok(())
    }

    /// Sends what is left, as far as Redis takes it.
    async fn say_farewell(&mut self) -> Result<(), Fault> {
        while self.outbox.waiting() > 0 && self.outage.is_none() && self.step().await?.is_none() {}
        Ok(())
    }

    /// Waits: for the given time, or else until a candle comes or the connection is to be looked at.
    async fn pause(&self, delay: Option<Duration>) {
        if let Some(delay) = delay {
            return sleep(delay).await;
        }
        tokio::select! {
            () = self.outbox.filled() => {}
            () = sleep(LOOK_EVERY) => {}
        }
    }

    /// Sends a batch, if there is one. Answers with a delay where Redis does not take it now.
    async fn step(&mut self) -> Result<Option<Duration>, Fault> {
        match self.prepare().await {
            Ok(Some(hold)) => Ok(Some(self.hold_up(&hold))),
            Ok(None) => match self.send().await {
                Ok(()) => {
                    self.flows();
                    Ok(None)
                }
                Err(error) => Ok(Some(self.fail(&error))),
            },
            Err(ReconnectError::Layout(fault)) => Err(fault),
            Err(ReconnectError::Redis(error)) => Ok(Some(self.fail(&error))),
        }
    }

    /// Connects again where that is needed, and looks whether there is room.
    async fn prepare(&mut self) -> Result<Option<Hold>, ReconnectError> {
        if let Some(newest) = self.stream.reconnect(&self.series).await? {
            let lost = self.outbox.reconnected(&newest);
            if lost > 0 {
                let stream = &self.stream.bounds().stream;
                tracing::warn!("redis has lost candles of {lost} series of {stream}: they are fetched again");
            }
        }
        Ok(self.stream.look().await?)
    }

    async fn send(&mut self) -> Result<(), RedisError> {
        let (batch, end) = self.outbox.next_batch(BATCH);
        if !batch.is_empty() {
            let now = self.clock.now();
            let outgoing = |parcel: &Parcel| {
                let Sender { series, live_for, .. } = &*self.senders[parcel.sender];
                (series.clone(), parcel.candle, origin(series, parcel, *live_for, now))
            };
            let outgoing: Vec<_> = batch.iter().map(outgoing).collect();
            let entries = outgoing.iter().map(|(series, candle, origin)| Outgoing { series, candle, origin: *origin });
            self.stream.append(entries).await?;
        }
        self.outbox.acknowledged(end, Instant::now());
        let now = self.clock.now();
        for parcel in batch.iter().filter(|parcel| parcel.is_first) {
            self.sent[parcel.sender].published(&parcel.candle, now);
        }
        for series in self.outbox.reopen() {
            tracing::info!(series = %series, "{series}: what there was no room for is fetched again");
        }
        Ok(())
    }

    fn flows(&mut self) {
        if self.waiting.flows() {
            tracing::info!("there is room in {} again: candles flow", self.stream.bounds().stream);
        }
        if self.outage.take().is_some() && self.is_said {
            tracing::info!("{} takes candles again", self.stream.bounds().stream);
        }
    }

    /// Notes that there is no room; answers with how long to wait.
    fn hold_up(&mut self, hold: &Hold) -> Duration {
        let next = self.waiting.held(hold, Instant::now());
        if next.say {
            let bounds = self.stream.bounds();
            tracing::warn!("waiting for room: {}; {}", hold.cause(bounds), hold.way_out(bounds));
        }
        next.delay
    }

    /// Notes a fault; answers with how long to wait.
    fn fail(&mut self, error: &RedisError) -> Duration {
        let fault = self.redis.count(error);
        if self.outage.is_none() {
            let (address, stream) = (self.stream.target().address(), &self.stream.bounds().stream);
            let reason = describe(error);
            // That Redis is away the watch over it says, once for all partitions.
            self.is_said = fault != RedisFault::Connection;
            if self.is_said {
                tracing::warn!("redis at {address}: {reason}; candles for {stream} are kept and sent later");
            }
        }
        let delays = self.outage.get_or_insert_with(backoff::redis);
        delays.next().unwrap_or(LOOK_EVERY)
    }
}

/// Live is what goes out soon after its end, however it was learned.
fn origin(series: &Series, parcel: &Parcel, live_for: Duration, now: UnixMillis) -> Origin {
    let end = series.timeframe().close_time(parcel.candle.open_time());
    if now <= end.after(live_for) { Origin::Live } else { Origin::Backfill }
}
