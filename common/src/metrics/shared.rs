//! What every process records about Redis.

use std::sync::Arc;
use std::time::Instant;

use metrics::{Counter, Gauge, Histogram};
use redis::RedisError;

use super::table;
use crate::connection::RedisFault;

/// What is timed: a command, or a round trip of several by the one that takes the most time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `PING`, by the watch over Redis.
    Ping,
    /// `INFO`, with the lengths of streams and `XINFO GROUPS`: the census.
    Info,
    /// A transaction: candles published, a batch committed.
    Exec,
    /// States, with the ends of their histories.
    Hgetall,
    /// Whole histories.
    Xrevrange,
    /// A script.
    Evalsha,
    /// Any other command of the notifier.
    Other,
}

impl Command {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Info => "info",
            Self::Exec => "exec",
            Self::Hgetall => "hgetall",
            Self::Xrevrange => "xrevrange",
            Self::Evalsha => "evalsha",
            Self::Other => "other",
        }
    }
}

/// Times one kind of command.
#[derive(Clone, Debug)]
pub struct Stopwatch(Histogram);

impl Stopwatch {
    /// Makes the handle, at zero.
    pub fn new(command: Command) -> Self {
        Self(table::REDIS_COMMAND_DURATION.histogram(&[command.as_str()]))
    }

    /// Waits for an answer, and records how long it took. Where none came, nothing is recorded.
    ///
    /// # Errors
    ///
    /// Those of `asking`.
    pub async fn time<T>(&self, asking: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
        let began = Instant::now();
        let answered = asking.await;
        if !answered.as_ref().is_err_and(|error| RedisFault::of(error) == RedisFault::Connection) {
            self.0.record(began.elapsed().as_secs_f64());
        }
        answered
    }
}

/// Whether Redis answers, how often it came back, and what its commands met.
#[derive(Clone, Debug)]
pub struct RedisMetrics {
    up: Gauge,
    reconnects: Counter,
    errors: Arc<[Counter; RedisFault::ALL.len()]>,
}

impl RedisMetrics {
    /// Makes the handles, at zero.
    pub fn new() -> Self {
        Self {
            up: table::REDIS_UP.gauge(&[]),
            reconnects: table::REDIS_RECONNECTS.counter(&[]),
            errors: Arc::new(RedisFault::ALL.map(|fault| table::REDIS_ERRORS.counter(&[fault.as_str()]))),
        }
    }

    pub(crate) fn up(&self, up: bool) {
        self.up.set(if up { 1.0 } else { 0.0 });
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.increment(1);
    }

    /// Counts an error and answers with what it means.
    pub fn count(&self, error: &RedisError) -> RedisFault {
        let fault = RedisFault::of(error);
        if let Some(at) = RedisFault::ALL.iter().position(|kind| *kind == fault) {
            self.errors[at].increment(1);
        }
        fault
    }
}

impl Default for RedisMetrics {
    fn default() -> Self {
        Self::new()
    }
}
