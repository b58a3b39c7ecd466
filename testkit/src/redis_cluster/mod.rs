//! A private Redis Cluster.
//!
//! Owns real `redis-server` children that form a cluster: masters that share the slots, and replicas that take over
//! from them. Nodes are numbered from 0; the first are the masters at the start, and node `masters + i` starts as a
//! replica of node `i % masters`. A number without a node panics, as an index does. What is killed or paused is known
//! here and not asked anything, and waiting for the cluster means waiting for the other nodes.
//!
//! The servers keep Redis's defaults where no option is documented to differ: while one slot has no master, the whole
//! cluster refuses commands (`cluster-require-full-coverage`). Dropped, all nodes are killed.

mod formation;
mod migration;
mod survey;
mod view;

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, InfoDict, cmd};

pub use migration::SlotMigration;

use self::survey::{Report, Survey};
use self::view::View;
use crate::redis_server::{RedisOptions, RedisServer, RedisServerError};
use crate::wait::{NotYet, PATIENCE, eventually};

/// A replica that has not taken over after this span is asked once more: Redis gives a handover up after 5 s. That
/// happens to a node that won an election less than 4 s ago and has become a replica since: Redis up to 8.0 counts the
/// old votes again, makes it a master for a moment without a new epoch, and no other node follows. Valkey 9.1 does not.
const FAILOVER_SPAN: Duration = Duration::from_secs(6);

/// How a cluster is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterOptions {
    /// How many nodes share the slots. With fewer than three there is no majority to replace one that fails.
    pub masters: NonZeroU16,
    /// How many replicas each of them has at the start.
    pub replicas_each: u16,
    /// How each node is started, apart from the cluster.
    pub server: RedisOptions,
    /// The silence after which a node is taken for failed, in whole milliseconds.
    pub node_timeout: Duration,
    /// How many replicas a master needs before it accepts writes. A replica that was promoted has lost one of its kind:
    /// with 1 here and one replica each, it refuses writes until the old master is back.
    pub min_replicas_to_write: u16,
}

impl Default for ClusterOptions {
    /// Three masters with one replica each, a node timeout of a second, and writes without any replica.
    fn default() -> Self {
        Self {
            masters: const { NonZeroU16::MIN.saturating_add(2) },
            replicas_each: 1,
            server: RedisOptions::default(),
            node_timeout: Duration::from_secs(1),
            min_replicas_to_write: 0,
        }
    }
}

/// A cluster could not be started, or did not do what was waited for.
#[derive(Debug, thiserror::Error)]
pub enum RedisClusterError {
    /// One of its servers could not be started, reached or signalled, or refused a command.
    #[error(transparent)]
    Server(#[from] RedisServerError),
    /// The nodes did not get there in time.
    #[error("redis cluster, waiting until {wanted}: {source}")]
    NotYet {
        /// What was waited for.
        wanted: String,
        /// What was seen last.
        source: NotYet,
    },
    /// A node answered `CLUSTER NODES` with something else.
    #[error("redis cluster: node {node} describes no nodes: {text:?}")]
    View {
        /// The node's number.
        node: usize,
        /// What it answered.
        text: String,
    },
    /// No running node names a master for the slot.
    #[error("redis cluster: nobody serves slot {slot}")]
    Unserved {
        /// The slot.
        slot: u16,
    },
}

/// A running cluster that belongs to this value alone.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Node>,
    options: ClusterOptions,
}

#[derive(Debug)]
struct Node {
    server: RedisServer,
    id: String,
    /// For the cluster's own questions.
    connection: MultiplexedConnection,
    /// Neither killed nor paused.
    runs: bool,
}

impl RedisCluster {
    /// Starts a cluster and waits until it is settled; see [`Self::settled`].
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if a node does not start, [`RedisClusterError::NotYet`] if they do not get
    /// together.
    pub async fn start(options: ClusterOptions) -> Result<Self, RedisClusterError> {
        let node_count = usize::from(options.masters.get()) * (1 + usize::from(options.replicas_each));
        let mut nodes = Vec::with_capacity(node_count);
        for _ in 0..node_count {
            nodes.push(Node::start(options).await?);
        }
        let cluster = Self { nodes, options };
        cluster.form().await?;
        Ok(cluster)
    }

