//! What ends a move before it is done.

use std::time::Duration;

use candlewire_common::series::Partition;
use redis::RedisError;

/// Why a move stops. What is moved stays moved, and another run goes on from there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    /// Redis did not answer, or refused.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// A worker lives.
    #[error(
        "worker {worker} {does}, for another {} unless it renews: stop all workers, then run this again; one that died is forgotten by itself",
        humantime::format_duration(*left)
    )]
    Worker {
        /// The worker's id.
        worker: String,
        /// What it does.
        does: String,
        /// When it counts as dead.
        left: Duration,
    },
    /// Signals of a partition that is to vanish wait for a consumer.
    #[error("{stream} is to vanish, but {problem}; {way_out}, then run this again")]
    Signals {
        /// The stream.
        stream: String,
        /// Who has not finished it.
        problem: String,
        /// What can be done.
        way_out: String,
    },
    /// The fence of a partition is not ours any more.
    #[error(
        "partition {0} was taken over meanwhile, by a worker or by another repartition: stop the one, let the other finish"
    )]
    TakenOver(Partition),
    /// Meta is not what it was.
    #[error("{0} was changed meanwhile by another process")]
    Changed(String),
    /// A person or the system wants the process to stop.
    #[error("interrupted")]
    Interrupted,
}
