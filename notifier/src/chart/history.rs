//! The candles before a crossing, read from the series' history.
//!
//! Reads only, so that a connection that broke is tried once more. In a cluster each partition's history is on a node
//! of its own, and has a connection of its own, made when it is first needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use candlewire_common::candle::ClosedCandle;
use candlewire_common::candle_entry::OhlcvText;
use candlewire_common::config::RedisConfig;
use candlewire_common::connection::{RedisFault, RedisTarget};
use candlewire_common::keys::Keys;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::series::{Partition, Partitions, Series};
use candlewire_common::stream::{StreamEntry, range_reply};
use candlewire_common::time::UnixMillis;
use redis::{Cmd, RedisError, Value};

use super::NoPicture;
use crate::link::Link;

/// The histories of all series.
pub(super) struct Histories {
    target: RedisTarget,
    keys: Keys,
    partitions: Partitions,
    metrics: RedisMetrics,
    /// One for each partition in a cluster, else one for all.
    links: Mutex<HashMap<Option<Partition>, Arc<Link>>>,
}

impl Histories {
    pub(super) fn new(target: RedisTarget, redis: &RedisConfig, metrics: RedisMetrics) -> Self {
        let (keys, partitions) = (redis.keys.clone(), redis.partitions);
        Self { target, keys, partitions, metrics, links: Mutex::default() }
    }

    /// The last candles of a series up to one, oldest first, at most `count`. What can't be read, and all before it,
    /// is left out.
    ///
    /// # Errors
    ///
    /// [`NoPicture`], where there are none that end with the candle of that open time.
    pub(super) async fn until(
        &self,
        series: &Series,
        last: UnixMillis,
        count: usize,
    ) -> Result<Vec<ClosedCandle>, NoPicture> {
        if last.0 <= 0 {
            return Err(NoPicture::NotInHistory);
        }
        let partition = series.partition(self.partitions);
        let mut command = redis::cmd("XREVRANGE");
        command.arg(self.keys.history(partition, series)).arg(format!("{last}-0")).arg("-").arg("COUNT").arg(count);
        let reply = read(&self.link(partition), &command).await?;
        let entries = range_reply(reply).map_err(|error| NoPicture::Unreadable(error.to_string()))?;
        let mut candles: Vec<ClosedCandle> = entries.iter().map_while(candle).collect();
        if candles.first().is_none_or(|newest| newest.open_time() != last) {
            return Err(NoPicture::NotInHistory);
        }
        candles.reverse();
        Ok(candles)
    }

    fn link(&self, partition: Partition) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        let made = links.entry(self.target.is_cluster().then_some(partition)).or_insert_with(|| {
            let key = self.keys.candles(partition);
            Arc::new(Link::new(self.target.clone(), key, self.metrics.clone()))
        });
        Arc::clone(made)
    }
}

async fn read(link: &Link, command: &Cmd) -> Result<Value, RedisError> {
    match link.run(command).await {
        Err(error) if matches!(RedisFault::of(&error), RedisFault::Connection | RedisFault::Moved) => {
            link.run(command).await
        }
        outcome => outcome,
    }
}

fn candle(entry: &StreamEntry) -> Option<ClosedCandle> {
    let open_time = UnixMillis(i64::try_from(entry.id.ms).ok().filter(|_| entry.id.seq == 0)?);
    // It was accepted once, so the clock has no say any more.
    ClosedCandle::new(open_time, OhlcvText::pick(&entry.fields).ok()?.read().ok()?, open_time).ok()
}
