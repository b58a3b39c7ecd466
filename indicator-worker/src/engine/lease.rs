//! Leases: who owns which partition, kept alive by this process while it lives.
//!
//! A lease ends by Redis' own clock. It decides who may start; what a late owner must
//! not do is decided by the fence, whose value ([`Token`]) the owner's commits are bound to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget};
use candlewire_common::keys::Keys;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::Partition;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::scripts;

/// The fence's value while a partition is ours: epoch and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token(pub(super) String);

/// The answer to asking for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Acquired {
    /// It is ours.
    Taken {
        token: Token,
        /// `joined`, `expired` or `handed_over`.
        cause: String,
    },
    /// Another worker holds it for this long, unless it renews.
    Held { holder: String, left: Duration },
}

/// The partitions this process holds.
#[derive(Clone, Debug)]
pub struct Leases {
    keys: Keys,
    owner: Arc<str>,
    ttl: Duration,
    held: Arc<Mutex<HashMap<Partition, Token>>>,
    last_holder: Arc<Mutex<String>>,
}

impl Leases {
    /// Starts with nothing held. `owner` is unique to this process start.
    pub fn new(keys: Keys, owner: impl Into<Arc<str>>, ttl: Duration) -> Self {
        Self { keys, owner: owner.into(), ttl, held: Arc::default(), last_holder: Arc::default() }
    }

    /// The owner's name: what the consumer groups show.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Asks for a partition.
    pub(super) async fn acquire(
        &self,
        partition: Partition,
        connection: &mut MultiplexedConnection,
    ) -> Result<Acquired, RedisError> {
        let mut call = self.call(scripts::ACQUIRE, partition);
        call.arg(&*self.owner).arg(self.ttl_ms());
        let (is_ours, name, detail): (bool, String, Value) = call.query_async(connection).await?;
        if !is_ours {
            let left: i64 = redis::from_redis_value(detail)?;
            return Ok(Acquired::Held { holder: name, left: Duration::from_millis(u64::try_from(left).unwrap_or(0)) });
        }
        let token = Token(name);
        self.held().insert(partition, token.clone());
        Ok(Acquired::Taken { token, cause: redis::from_redis_value(detail)? })
    }

    /// Whether another worker was not yet met as a holder, just before. All partitions ask, one tells.
    pub(super) fn is_news(&self, holder: &str) -> bool {
        let mut last = self.last_holder.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *last != holder;
        holder.clone_into(&mut last);
        is_news
    }

    /// Stops renewing a partition, which another worker may then take when its lease runs out.
    pub(super) fn forget(&self, partition: Partition) {
        self.held().remove(&partition);
    }

    /// Hands a partition over at once.
    pub(super) async fn release(
        &self,
        partition: Partition,
        token: &Token,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        self.forget(partition);
        self.call(scripts::RELEASE, partition).arg(&token.0).exec_async(connection).await
    }

    /// Renews what is held, three times within a lease, until `stop`. A renewal that fails is tried
    /// again at the next turn: the fence protects whoever takes over meanwhile.
    pub async fn keep(self, target: RedisTarget, metrics: RedisMetrics, stop: CancellationToken) {
        let mut connection = None;
        loop {
            tokio::select! {
                () = sleep(self.ttl / 3) => {}
                () = stop.cancelled() => return,
            }
            let renewed = tokio::select! {
                renewed = self.renew(&target, &mut connection) => renewed,
                () = stop.cancelled() => return,
            };
            if let Err(error) = renewed {
                metrics.count(&error);
                connection = None;
            }
        }
    }

    async fn renew(&self, target: &RedisTarget, kept: &mut Option<MultiplexedConnection>) -> Result<(), RedisError> {
        let held: Vec<(Partition, Token)> = self.held().iter().map(|(at, token)| (*at, token.clone())).collect();
        if held.is_empty() {
            return Ok(());
        }
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => target.connect(&self.keys.lease(held[0].0), RESPONSE_TIMEOUT.min(self.ttl)).await?,
        };
        let mut pipe = redis::pipe();
        for (partition, token) in &held {
            let mut call = self.call(scripts::RENEW, *partition);
            call.arg(&*self.owner).arg(self.ttl_ms()).arg(&token.0);
            pipe.add_command(call);
        }
        pipe.exec_async(&mut connection).await?;
        *kept = Some(connection);
        Ok(())
    }

    fn call(&self, script: &str, partition: Partition) -> redis::Cmd {
        let mut call = redis::cmd("EVAL");
        call.arg(script).arg(2).arg(self.keys.lease(partition)).arg(self.keys.fence(partition));
        call
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Partition, Token>> {
        // The map is valid after every statement, so a panic elsewhere leaves nothing half done.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
