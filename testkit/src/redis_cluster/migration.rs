//! Slots that move from one master to another.
//!
//! Owns the steps of a move, which a test can take one by one to act in between: a slot that is under way answers
//! ASK for keys that have gone and TRYAGAIN for commands on keys of both sides. An abandoned move stays open.

use redis::cmd;

use super::{RedisCluster, RedisClusterError};

/// How many keys [`RedisCluster::migrate_slot`] sends at once.
const KEYS_AT_ONCE: usize = 100;

/// The longest the receiving node may be silent during a MIGRATE, in milliseconds.
const MIGRATE_TIMEOUT_MS: u64 = 5000;

/// One slot on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotMigration {
    /// The slot.
    pub slot: u16,
    /// The master that serves it.
    pub from: usize,
    /// The master that shall.
    pub to: usize,
}

impl RedisCluster {
    /// Moves a slot with all its keys and waits until every running node knows.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if a node refuses, [`RedisClusterError::NotYet`] if not all nodes come to know.
    pub async fn migrate_slot(&self, migration: SlotMigration) -> Result<(), RedisClusterError> {
        self.begin_migration(migration).await?;
        while self.migrate_keys(migration, KEYS_AT_ONCE).await? > 0 {}
        self.finish_migration(migration).await
    }

    /// Opens the move: from now on keys that are not at the old master are looked for at the new one.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if a node refuses.
    pub async fn begin_migration(&self, migration: SlotMigration) -> Result<(), RedisClusterError> {
        let SlotMigration { slot, from, to } = migration;
        let set = |state: &str, node: usize| {
            let mut command = cmd("CLUSTER");
            command.arg("SETSLOT").arg(slot).arg(state).arg(&self.nodes[node].id);
            command
        };
        self.tell(to, &set("IMPORTING", from)).await?;
        self.tell(from, &set("MIGRATING", to)).await
    }

    /// Moves at most `count` keys of a slot whose move is open, and returns how many that were; with 0, none is left.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if a node refuses.
    pub async fn migrate_keys(&self, migration: SlotMigration, count: usize) -> Result<usize, RedisClusterError> {
        let SlotMigration { slot, from, to } = migration;
        let keys: Vec<Vec<u8>> = self.ask(from, cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(count)).await?;
        if !keys.is_empty() {
            let mut migrate = cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(self.port(to)).arg("").arg(0).arg(MIGRATE_TIMEOUT_MS).arg("KEYS").arg(&keys);
            self.tell(from, &migrate).await?;
        }
        Ok(keys.len())
    }

    /// Closes the move of a slot that has no keys left at its old master, and waits until every running node knows.
    ///
    /// # Errors
    ///
    /// As [`Self::migrate_slot`].
    pub async fn finish_migration(&self, migration: SlotMigration) -> Result<(), RedisClusterError> {
        let SlotMigration { slot, from, to } = migration;
        let owner = &self.nodes[to].id;
        // The new master first: were the old one first, it would send clients to one that sends them back.
        for node in [to, from] {
            self.tell(node, cmd("CLUSTER").arg("SETSLOT").arg(slot).arg("NODE").arg(owner)).await?;
        }
        let wanted = format!("node {to} serves slot {slot}");
        self.until(&wanted, |survey| match survey.agreed_owner(slot)? {
            agreed if agreed == owner => Ok(()),
            other => Err(format!("node {other} serves slot {slot}")),
        })
        .await
    }
}
