//! Whether the process is ready: what `/readyz` answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The health of a process, shared by its tasks. Starts as not ready.
#[derive(Clone, Debug, Default)]
pub struct Health {
    redis: Arc<AtomicBool>,
}

impl Health {
    /// Notes whether Redis answers; answers with what was known before.
    pub fn set_redis(&self, up: bool) -> bool {
        self.redis.swap(up, Ordering::Relaxed)
    }

    /// Whether Redis answers.
    pub fn is_ready(&self) -> bool {
        self.redis.load(Ordering::Relaxed)
    }
}
