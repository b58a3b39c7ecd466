//! One reader: session after session over its share of the streams, whatever Redis does.
//!
//! Owns when to try again, what is said of it, and the end at a stop. What a session does is its own matter.

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::backoff;
use candlewire_common::connection::{RedisFault, describe};
use redis::RedisError;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::Intake;
use super::group::Group;
use super::session::{BLOCK, Session};
use crate::trouble::Tries;

/// How long a session has after a stop. Entries that it could not acknowledge by then are read by the next
/// process.
const FINISH: Duration = Duration::from_secs(5);

/// A session that reads and lasts longer than this has ended the trouble before it.
const LASTING: Duration = Duration::from_secs(4);

/// Moves the signals of some streams of one node into the queues.
pub(crate) struct Reader {
    intake: Arc<Intake>,
    group: Group,
}

impl Reader {
    /// Reads the streams of `group`.
    pub(super) fn new(intake: Arc<Intake>, group: Group) -> Self {
        Self { intake, group }
    }

    /// Moves signals until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let overrun = async {
            stop.cancelled().await;
            sleep(FINISH).await;
        };
        tokio::select! {
            () = self.read(&stop) => {}
            () = overrun => {}
        }
    }

    async fn read(&self, stop: &CancellationToken) {
        let (mut delays, mut tries) = (backoff::redis(), self.intake.trouble.tries());
        while !stop.is_cancelled() {
            let (began, mut has_read) = (Instant::now(), false);
            let Err(error) = self.session(stop, &mut has_read).await else { return };
            self.intake.metrics.count(&error);
            if has_read && began.elapsed() > LASTING {
                (delays, tries) = (backoff::redis(), self.intake.trouble.tries());
            }
            self.tell(&mut tries, &error);
            tokio::select! {
                () = sleep(delays.next().unwrap_or(BLOCK)) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Reads over new connections until `stop` or a fault; notes once reading works.
    async fn session(&self, stop: &CancellationToken, has_read: &mut bool) -> Result<(), RedisError> {
        let mut session = tokio::select! {
            opened = Session::open(&self.intake, &self.group) => opened?,
            () = stop.cancelled() => return Ok(()),
        };
        while !stop.is_cancelled() {
            session.turn().await?;
            *has_read = true;
        }
        session.leave().await
    }

    /// Says that signals wait, where that is news.
    fn tell(&self, tries: &mut Tries, error: &RedisError) {
        if tries.is_news(RedisFault::of(error)) {
            tracing::warn!("signals of {} can't be read, trying again: {}", self.group, describe(error));
        }
    }
}
