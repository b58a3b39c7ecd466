//! The watch over Redis: a PING a second on a connection of its own.
//!
//! Owns `candlewire_redis_up`, readiness, and the two log lines that tell when Redis went and came
//! back. A connection that hangs without closing is noticed here within the deadline of one PING.

use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::connection::{RedisTarget, describe};
use crate::health::Health;
use crate::metrics::RedisMetrics;

const EVERY: Duration = Duration::from_secs(1);
/// Together with [`EVERY`], readiness follows Redis well within 5 seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches Redis until `stop`.
pub async fn run(target: RedisTarget, health: Health, metrics: RedisMetrics, stop: CancellationToken) {
    let mut connection = None;
    let mut seen_before = false;
    loop {
        let outcome = tokio::select! {
            outcome = ping(&target, &mut connection) => outcome,
            () = stop.cancelled() => return,
        };
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

async fn ping(target: &RedisTarget, held: &mut Option<MultiplexedConnection>) -> Result<(), RedisError> {
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => target.connect(PATIENCE).await?,
    };
    redis::cmd("PING").exec_async(&mut connection).await?;
    *held = Some(connection);
    Ok(())
}
