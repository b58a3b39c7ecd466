//! How fast a recipient may be written to.
//!
//! Windows of what was sent, kept in Redis by its clock: recipients that share a chat, a bot or a webhook share its
//! windows, and so do all notifiers.

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::config::Rate;
use redis::RedisError;
use sha2::{Digest, Sha256};

use super::QueueKeys;
use crate::link::Link;
use crate::script::PACE;

/// Messages may be a bit quicker on their way than the ones before them: windows are so much wider than the limits.
const MARGIN: Duration = Duration::from_millis(50);

/// At most so many messages within so long over one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    way: String,
    rate: Rate,
}

impl Window {
    /// Limits what goes over a way, known by what tells it from others. Secrets among these stay secret.
    pub(crate) fn new(way: &[&str], count: u32, span: Duration) -> Self {
        Self { way: fingerprint(way), rate: Rate { count, span } }
    }

    /// How many messages it allows within `span`, at least one.
    pub(crate) fn within(&self, span: Duration) -> u32 {
        let allowed = (u128::from(self.rate.count) * span.as_millis()).div_ceil(self.rate.span.as_millis().max(1));
        let allowed = u32::try_from(allowed).unwrap_or(u32::MAX).max(1);
        // A window that is wider than this may be used up at once.
        if span < self.rate.span { allowed.min(self.rate.count) } else { allowed }
    }
}

fn fingerprint(way: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in way {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let [first, ..] = digest.as_chunks::<16>().0 else { return String::new() };
    format!("{:032x}", u128::from_be_bytes(*first))
}

/// What one recipient's messages have to keep to.
#[derive(Clone)]
pub(crate) struct Pace {
    link: Arc<Link>,
    /// Closes the recipient's way, then the windows.
    keys: Vec<String>,
    limits: Vec<String>,
}

/// Whether a message may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// It may, and the next one after this long.
    Given {
        /// Zero if at once.
        next_in: Duration,
    },
    /// None before this long.
    Wait(Duration),
}

impl Pace {
    /// Keeps to `windows`, the first of which is what the service closes when it says "too many".
    pub(super) fn new(keys: &QueueKeys, link: Arc<Link>, windows: &[Window]) -> Option<Self> {
        let closes = keys.closed(&windows.first()?.way);
        let millis = |window: &Window| (window.rate.span + MARGIN).as_millis();
        let name = |window: &Window| keys.pace(&format!("{}:{}:{}", window.way, window.rate.count, millis(window)));
        let limits = windows.iter().flat_map(|window| [window.rate.count.to_string(), millis(window).to_string()]);
        Some(Self {
            link,
            keys: [closes].into_iter().chain(windows.iter().map(name)).collect(),
            limits: limits.collect(),
        })
    }

    /// Takes the right to send one message now.
    ///
    /// # Errors
    ///
    /// [`RedisError`]: nothing is known, and nothing may be sent.
    pub(crate) async fn take(&self) -> Result<Permit, RedisError> {
        let (is_given, wait): (bool, u64) = self.link.call(&PACE.call(&self.keys, &self.limits)).await?;
        let wait = Duration::from_millis(wait);
        Ok(if is_given { Permit::Given { next_in: wait } } else { Permit::Wait(wait) })
    }

    /// Sends nothing over the recipient's way for this long.
    pub(crate) async fn close(&self, wait: Duration) -> Result<(), RedisError> {
        let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        self.link.run(redis::cmd("SET").arg(&self.keys[0]).arg(1).arg("PX").arg(millis)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_says_what_it_lets_through_for_some_time() {
        let within = |count, span| Window::new(&[], count, Duration::from_secs(span)).within(Duration::from_secs(10));
        assert_eq!([within(1, 1), within(20, 60), within(30, 60), within(5, 2), within(1, 3_600)], [10, 4, 5, 25, 1]);
    }

    #[test]
    fn a_way_is_known_without_being_told() {
        let one = Window::new(&["telegram", "123:secret", "7"], 1, Duration::from_secs(1));
        assert!(!format!("{one:?}").contains("secret") && one.way.len() == 32);
        assert_ne!(one.way, Window::new(&["telegram", "123:secret7", ""], 1, Duration::from_secs(1)).way);
    }
}
