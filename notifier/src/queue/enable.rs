//! Enabling a recipient by hand.

use redis::RedisError;

use super::QueueKeys;
use crate::link::Link;
use crate::script::ENABLE;

/// What enabling found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enabled {
    /// Whether the recipient was disabled.
    pub(crate) was_disabled: bool,
    /// Whether its breaker was open.
    pub(crate) was_open: bool,
    /// How many alerts wait.
    pub(crate) waiting: u64,
}

/// Enables a recipient and closes its breaker.
///
/// # Errors
///
/// [`RedisError`], and nothing has changed.
pub(crate) async fn enable(keys: &QueueKeys, link: &Link, recipient: &str) -> Result<Enabled, RedisError> {
    let call = ENABLE.call([keys.disabled(), keys.due(recipient), keys.standing(recipient)], [recipient]);
    let (was_disabled, was_open, waiting) = link.call(&call).await?;
    Ok(Enabled { was_disabled, was_open, waiting })
}
