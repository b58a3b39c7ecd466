//! A foreign program that publishes candles into a cluster, as the contract asks it to: in order, trying again
//! until they are acknowledged, and after each reconnect with those of the last 10 s once more.

use std::collections::VecDeque;
use std::time::Duration;

use crate::bench::Tick;
use candlewire_common::connection::RedisTarget;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How much is sent again after a reconnect.
const REPEATED: Duration = Duration::from_secs(10);
/// Time between two transactions, and between two attempts.
const PACE: Duration = Duration::from_millis(40);
/// How many candles a series has at least, so that a busy machine that is slow to publish proves as much as another.
const ENOUGH: usize = 150;
/// How many candles of each series a transaction has.
const AT_ONCE: usize = 2;

/// Series and their candles.
pub(crate) type Candles = Vec<(String, Vec<Tick>)>;

/// The candles of the series of one partition.
pub(crate) struct Feed {
    target: RedisTarget,
    stream: String,
    series: Candles,
    connection: Option<MultiplexedConnection>,
    /// How many candles of each series are sent.
    sent: usize,
    /// How many were acknowledged at least once.
    acknowledged: usize,
    /// When the last ones were, and from where on.
    recent: VecDeque<(Instant, usize)>,
}

impl Feed {
    /// Prepares to publish series, all equally long, into `stream`.
    pub(crate) fn new(target: RedisTarget, stream: String, series: Candles) -> Self {
        Self { target, stream, series, connection: None, sent: 0, acknowledged: 0, recent: VecDeque::new() }
    }

    /// Publishes until `stop`, enough is published, and everything that was sent is acknowledged. Answers with what that was.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Candles {
        let total = self.series.first().map_or(0, |(_, ticks)| ticks.len());
        while !stop.is_cancelled() || self.sent < self.acknowledged || self.acknowledged < ENOUGH {
            if self.send().await.is_err() {
                self.connection = None;
            }
            assert!(self.sent < total, "the candles of {} have run out", self.stream);
            sleep(PACE).await;
        }
        for (_, ticks) in &mut self.series {
            ticks.truncate(self.acknowledged);
        }
        self.series
    }

    async fn send(&mut self) -> Result<(), RedisError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reconnect().await?,
        };
        // What is sent again goes at once, as it would from a program that catches up.
        let end = self.acknowledged.max(self.sent + AT_ONCE);
        let mut pipe = redis::pipe();
        pipe.atomic();
        for (series, ticks) in &self.series {
            for (open_time, price) in &ticks[self.sent..end] {
                pipe.cmd("XADD").arg(&self.stream).arg("*").arg("series").arg(series).arg("open_time").arg(open_time);
                pipe.arg("open").arg(price).arg("high").arg(price).arg("low").arg(price).arg("close").arg(price);
                pipe.ignore();
            }
        }
        pipe.exec_async(&mut connection).await?;
        self.connection = Some(connection);
        let now = Instant::now();
        self.recent.push_back((now, self.sent));
        while self.recent.front().is_some_and(|(at, _)| now.duration_since(*at) > REPEATED) {
            self.recent.pop_front();
        }
        (self.sent, self.acknowledged) = (end, self.acknowledged.max(end));
        Ok(())
    }

    async fn reconnect(&mut self) -> Result<MultiplexedConnection, RedisError> {
        let connection = self.target.connect(&self.stream, Duration::from_secs(2)).await?;
        if let Some((_, first)) = self.recent.front() {
            self.sent = *first;
        }
        self.recent.clear();
        Ok(connection)
    }
}
