//! What the running nodes of a cluster say when they are all asked.
//!
//! Owns the judgement whether they agree and whether anything is still under way. It works on answers that were
//! collected before and asks nobody. An `Err` describes the first thing that is not as it should be.

use redis::InfoDict;

use super::view::View;

/// How many slots there are.
pub(super) const SLOTS: u16 = 16_384;

/// What one node said.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The node's number.
    pub(super) node: usize,
    /// The node's id.
    pub(super) id: String,
    pub(super) view: View,
    /// The answer to `CLUSTER INFO`.
    pub(super) cluster: InfoDict,
    /// The answer to `INFO replication`.
    pub(super) replication: InfoDict,
}

/// What all running nodes said.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    pub(super) reports: Vec<Report>,
    /// How many nodes the cluster has, running or not.
    pub(super) node_count: usize,
}

impl Survey {
    /// Returns the id of the slot's master by the newest claim that any node knows of.
    pub(super) fn owner(&self, slot: u16) -> Option<&str> {
        let owners = self.reports.iter().filter_map(|report| report.view.owner(slot));
        owners.max_by_key(|owner| owner.epoch).map(|owner| owner.id.as_str())
    }

    /// Returns the id of the slot's master if all nodes name the same and are ready to serve.
    pub(super) fn agreed_owner(&self, slot: u16) -> Result<&str, String> {
        let owner = self.owner(slot).ok_or_else(|| format!("nobody serves slot {slot}"))?;
        for report in &self.reports {
            report.serves_all_slots()?;
            if report.view.owner(slot).is_none_or(|seen| seen.id != owner) {
                return Err(format!("node {} does not know the newest owner of slot {slot}", report.node));
            }
        }
        Ok(owner)
    }

    /// Makes sure that all nodes take this one for a master with slots and are ready to serve.
    pub(super) fn agreed_master(&self, id: &str) -> Result<(), String> {
        for report in &self.reports {
            report.serves_all_slots()?;
            if !report.view.member(id).is_some_and(|member| member.master.is_none() && !member.slots.is_empty()) {
                return Err(format!("node {} does not know the new master", report.node));
            }
        }
        Ok(())
    }

    /// Makes sure that every running node knows all others by their ids, and takes the running ones for such.
    pub(super) fn acquainted(&self) -> Result<(), String> {
        for Report { node, view, .. } in &self.reports {
            if view.members.len() != self.node_count {
                return Err(format!("node {node} knows {} of {} nodes", view.members.len(), self.node_count));
            }
            for other in &self.reports {
                if !view.member(&other.id).is_some_and(|member| member.trusted) {
                    return Err(format!("node {node} does not trust node {}", other.node));
                }
            }
        }
        Ok(())
    }

    /// Makes sure that nothing is under way: the nodes agree about who serves what and who copies whom, every slot is
    /// served, and every replica that runs is attached to its master.
    pub(super) fn settled(&self) -> Result<(), String> {
        self.acquainted()?;
        for report in &self.reports {
            report.serves_all_slots()?;
            for other in &self.reports {
                self.agree(report, other)?;
            }
            self.replicates(report)?;
        }
        Ok(())
    }

    /// Compares what two nodes believe about the nodes that run.
    fn agree(&self, one: &Report, two: &Report) -> Result<(), String> {
        for Report { node, id, .. } in &self.reports {
            let roles = |report: &Report| report.view.member(id).map(|seen| (seen.master.clone(), seen.slots.clone()));
            if roles(one) != roles(two) {
                return Err(format!("nodes {} and {} disagree about node {node}", one.node, two.node));
            }
        }
        Ok(())
    }

    /// Makes sure that a replica has its link, and that a master sends to each of its running replicas.
    fn replicates(&self, report: &Report) -> Result<(), String> {
        let Report { node, id, view, replication, .. } = report;
        if view.member(id).is_some_and(|member| member.master.is_some()) {
            let link: Option<String> = replication.get("master_link_status");
            return match link.as_deref() {
                Some("up") => Ok(()),
                other => Err(format!("link of replica {node} is {}", other.unwrap_or("not there"))),
            };
        }
        let runs = |id: &str| self.reports.iter().any(|report| report.id == id);
        let wanted = view.replicas_of(id).filter(|replica| runs(&replica.id)).count();
        let online = report.online_replicas();
        if online < wanted {
            return Err(format!("{online} of {wanted} replicas of node {node} are online"));
        }
        // Counted once a second, and only if the server was told how many it needs.
        let good: Option<usize> = replication.get("min_slaves_good_slaves");
        match good {
            Some(good) if good < wanted => Err(format!("node {node} counts {good} of {wanted} replicas as good")),
            _ => Ok(()),
        }
    }
}

