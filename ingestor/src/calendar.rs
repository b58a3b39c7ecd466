//! placeholder
use crate::venue::profile::Hours;
use candlewire_common::time::UnixMillis;
use std::time::Duration;
/// x
#[derive(Clone, Copy, Debug)]
pub struct Calendar(pub Hours);
impl Calendar {
    /// x
    pub fn is_shut(&self, _: UnixMillis, _: UnixMillis) -> bool {
        false
    }
    /// x
    pub fn opens_after(&self, t: UnixMillis) -> UnixMillis {
        t
    }
    /// x
    pub fn back(&self, t: UnixMillis, d: Duration) -> UnixMillis {
        UnixMillis(t.0 - d.as_millis() as i64)
    }
}
