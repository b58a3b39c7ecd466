//! Which workers live, and whether each partition has one.

use std::collections::BTreeSet;

use candlewire_common::config::Config;
use candlewire_common::connection::describe;
use candlewire_common::doctor::Finding;
use candlewire_common::nodes::Nodes;
use candlewire_common::phrase::{counted, some_of};
use candlewire_common::series::Partition;

use crate::engine::Roster;

/// Looks at the roster.
pub(super) async fn look(config: &Config, nodes: &mut Nodes) -> Finding {
    let roster = Roster::new(config.redis.keys.workers(), "doctor", config.worker.lease_ttl);
    match roster.look(nodes).await {
        Ok(seen) => {
            let held = seen.living.values().flatten().copied().collect();
            judge(seen.living.len() as u64, &held, config.redis.partitions.iter())
        }
        Err(error) => Finding::fault("workers", format!("can't be looked at: {}", describe(&error))),
    }
}

fn judge(living: u64, held: &BTreeSet<Partition>, all: impl Iterator<Item = Partition>) -> Finding {
    let subject = "workers";
    if living == 0 {
        return Finding::warning(subject, "none runs: start `indicator-worker run`");
    }
    let free: Vec<String> = all.filter(|partition| !held.contains(partition)).map(|at| at.to_string()).collect();
    let who = counted(living, "worker");
    if free.is_empty() {
        return Finding::ok(subject, format!("{who}, every partition has one"));
    }
    let advice = "one is taken within worker.lease_ttl; should this last, the workers' logs say what they wait for";
    Finding::warning(
        subject,
        format!("{who}, but nobody has {} ({}): {advice}", counted(free.len() as u64, "partition"), some_of(&free)),
    )
}

#[cfg(test)]
mod tests {
    use candlewire_common::doctor::Verdict;

    use super::*;

    #[test]
    fn each_partition_needs_a_worker() {
        let found = |living: u64, held: &[u16]| {
            judge(living, &held.iter().copied().map(Partition).collect(), (0..4).map(Partition))
        };
        assert_eq!(found(2, &[0, 1, 2, 3]), Finding::ok("workers", "2 workers, every partition has one"));
        assert_eq!(found(0, &[]).verdict, Verdict::Warning);
        let partly = found(1, &[1, 2]);
        assert_eq!(partly.verdict, Verdict::Warning);
        assert!(partly.detail.starts_with("1 worker, but nobody has 2 partitions (0, 3): "), "{}", partly.detail);
    }
}
