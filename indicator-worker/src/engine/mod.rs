//! The engine: moves bytes between Redis and the core, one task for each partition.
//!
//! The workers share the partitions evenly. A partition is owned through a lease; its owner reads candles
//! from the committed position, lets the core apply them, and commits position, states, histories, signals and dead entries in one
//! transaction that is refused if the partition changed hands. Whatever goes wrong, the answer is
//! the same: forget what is in memory and start from what Redis holds.

mod applier;
mod commit;
mod coordinator;
mod lease;
mod load;
mod memory;
mod partition;
pub(crate) mod position;
mod roster;
mod scripts;
#[cfg(test)]
mod tests;
mod trim;

pub use coordinator::{Coordinator, Share};
pub use lease::Leases;
pub use partition::{PartitionTask, Settings};
pub(crate) use roster::Roster;
