//! Connections to all the nodes that hold some keys, for commands that don't block.
//!
//! Owns one connection for each node, opened when first needed, so that what concerns many keys goes to
//! each node in one pipeline. After a fault it is told to forget, and finds its way anew.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::cluster::{ClusterMap, Node};
use crate::connection::{RedisTarget, read_map};
use crate::slot::slot_of;

/// Connections by node.
#[derive(Debug)]
pub struct Nodes {
    target: RedisTarget,
    patience: Duration,
    map: Option<ClusterMap>,
    open: HashMap<Node, MultiplexedConnection>,
}

impl Nodes {
    /// Prepares connections on which a command may take as long as `patience`.
    pub fn new(target: RedisTarget, patience: Duration) -> Self {
        Self { target, patience, map: None, open: HashMap::new() }
    }

    /// The node that holds `key`.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when no node can be asked, or none serves the key.
    pub async fn of(&mut self, key: &str) -> Result<Node, RedisError> {
        if let Some(node) = self.target.alone() {
            return Ok(node.clone());
        }
        if self.map.is_none() {
            self.map = self.target.map().await?;
        }
        let node = self.map.as_ref().and_then(|map| map.master_of(slot_of(key))).cloned();
        node.ok_or_else(unserved)
    }

    /// The connection to a node.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when the node can't be reached.
    pub async fn to(&mut self, node: &Node) -> Result<MultiplexedConnection, RedisError> {
        if let Some(connection) = self.open.get(node) {
            return Ok(connection.clone());
        }
        let connection = self.target.connect_to(node, self.patience).await?;
        self.open.insert(node.clone(), connection.clone());
        Ok(connection)
    }

    /// Every node that holds keys, as it is now.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when no node can be asked, or a part of the keys has no node.
    pub async fn all(&mut self) -> Result<Vec<Node>, RedisError> {
        if let Some(node) = self.target.alone() {
            return Ok(vec![node.clone()]);
        }
        let open = self.open.iter_mut().next();
        let map = match open {
            Some((node, connection)) => Some(read_map(node, connection).await?),
            None => self.target.map().await?,
        };
        let map = map.filter(ClusterMap::is_whole).ok_or_else(unserved)?;
        let masters = map.masters();
        self.open.retain(|node, _| masters.contains(node));
        self.map = Some(map);
        Ok(masters)
    }

    /// Forgets connections and where keys are, after a fault.
    pub fn forget(&mut self) {
        self.map = None;
        self.open.clear();
    }
}

fn unserved() -> RedisError {
    RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "some slots are served by no node"))
}