impl Report {
    fn serves_all_slots(&self) -> Result<(), String> {
        let state: Option<String> = self.cluster.get("cluster_state");
        let served: Option<u16> = self.cluster.get("cluster_slots_ok");
        match (state.as_deref(), served) {
            (Some("ok"), Some(SLOTS)) => Ok(()),
            (state, served) => {
                let (state, served) = (state.unwrap_or("unknown"), served.unwrap_or_default());
                Err(format!("state of node {} is {state}, with {served} of {SLOTS} slots", self.node))
            }
        }
    }

    fn online_replicas(&self) -> usize {
        let attached: usize = self.replication.get("connected_slaves").unwrap_or_default();
        let line = |index: &usize| self.replication.get::<String>(&format!("slave{index}"));
        (0..attached).filter_map(|index| line(&index)).filter(|line| line.contains(",state=online,")).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "aa 127.0.0.1:1@2 master - 0 0 1 connected 0-16383\n";
    const REPLICA: &str = "bb 127.0.0.1:3@4 slave aa 0 0 1 connected\n";
    const ALL_SERVED: &str = "cluster_state:ok\ncluster_slots_ok:16384\n";

    fn report(node: usize, id: &str, nodes: &str, replication: &str) -> Report {
        let view = View::parse(nodes).expect("a view");
        let (cluster, replication) = (InfoDict::new(ALL_SERVED), InfoDict::new(replication));
        Report { node, id: id.to_owned(), view, cluster, replication }
    }

    /// A master and its replica, as they are once settled.
    fn survey() -> Survey {
        let nodes = format!("{MASTER}{REPLICA}");
        let replicas = "connected_slaves:1\nslave0:ip=127.0.0.1,port=3,state=online,offset=1,lag=0\n";
        let reports = vec![report(0, "aa", &nodes, replicas), report(1, "bb", &nodes, "master_link_status:up\n")];
        Survey { reports, node_count: 2 }
    }

    #[test]
    fn nodes_that_agree_and_copy_are_settled() {
        assert_eq!(survey().settled(), Ok(()));
        assert_eq!(survey().agreed_owner(7), Ok("aa"));
        assert_eq!(survey().agreed_master("aa"), Ok(()));
        assert_eq!(survey().agreed_master("bb"), Err("node 0 does not know the new master".to_owned()));
    }

    #[test]
    fn first_thing_that_is_not_settled_is_named() {
        let wrong = |change: fn(&mut Survey)| {
            let mut survey = survey();
            change(&mut survey);
            survey.settled().expect_err("a survey with a fault")
        };
        assert_eq!(wrong(|survey| survey.node_count = 3), "node 0 knows 2 of 3 nodes");
        assert_eq!(wrong(|survey| survey.reports[1].view.members[0].trusted = false), "node 1 does not trust node 0");
        assert_eq!(
            wrong(|survey| survey.reports[1].view.members[1].master = None),
            "nodes 0 and 1 disagree about node 1"
        );
        assert_eq!(
            wrong(|survey| survey.reports[0].cluster = InfoDict::new("cluster_state:fail\ncluster_slots_ok:9\n")),
            "state of node 0 is fail, with 9 of 16384 slots"
        );
        assert_eq!(
            wrong(|survey| survey.reports[1].replication = InfoDict::new("master_link_status:down\n")),
            "link of replica 1 is down"
        );
        assert_eq!(
            wrong(|survey| survey.reports[0].replication =
                InfoDict::new("connected_slaves:1\nslave0:state=wait_bgsave\n")),
            "0 of 1 replicas of node 0 are online"
        );
    }

    #[test]
    fn newest_claim_on_a_slot_wins() {
        let mut survey = survey();
        let promoted = "bb 127.0.0.1:3@4 master - 0 0 2 connected 0-16383\n";
        survey.reports[1] = report(1, "bb", promoted, "");
        assert_eq!(survey.owner(7), Some("bb"));
        assert_eq!(survey.agreed_owner(7), Err("node 0 does not know the newest owner of slot 7".to_owned()));
    }
}
