//! `[worker]`: leases and batches of the indicator-worker.

use std::time::Duration;

use serde::Deserialize;

use super::duration::span_within;
use super::error::{Key, Problem};
use super::lenient::Scalar;

const BATCH_MAX: u32 = 10_000;

/// The indicator-worker's leases and batches.
#[derive(Clone, Copy, Debug)]
pub struct WorkerConfig {
    /// After this long without a sign of life a worker's partitions are taken over.
    pub lease_ttl: Duration,
    /// Candles of one partition read and committed at once, at most.
    pub batch: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawWorker {
    lease_ttl: Option<String>,
    batch: Option<Scalar<u32>>,
}

impl RawWorker {
    pub(super) fn check(self, key: &Key) -> Result<WorkerConfig, Problem> {
        let batch = self.batch.map_or(500, |batch| batch.0);
        if !(1..=BATCH_MAX).contains(&batch) {
            return Err(key.child("batch").problem(format_args!("not a whole number from 1 to {BATCH_MAX}")));
        }
        let lease_ttl = span_within(
            &key.child("lease_ttl"),
            self.lease_ttl.as_ref(),
            Duration::from_secs(5),
            Duration::from_millis(500),
            Duration::from_mins(5),
        )?;
        Ok(WorkerConfig { lease_ttl, batch: batch as usize })
    }
}
