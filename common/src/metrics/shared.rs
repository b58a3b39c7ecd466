//! What every process records about Redis.

use std::sync::Arc;

use metrics::{Counter, Gauge};
use redis::RedisError;

use super::table;
use crate::connection::RedisFault;

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
