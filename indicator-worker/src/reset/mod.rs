//! `indicator-worker reset`: forgets the cached state of series, to be rebuilt from their histories.
//!
//! Owns the order of the steps. What is forgotten is the state hash and, should a worker have the series in memory, that
//! as well: else its next commit would write the old state back, and the command would have been a lie. Both go in one
//! script for each partition ([`erasure`]), which deletes the hashes and moves the partition's fence on. The owner keeps
//! its lease, but finds another fence than its own at its next read, or its commit is refused; either way it throws its
//! memory away, takes the partition anew within a second at most, and loads what Redis holds. It is the way of a
//! take-over, with the same promises: a commit happens before the reset or after it, never across it, so no signal is
//! lost or found twice, and the position is where it was. Order and duplicates stay guarded, because the history ends
//! with the last candle that was applied. A series of which that is not so is left alone, as its hash is all that
//! knows where it was.
//!
//! It computes nothing: the owner rebuilds a series when its next candle comes. Nor does it stop a worker, or need one.

mod erasure;
mod search;
mod summary;
mod wish;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use anyhow::{Context, Result};
use candlewire_common::config::Config;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget};
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::meta;
use candlewire_common::nodes::Nodes;
use candlewire_common::series::{Partition, Series};
use redis::RedisError;

use erasure::{Erasure, Mode};
pub(crate) use search::find_all;
use summary::Summary;
pub use wish::Wish;

/// Series by their partitions.
pub(crate) type Found = BTreeMap<Partition, HashSet<Series>>;

/// Forgets the states of all series that are wished for; with `dry_run` only says which.
///
/// # Errors
///
/// [`Fault::Usage`] for a series that is not there, where nothing is changed; [`Fault::Unreachable`] when Redis does not
/// answer.
pub async fn reset(config: &Config, wishes: &[Wish], dry_run: bool) -> Result<Outcome> {
    let target = RedisTarget::new(&config.redis)?;
    let mut connection = target.connect_once(&config.redis.keys.meta()).await?;
    meta::verify(&mut connection, &config.redis).await.map_err(Fault::from)?;
    let mut nodes = Nodes::new(target.clone(), RESPONSE_TIMEOUT);
    let unreachable = |error: RedisError| target.unreachable(&error);
    let found = search::find(wishes, &config.redis, &mut nodes).await.map_err(unreachable)?;
    let erasure = Erasure { keys: &config.redis.keys, history: config.cache.history };
    let mut summary = Summary::of(&erasure.apply(&found, Mode::Look, &mut nodes).await.map_err(unreachable)?, wishes);
    if let Some(series) = summary.missing(wishes) {
        return Err(Fault::Usage(format!("{series} has neither a state nor a history: nothing was reset")).into());
    }
    if !dry_run {
        let erased = erasure.apply(&found, Mode::Erase, &mut nodes).await.map_err(unreachable)?;
        summary = Summary::of(&erased, wishes);
    }
    std::io::stdout().write_all(summary.text(dry_run).as_bytes()).context("write to standard output")?;
    Ok(Outcome::Done)
}
