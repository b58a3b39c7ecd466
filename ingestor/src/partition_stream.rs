//! The candle stream of one partition, as a publisher sees it: entries go in, in order, while there is room.
//!
//! Owns the connection to the node that serves the partition. Any fault that may mean that the node started
//! again, or that another has taken over, drops it; the next one goes where the partition is served then,
//! and is not used before it is known what that node holds. A batch is one transaction, so that a Redis
//! that is out of memory refuses all of it: were a part taken, a later candle could reach a worker before
//! an earlier one, which would then be too late.
//!
//! It does not decide what is sent again, nor how long an outage or a full stream is waited out.

use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::candle_entry::{Place, encode};
use candlewire_common::config::{Config, RedisConfig};
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget, server_error};
use candlewire_common::exit::Fault;
use candlewire_common::meta::{self, MetaError};
use candlewire_common::metrics::{Command, Stopwatch};
use candlewire_common::series::{Partition, Series};
use candlewire_common::time::UnixMicros;
use redis::RedisError;
use redis::aio::MultiplexedConnection;

use crate::backpressure::{Bounds, Hold, Room, gone};
use crate::resume::{Newest, newest_held};

/// The candle stream of one partition.
#[derive(Debug)]
pub struct PartitionStream {
    target: RedisTarget,
    config: RedisConfig,
    place: Place,
    room: Room,
    connection: Option<MultiplexedConnection>,
    watch: Stopwatch,
}

/// A candle on its way.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The series it belongs to.
    pub series: &'a Series,
    /// The candle.
    pub candle: &'a ClosedCandle,
    /// How it came to be known.
    pub origin: Origin,
}

/// Why a new connection can't be used.
#[derive(Debug)]
pub enum ReconnectError {
    /// Redis does not answer, or refuses.
    Redis(RedisError),
    /// It came back with another layout, or unfit to hold the data.
    Layout(Fault),
}

impl From<RedisError> for ReconnectError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<MetaError> for ReconnectError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Redis(error) => Self::Redis(error),
            refused => Self::Layout(refused.into()),
        }
    }
}

impl PartitionStream {
    /// The stream of a partition, not connected yet.
    pub fn new(target: RedisTarget, config: &Config, partition: Partition) -> Self {
        let (redis, candles_max) = (&config.redis, config.streams.candles_max);
        let place = Place { partition, partitions: redis.partitions };
        let room = Room::new(Bounds { stream: redis.keys.candles(partition), candles_max });
        let watch = Stopwatch::new(Command::Exec);
        Self { target, config: redis.clone(), place, room, connection: None, watch }
    }

    /// Connects, and agrees on the layout of keys.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`] when Redis does not answer, [`Fault::Usage`] when it has another layout
    /// or evicts streams.
    pub async fn connect(target: RedisTarget, config: &Config, partition: Partition) -> Result<Self, Fault> {
        let mut stream = Self::new(target, config, partition);
        meta::agree(&stream.target, &stream.config).await.map_err(|error| match error {
            MetaError::Redis(error) => stream.target.unreachable(&error),
            refused => refused.into(),
        })?;
        stream.connection = Some(stream.target.connect_once(&stream.bounds().stream).await?);
        Ok(stream)
    }

    /// Where it is.
    pub fn target(&self) -> &RedisTarget {
        &self.target
    }

    /// The stream's key and the bound on its length.
    pub fn bounds(&self) -> &Bounds {
        self.room.bounds()
    }

    /// Connects again where the connection was dropped, and tells how far Redis holds each of `wanted`;
    /// `None` where the connection still stands. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`ReconnectError`]; the next call begins anew.
    pub async fn reconnect(&mut self, wanted: &[Series]) -> Result<Option<Newest>, ReconnectError> {
        if self.connection.is_some() {
            return Ok(None);
        }
        meta::agree(&self.target, &self.config).await?;
        let mut connection = self.target.connect(&self.bounds().stream, RESPONSE_TIMEOUT).await?;
        let newest = newest_held(&mut connection, &self.config.keys, self.place, wanted).await?;
        self.connection = Some(connection);
        Ok(Some(newest))
    }