    /// Returns how many nodes there are, running or not.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the URL of each node.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.server.url()).collect()
    }

    /// Returns a node's port on 127.0.0.1.
    pub fn port(&self, node: usize) -> u16 {
        self.nodes[node].server.port()
    }

    /// Opens a connection of its own to a node. It follows no redirection.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if the node does not accept it.
    pub async fn connection(&self, node: usize) -> Result<MultiplexedConnection, RedisClusterError> {
        Ok(self.nodes[node].server.connection().await?)
    }

    /// Kills a node with SIGKILL; [`Self::restart`] brings it back.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if the operating system refuses.
    pub fn kill(&mut self, node: usize) -> Result<(), RedisClusterError> {
        let node = &mut self.nodes[node];
        node.runs = false;
        Ok(node.server.kill()?)
    }

    /// Kills a node if it runs and starts it again as the member it was; [`Self::settled`] waits until the others
    /// have taken it back.
    ///
    /// A master that comes back before it was replaced goes on as a master, without its data unless there is an
    /// append-only file, and its replicas follow.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn restart(&mut self, node: usize) -> Result<(), RedisClusterError> {
        let node = &mut self.nodes[node];
        node.runs = false;
        node.server.restart().await?;
        node.connection = node.server.connection().await?;
        node.runs = true;
        Ok(())
    }

    /// Freezes a node with SIGSTOP: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if the operating system refuses.
    pub fn pause(&mut self, node: usize) -> Result<(), RedisClusterError> {
        let node = &mut self.nodes[node];
        node.runs = false;
        Ok(node.server.pause()?)
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if the operating system refuses.
    pub fn resume(&mut self, node: usize) -> Result<(), RedisClusterError> {
        let node = &mut self.nodes[node];
        node.server.resume()?;
        node.runs = true;
        Ok(())
    }

    /// Returns the slot of a key, as a node computes it.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if no node runs or the first that does fails to answer.
    pub async fn slot_of(&self, key: &str) -> Result<u16, RedisClusterError> {
        let node = self.nodes.iter().position(|node| node.runs).unwrap_or_default();
        self.ask(node, cmd("CLUSTER").arg("KEYSLOT").arg(key)).await
    }

    /// Returns the master of a slot by the newest claim that any running node knows of. A master that has failed and
    /// was not replaced yet is still returned.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Unserved`] if no node claims it.
    pub async fn master_of(&self, slot: u16) -> Result<usize, RedisClusterError> {
        let survey = self.survey().await?;
        survey.owner(slot).and_then(|id| self.number(id)).ok_or(RedisClusterError::Unserved { slot })
    }

    /// Returns the nodes that `node` takes for its replicas, running or not.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if the node does not answer.
    pub async fn replicas_of(&self, node: usize) -> Result<Vec<usize>, RedisClusterError> {
        let Report { view, id, .. } = self.report(node).await?;
        Ok(view.replicas_of(&id).filter_map(|replica| self.number(&replica.id)).collect())
    }

    /// Waits until another node than `old` is the master of `slot` in the view of every running node and all slots are
    /// served, and returns that node.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::NotYet`] after half a minute.
    pub async fn promoted(&self, slot: u16, old: usize) -> Result<usize, RedisClusterError> {
        let wanted = format!("slot {slot} has another master than node {old}");
        self.until(&wanted, |survey| match self.number(survey.agreed_owner(slot)?) {
            Some(node) if node != old => Ok(node),
            _ => Err(format!("node {old} is still the master")),
        })
        .await
    }

    /// Lets a replica take over from its master while both run, which loses nothing, and waits until every running node
    /// knows.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::Server`] if the node is no replica, [`RedisClusterError::NotYet`] if it is not promoted.
    pub async fn failover(&self, replica: usize) -> Result<(), RedisClusterError> {
        let mut failover = cmd("CLUSTER");
        failover.arg("FAILOVER");
        self.tell(replica, &failover).await?;
        let mut asked = Instant::now();
        let promoted = eventually(PATIENCE, async || {
            let survey = self.survey().await.map_err(|error| error.to_string())?;
            let Err(wrong) = survey.agreed_master(&self.nodes[replica].id) else {
                return Ok(());
            };
            if asked.elapsed() > FAILOVER_SPAN {
                asked = Instant::now();
                self.tell(replica, &failover).await.map_err(|error| error.to_string())?;
            }
            Err(wrong)
        });
        let wanted = format!("node {replica} has taken over");
        promoted.await.map_err(|source| RedisClusterError::NotYet { wanted, source })
    }

    /// Waits until nothing is under way: the running nodes trust each other and agree, all slots are served, and every
    /// running replica is attached to its master.
    ///
    /// # Errors
    ///
    /// [`RedisClusterError::NotYet`] after half a minute.
    pub async fn settled(&self) -> Result<(), RedisClusterError> {
        self.until("it is settled", Survey::settled).await
    }

    /// Asks the running nodes until `condition` accepts what they say.
    async fn until<T>(
        &self,
        wanted: &str,
        condition: impl Fn(&Survey) -> Result<T, String>,
    ) -> Result<T, RedisClusterError> {
        let met = eventually(PATIENCE, async || {
            let survey = self.survey().await.map_err(|error| error.to_string())?;
            condition(&survey)
        });
        met.await.map_err(|source| RedisClusterError::NotYet { wanted: wanted.to_owned(), source })
    }

    async fn survey(&self) -> Result<Survey, RedisClusterError> {
        let mut reports = Vec::with_capacity(self.node_count());
        for (node, _) in self.nodes.iter().enumerate().filter(|(_, node)| node.runs) {
            reports.push(self.report(node).await?);
        }
        Ok(Survey { reports, node_count: self.node_count() })
    }

    async fn report(&self, node: usize) -> Result<Report, RedisClusterError> {
        let nodes: String = self.ask(node, cmd("CLUSTER").arg("NODES")).await?;
        let view = View::parse(&nodes).ok_or_else(|| RedisClusterError::View { node, text: nodes })?;
        let cluster: InfoDict = self.ask(node, cmd("CLUSTER").arg("INFO")).await?;
        let replication: InfoDict = self.ask(node, cmd("INFO").arg("replication")).await?;
        Ok(Report { node, id: self.nodes[node].id.clone(), view, cluster, replication })
    }

    async fn tell(&self, node: usize, command: &Cmd) -> Result<(), RedisClusterError> {
        self.ask(node, command).await
    }

    async fn ask<T: FromRedisValue>(&self, node: usize, command: &Cmd) -> Result<T, RedisClusterError> {
        let Node { server, connection, .. } = &self.nodes[node];
        let answer = command.query_async(&mut connection.clone()).await;
        Ok(answer.map_err(|source| RedisServerError::Client { port: server.port(), source })?)
    }

    /// Returns the number of the node with this id.
    fn number(&self, id: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }
}

impl Node {
    async fn start(options: ClusterOptions) -> Result<Self, RedisServerError> {
        let server = RedisServer::start_node(options).await?;
        let mut connection = server.connection().await?;
        let id = cmd("CLUSTER").arg("MYID").query_async(&mut connection).await;
        let id = id.map_err(|source| RedisServerError::Client { port: server.port(), source })?;
        Ok(Self { server, id, connection, runs: true })
    }
}
