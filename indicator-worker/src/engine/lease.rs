//! Leases: which partitions are this process' own, and for how long.
//!
//! A lease ends by Redis' own clock. It decides who may start; what a late owner must
//! not do is decided by the fence, whose value ([`Token`]) the owner's commits are bound to.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candlewire_common::cluster::Node;
use candlewire_common::keys::Keys;
use candlewire_common::nodes::Nodes;
use candlewire_common::series::Partition;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

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
    /// Another worker holds it for this long, unless it renews or hands over.
    Held { holder: String, left: Duration },
}

/// The partitions this process holds.
#[derive(Clone, Debug)]
pub struct Leases {
    keys: Keys,
    owner: Arc<str>,
    ttl: Duration,
    held: Arc<Mutex<HashMap<Partition, Token>>>,
}

impl Leases {
    /// Starts with nothing held. `owner` is unique to this process start.
    pub fn new(keys: Keys, owner: impl Into<Arc<str>>, ttl: Duration) -> Self {
        Self { keys, owner: owner.into(), ttl, held: Arc::default() }
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
            self.held().remove(&partition);
            let left: i64 = redis::from_redis_value(detail)?;
            return Ok(Acquired::Held { holder: name, left: Duration::from_millis(u64::try_from(left).unwrap_or(0)) });
        }
        let token = Token(name);
        self.held().insert(partition, token.clone());
        Ok(Acquired::Taken { token, cause: redis::from_redis_value(detail)? })
    }

    /// Stops renewing a partition that has become another's. One that was acquired anew meanwhile is kept.
    pub(super) fn forget(&self, partition: Partition, token: &Token) {
        let mut held = self.held();
        if held.get(&partition) == Some(token) {
            held.remove(&partition);
        }
    }

    /// Stops renewing a partition that could not be handed over.
    pub(super) fn abandon(&self, partition: Partition) {
        self.held().remove(&partition);
    }

    /// Stops renewing a partition and hands it over at once, whether or not it is held.
    pub(super) async fn release(
        &self,
        partition: Partition,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        self.held().remove(&partition);
        self.call(scripts::RELEASE, partition).arg(&*self.owner).exec_async(connection).await
    }

    /// What this process holds.
    pub(super) fn partitions(&self) -> BTreeSet<Partition> {
        self.held().keys().copied().collect()
    }

    /// Renews what is held, and forgets what has become another's. To be called several times within a
    /// lease. A renewal that fails may come later: the fence protects whoever takes over meanwhile.
    pub(super) async fn renew(&self, nodes: &mut Nodes) -> Result<(), RedisError> {
        let held: Vec<(Partition, Token)> = self.held().iter().map(|(at, token)| (*at, token.clone())).collect();
        let mut by_node: HashMap<Node, Vec<(Partition, Token)>> = HashMap::new();
        for (partition, token) in held {
            by_node.entry(nodes.of(&self.keys.lease(partition)).await?).or_default().push((partition, token));
        }
        // One node's fault is not the others'.
        let mut outcome = Ok(());
        for (node, held) in by_node {
            outcome = self.renew_at(&node, held, nodes).await.and(outcome);
        }
        outcome
    }

    async fn renew_at(&self, node: &Node, held: Vec<(Partition, Token)>, nodes: &mut Nodes) -> Result<(), RedisError> {
        let mut pipe = redis::pipe();
        for (partition, token) in &held {
            let mut call = self.call(scripts::RENEW, *partition);
            call.arg(&*self.owner).arg(self.ttl_ms()).arg(&token.0);
            pipe.add_command(call);
        }
        let renewed: Vec<bool> = pipe.query_async(&mut nodes.to(node).await?).await?;
        for ((partition, token), _) in held.into_iter().zip(renewed).filter(|(_, renewed)| !renewed) {
            self.forget(partition, &token);
        }
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