    /// Tells how far Redis holds each of `wanted`. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when Redis does not answer or refuses.
    pub async fn newest_held(&mut self, wanted: &[Series]) -> Result<Newest, RedisError> {
        let mut connection = self.connected()?;
        let newest = newest_held(&mut connection, &self.config.keys, self.place, wanted).await;
        newest.inspect_err(|error| self.failed(error))
    }

    /// Tells what stands against another batch. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when Redis does not answer or refuses.
    pub async fn look(&mut self) -> Result<Option<Hold>, RedisError> {
        let mut connection = self.connected()?;
        let hold = self.room.look(&mut connection).await;
        hold.inspect_err(|error| self.failed(error))
    }

    /// Appends a batch, all of it or nothing; nothing where the stream was there and is gone. After an error that is not the server's own, or when the call
    /// is dropped, it is unknown which.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when Redis does not answer or refuses.
    pub async fn append(&mut self, batch: impl IntoIterator<Item = Outgoing<'_>>) -> Result<(), RedisError> {
        let mut connection = self.connected()?;
        let (sent, stream) = (UnixMicros::now(), &self.bounds().stream);
        let (mut pipeline, mut bytes) = (redis::pipe(), 0);
        pipeline.atomic();
        for Outgoing { series, candle, origin } in batch {
            pipeline.cmd("XADD").arg(stream);
            if self.room.is_there() {
                // Were it gone, what is written now would stand before what is to be written again.
                pipeline.arg("NOMKSTREAM");
            }
            pipeline.arg("*");
            for (name, value) in encode(series, candle, origin, sent) {
                bytes += (name.len() + value.len()) as u64;
                pipeline.arg(name).arg(value);
            }
            pipeline.ignore();
        }
        pipeline.cmd("XLEN").arg(stream);
        let length: Result<(u64,), RedisError> = self.watch.time(pipeline.query_async(&mut connection)).await;
        let length = length.and_then(|(length,)| if length == 0 && bytes > 0 { Err(gone()) } else { Ok(length) });
        let length = length.inspect_err(|error| self.failed(error))?;
        self.room.written(length, bytes);
        Ok(())
    }

    fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let gone = || RedisError::from((redis::ErrorKind::Io, "not connected"));
        self.connection.clone().ok_or_else(gone)
    }

    /// Forgets what may no longer hold.
    fn failed(&mut self, error: &RedisError) {
        self.room.forget();
        if !keeps_data(error) {
            self.connection = None;
        }
    }
}

/// Whether the server only refuses for now and still has what it acknowledged. Another fault may mean
/// that it started again, or that another node has taken over.
fn keeps_data(error: &RedisError) -> bool {
    server_error(error).is_some_and(|error| matches!(error.code(), "OOM" | "MISCONF" | "NOREPLICAS" | "BUSY"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewire_common::connection::RedisFault;
    use redis::parse_redis_value;

    fn error(line: &str) -> RedisError {
        let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn a_node_that_may_have_been_replaced_is_looked_up_again() {
        for (line, fault) in [
            ("READONLY You can't write against a read only replica.", RedisFault::Moved),
            ("MOVED 3999 127.0.0.1:6381", RedisFault::Moved),
            ("UNBLOCKED force unblock from blocking operation", RedisFault::Moved),
            ("ASK 3999 127.0.0.1:6381", RedisFault::Unavailable),
            ("TRYAGAIN Multiple keys request during rehashing of slot", RedisFault::Unavailable),
            ("CLUSTERDOWN The cluster is down", RedisFault::Unavailable),
            ("LOADING Redis is loading the dataset in memory", RedisFault::Unavailable),
            ("MASTERDOWN Link with MASTER is down", RedisFault::Unavailable),
        ] {
            assert_eq!((RedisFault::of(&error(line)), keeps_data(&error(line))), (fault, false), "{line}");
        }
        for line in ["OOM command not allowed", "MISCONF Redis is configured", "NOREPLICAS Not enough", "BUSY Redis"] {
            let error = error(line);
            assert_eq!((RedisFault::of(&error), keeps_data(&error)), (RedisFault::Unavailable, true), "{line}");
        }
    }
}
