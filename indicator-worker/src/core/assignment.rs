//! Fair shares: which worker is to have which partitions.
//!
//! A pure function of who lives and what each holds, so that workers that see the same agree without
//! talking. It is sticky: a partition moves only where a share would otherwise be uneven. It decides what
//! ought to be; who may work on a partition is decided by its lease.

use std::collections::{BTreeMap, BTreeSet};

use candlewire_common::series::{Partition, Partitions};

/// The workers that live, and the partitions each holds.
pub type Holdings<W> = BTreeMap<W, BTreeSet<Partition>>;

/// Shares out all partitions among the workers of `holdings`: shares differ by one at most, and of all
/// such divisions it is one that takes the fewest partitions from those who hold them. Of two that claim
/// a partition the first has it. No workers, no shares.
pub fn shares<W: Ord + Clone>(partitions: Partitions, holdings: &Holdings<W>) -> Holdings<W> {
    let workers = holdings.len();
    if workers == 0 {
        return Holdings::new();
    }
    let mut free: BTreeSet<Partition> = partitions.iter().collect();
    let mut kept: Vec<(W, BTreeSet<Partition>)> = holdings
        .iter()
        .map(|(worker, held)| (worker.clone(), held.iter().copied().filter(|at| free.remove(at)).collect()))
        .collect();
    // Those who hold most keep the larger shares: nothing is taken from them for the remainder's sake.
    kept.sort_by_key(|(_, held)| std::cmp::Reverse(held.len()));
    let count = usize::from(partitions.count());
    let quota = |place: usize| count / workers + usize::from(place < count % workers);
    for (place, (_, held)) in kept.iter_mut().enumerate() {
        while held.len() > quota(place) {
            free.extend(held.pop_last());
        }
    }
    for (place, (_, held)) in kept.iter_mut().enumerate() {
        while held.len() < quota(place) {
            let Some(next) = free.pop_first() else { break };
            held.insert(next);
        }
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holdings(of: &[&[u16]]) -> Holdings<usize> {
        of.iter().map(|held| held.iter().map(|at| Partition(*at)).collect()).enumerate().collect()
    }

    fn shared(count: u16, of: &[&[u16]]) -> Vec<Vec<u16>> {
        let shares = shares(Partitions::new(count).unwrap(), &holdings(of));
        shares.into_values().map(|share| share.into_iter().map(|at| at.0).collect()).collect()
    }

    #[test]
    fn a_newcomer_gets_its_share_and_nothing_else_moves() {
        assert_eq!(shared(4, &[&[]]), [[0, 1, 2, 3]]);
        assert_eq!(shared(4, &[&[0, 1, 2, 3], &[]]), [[0, 1], [2, 3]]);
        assert_eq!(shared(5, &[&[0, 1, 2], &[3, 4], &[]]), [vec![0, 1], vec![3, 4], vec![2]]);
        // The remainder stays with whoever has it.
        assert_eq!(shared(3, &[&[0], &[1, 2]]), [vec![0], vec![1, 2]]);
    }

    #[test]
    fn what_a_dead_worker_held_goes_to_those_with_least() {
        assert_eq!(shared(6, &[&[0, 1], &[4, 5]]), [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(shared(2, &[&[], &[], &[1]]), [vec![0], vec![], vec![1]]);
    }

    fn any_holdings() -> impl Strategy<Value = (u16, Holdings<u8>)> {
        (1..40_u16).prop_flat_map(|count| {
            let held = proptest::collection::btree_set((0..count + 3).prop_map(Partition), 0..usize::from(count) + 1);
            (Just(count), proptest::collection::btree_map(any::<u8>(), held, 1..9))
        })
    }

    proptest! {
        #[test]
        fn all_is_shared_once_evenly_and_with_the_fewest_moves((count, holdings) in any_holdings()) {
            let partitions = Partitions::new(count).unwrap();
            let shares = shares(partitions, &holdings);
            let all: Vec<Partition> = shares.values().flatten().copied().collect();
            prop_assert_eq!(all.len(), usize::from(count));
            prop_assert_eq!(all.iter().copied().collect::<BTreeSet<_>>(), partitions.iter().collect::<BTreeSet<_>>());
            let sizes: Vec<usize> = shares.values().map(BTreeSet::len).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);

            // Whoever holds more than the largest share must give; so must all but the remainder's number
            // of those who hold it. Nobody else loses anything.
            let mut claimed = BTreeSet::new();
            let honest: Holdings<u8> = holdings.iter().map(|(worker, held)| {
                let own = held.iter().copied().filter(|at| at.0 < count && claimed.insert(*at)).collect();
                (*worker, own)
            }).collect();
            let taken: usize = honest.iter().map(|(worker, held)| held.difference(&shares[worker]).count()).sum();
            let (least, remainder) = (usize::from(count) / holdings.len(), usize::from(count) % holdings.len());
            let over: usize = honest.values().map(|held| held.len().saturating_sub(least)).sum();
            let spared = honest.values().filter(|held| held.len() > least).count().min(remainder);
            prop_assert_eq!(taken, over - spared);
        }

        #[test]
        fn once_shared_nothing_moves_again((count, holdings) in any_holdings()) {
            let partitions = Partitions::new(count).unwrap();
            let first = shares(partitions, &holdings);
            prop_assert_eq!(shares(partitions, &first), first);
        }
    }
}
