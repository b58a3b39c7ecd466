//! How separate servers become a cluster.
//!
//! Owns the commands that hand out the slots, introduce the nodes to each other and tell each replica its master, as
//! `redis-cli --cluster create` would give them. All nodes are introduced to all, instead of to one that spreads the
//! word: gossip would take seconds.

use redis::cmd;

use super::survey::{SLOTS, Survey};
use super::{RedisCluster, RedisClusterError};

impl RedisCluster {
    /// Makes a cluster of nodes that know nothing of each other. The first ones become masters.
    pub(super) async fn form(&self) -> Result<(), RedisClusterError> {
        let masters = usize::from(self.options.masters.get());
        let bound = |master: usize| master * usize::from(SLOTS) / masters;
        for master in 0..masters {
            let (first, last) = (bound(master), bound(master + 1) - 1);
            self.tell(master, cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(first).arg(last)).await?;
        }
        self.introduce().await?;
        self.until("nodes know each other", Survey::acquainted).await?;
        for replica in masters..self.node_count() {
            let master = &self.nodes[replica % masters].id;
            self.tell(replica, cmd("CLUSTER").arg("REPLICATE").arg(master)).await?;
        }
        self.settled().await
    }

    async fn introduce(&self) -> Result<(), RedisClusterError> {
        for one in 0..self.node_count() {
            // Nodes that meet with equal epochs would have to raise them one after the other.
            self.tell(one, cmd("CLUSTER").arg("SET-CONFIG-EPOCH").arg(one + 1)).await?;
        }
        for one in 0..self.node_count() {
            for other in &self.nodes[one + 1..] {
                let (port, bus_port) = (other.server.port(), other.server.bus_port());
                self.tell(one, cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(port).arg(bus_port)).await?;
            }
        }
        Ok(())
    }
}
