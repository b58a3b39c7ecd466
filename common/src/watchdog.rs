//! The watch over Redis: a PING a second to each node, on connections of its own.
//!
//! Owns `candlewire_redis_up`, readiness, and the two log lines that tell when Redis went and came
//! back. A connection that hangs without closing is noticed here within the deadline of one PING.

use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::{RedisTarget, describe};
use crate::health::Health;
use crate::metrics::RedisMetrics;
use crate::nodes::Nodes;

const EVERY: Duration = Duration::from_secs(1);
/// Together with [`EVERY`], readiness follows Redis well within 5 seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches Redis until `stop`.
pub async fn run(target: RedisTarget, health: Health, metrics: RedisMetrics, stop: CancellationToken) {
    let mut nodes = Nodes::new(target.clone(), PATIENCE);
    let mut seen_before = false;
    loop {
        let outcome = tokio::select! {
            outcome = timeout(PATIENCE, ping(&mut nodes)) => outcome.unwrap_or_else(|_| Err(hangs())),
            () = stop.cancelled() => return,
        };
        if outcome.is_err() {
            nodes.forget();
        }
        let up = outcome.is_ok();
        let was_up = health.set_redis(up);
        metrics.up(up);
        match outcome {
            Ok(()) if !was_up => {
                tracing::info!("redis at {} answers", target.address());
                if seen_before {
                    metrics.reconnected();
                }
                seen_before = true;
            }
            Err(error) if was_up || !seen_before => {
                seen_before = true;
                tracing::warn!("redis at {} does not answer, waiting for it: {}", target.address(), describe(&error));
            }
            _ => {}
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn ping(nodes: &mut Nodes) -> Result<(), RedisError> {
    for node in nodes.all().await? {
        redis::cmd("PING").exec_async(&mut nodes.to(&node).await?).await?;
    }
    Ok(())
}

fn hangs() -> RedisError {
    RedisError::from((ErrorKind::Io, "no answer in time"))
}
