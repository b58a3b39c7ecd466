//! The delivery queues in Redis.
//!
//! For each recipient a sorted set of signal ids by the time they are due, and one of those whose attempt is under way,
//! by the end of their lease; the alert itself is stored once for all its recipients and removed
//! with the last of them. All keys share one slot, every change is one script, and the writes of a
//! script are so ordered that one which is refused loses nothing. Times are those of Redis: several
//! notifiers share the queues, and leases need one clock.
//!
//! The queues hold jobs; they neither deliver nor decide what becomes of one.

mod breaker;
mod dead_letters;
mod enable;
mod enqueue;
mod job;
mod pace;
mod settlement;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::keys::Keys;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use redis::RedisError;
use serde::Deserialize;

pub(crate) use breaker::Breaker;
pub(crate) use dead_letters::{DeadLetter, DeadLetters};
pub(crate) use enable::{Enabled, enable};
pub(crate) use enqueue::Enqueue;
pub(crate) use job::{Batch, Job};
pub(crate) use pace::{Pace, Permit, Window};
pub(crate) use settlement::{Experience, Settlement};
pub(crate) use survey::{Gate, Situation, Survey};

use crate::link::Link;
use crate::recipient::Recipient;
use crate::script::{OPEN, RENEW, SETTLE, TAKE};

/// The names of the queues' keys.
#[derive(Clone, Debug)]
pub(crate) struct QueueKeys(Keys);

impl QueueKeys {
    pub(crate) fn new(keys: Keys) -> Self {
        Self(keys)
    }

    fn alert(&self, id: &str) -> String {
        self.0.delivery(&format!("alert:{id}"))
    }

    fn seen(&self, id: &str) -> String {
        self.0.delivery(&format!("seen:{id}"))
    }

    pub(crate) fn due(&self, recipient: &str) -> String {
        self.0.delivery(&format!("due:{recipient}"))
    }

    pub(crate) fn leases(&self, recipient: &str) -> String {
        self.0.delivery(&format!("leases:{recipient}"))
    }

    fn jobs(&self, recipient: &str) -> String {
        self.0.delivery(&format!("jobs:{recipient}"))
    }

    pub(crate) fn dead(&self, recipient: &str) -> String {
        self.0.delivery(&format!("dead:{recipient}"))
    }

    pub(crate) fn disabled(&self) -> String {
        self.0.delivery("disabled")
    }

    fn moved_chats(&self) -> String {
        self.0.delivery("moved-chats")
    }

    /// The glob of all of them. No character of a prefix means anything else in one.
    fn any(&self) -> String {
        self.0.delivery("*")
    }

    fn standing(&self, recipient: &str) -> String {
        self.0.delivery(&format!("standing:{recipient}"))
    }

    fn series(&self, recipient: &str) -> String {
        self.0.delivery(&format!("series:{recipient}"))
    }

    fn pace(&self, window: &str) -> String {
        self.0.delivery(&format!("pace:{window}"))
    }

    fn closed(&self, way: &str) -> String {
        self.0.delivery(&format!("closed:{way}"))
    }
}

/// What keeps a recipient disabled, as it stands in Redis.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct DisabledNote {
    /// The configuration that was refused.
    pub(crate) fingerprint: String,
    /// What the recipient answered.
    pub(crate) reason: String,
}

/// Whether a recipient may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It may.
    Enabled,
    /// It may again, since its configuration changed.
    EnabledAgain,
    /// It is disabled, for this reason.
    Disabled(String),
}

/// How many jobs are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// How many at most, each for a message of its own.
    pub(crate) count: usize,
    /// With how many more due they are taken for one message instead; `None`: never.
    pub(crate) digest_over: Option<u32>,
    /// Whether all series are as one: alerts go one after the other, whichever notifier sends them.
    pub(crate) is_exclusive: bool,
}

/// What a notifier holds a job with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The token it was taken with.
    pub(crate) token: u64,
    /// The series that its alert is of.
    pub(crate) series: Option<Series>,
}

/// The jobs whose attempts are under way, by id.
pub(crate) type UnderWay = HashMap<String, Held>;

/// How long an alert waits for the one before it of the same series, whoever attempts that.
pub(crate) const TURN: Duration = Duration::from_secs(2);
/// The most alerts of a digest.
const DIGEST_MAX: usize = 25;

/// From when on dead letters are kept, in Unix ms.
fn oldest_kept(retention: Duration) -> i64 {
    UnixMillis::now().0.saturating_sub(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)).max(0)
}

/// The queue of one recipient.
#[derive(Clone)]
pub(crate) struct Queue {
    keys: QueueKeys,
    link: Arc<Link>,
    recipient: String,
    fingerprint: String,
    /// Tells this notifier from others.
    holder: String,
    terms: Terms,
}

/// What holds for all queues.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// How long a job is held for an attempt before that is to be renewed.
    pub(crate) lease: Duration,
    /// How long dead letters are kept.
    pub(crate) dead_retention: Duration,
    /// When a recipient that fails is left alone.
    pub(crate) breaker: Breaker,
}

impl Queue {
    /// The queue of `recipient`, as the notifier called `holder` sees it.
    pub(crate) fn new(keys: QueueKeys, link: Arc<Link>, recipient: &Recipient, holder: String, terms: Terms) -> Self {
        let fingerprint = recipient.fingerprint.clone();
        Self { keys, link, recipient: recipient.name().to_owned(), fingerprint, holder, terms }
    }

    /// What the recipient's messages have to keep to; `None`: nothing.
    pub(crate) fn pace(&self, windows: &[Window]) -> Option<Pace> {
        Pace::new(&self.keys, Arc::clone(&self.link), windows)
    }

    /// Enables the recipient if its configuration changed since it was disabled, and tries it at once.
    pub(crate) async fn open(&self) -> Result<Opened, RedisError> {
        let keys = [self.keys.disabled(), self.keys.due(&self.recipient), self.keys.standing(&self.recipient)];
        let script = OPEN.call(keys, [&self.recipient, &self.fingerprint]);
        let answer: String = self.link.call(&script).await?;
        Ok(match answer.as_str() {
            "" => Opened::Enabled,
            "enabled" => Opened::EnabledAgain,
            note => Opened::Disabled(
                serde_json::from_str(note).map_or_else(|_| note.to_owned(), |note: DisabledNote| note.reason),
            ),
        })
    }

    /// Takes due jobs under a lease. Jobs whose attempts are `under_way` here keep theirs, though it may be over: where nobody
    /// else took one, it begins anew.
    pub(crate) async fn take(&self, wanted: Wanted, under_way: &UnderWay) -> Result<Batch, RedisError> {
        let keys = [
            self.keys.due(&self.recipient),
            self.keys.jobs(&self.recipient),
            self.keys.disabled(),
            self.keys.standing(&self.recipient),
            self.keys.series(&self.recipient),
            self.keys.leases(&self.recipient),
        ];
        let mut args = vec![
            self.keys.alert(""),
            self.recipient.clone(),
            self.fingerprint.clone(),
            wanted.count.to_string(),
            self.terms.lease.as_millis().to_string(),
            wanted.digest_over.map_or(-1, i64::from).to_string(),
            DIGEST_MAX.to_string(),
            self.holder.clone(),
            TURN.as_millis().to_string(),
            u8::from(wanted.is_exclusive).to_string(),
        ];
        args.extend(under_way.iter().flat_map(|(id, held)| [id.clone(), held.token.to_string()]));
        self.link.call(&TAKE.call(keys, args)).await
    }

    /// Renews the leases of jobs whose attempts are `under_way`, and the hold on their series.
    pub(crate) async fn renew(&self, under_way: &UnderWay, is_exclusive: bool) -> Result<(), RedisError> {
        let keys =
            [self.keys.leases(&self.recipient), self.keys.jobs(&self.recipient), self.keys.series(&self.recipient)];
        let series: BTreeSet<&str> = if is_exclusive {
            BTreeSet::from(["*"])
        } else {
            under_way.values().filter_map(|held| held.series.as_ref().map(Series::as_str)).collect()
        };
        let (lease, own) = (self.terms.lease.as_millis(), TURN.as_millis());
        let mut args = vec![lease.to_string(), self.holder.clone(), own.to_string(), series.len().to_string()];
        args.extend(series.into_iter().map(str::to_owned));
        args.extend(under_way.iter().flat_map(|(id, held)| [id.clone(), held.token.to_string()]));
        self.link.call::<i64>(&RENEW.call(keys, args)).await.map(drop)
    }

    /// Settles a job, and notes what the recipient did. Answers whether it was still the caller's to settle.
    pub(crate) async fn settle(
        &self,
        job: &Job,
        settlement: &Settlement,
        experience: &Experience,
    ) -> Result<bool, RedisError> {
        let keys = [
            self.keys.due(&self.recipient),
            self.keys.jobs(&self.recipient),
            self.keys.alert(&job.id),
            self.keys.dead(&self.recipient),
            self.keys.disabled(),
            self.keys.standing(&self.recipient),
            self.keys.leases(&self.recipient),
        ];
        let mut args = vec![job.id.clone(), job.token.to_string()];
        args.extend(experience.args());
        args.extend(self.terms.breaker.args());
        args.extend(settlement.args(&self.recipient, &self.fingerprint, self.terms.dead_retention));
        self.link.call(&SETTLE.call(keys, args)).await
    }

    /// Removes dead letters that are older than they are kept.
    pub(crate) async fn trim_dead(&self) -> Result<(), RedisError> {
        let oldest = oldest_kept(self.terms.dead_retention);
        self.link.run(redis::cmd("XTRIM").arg(self.keys.dead(&self.recipient)).arg("MINID").arg(oldest)).await
    }

    /// The id that replaced a chat's, if it moved.
    pub(crate) async fn moved_chat(&self, chat: &str) -> Result<Option<String>, RedisError> {
        self.link.run(redis::cmd("HGET").arg(self.keys.moved_chats()).arg(chat)).await
    }

    /// Remembers that a chat moved.
    pub(crate) async fn move_chat(&self, from: &str, to: &str) -> Result<(), RedisError> {
        self.link.run(redis::cmd("HSET").arg(self.keys.moved_chats()).arg(from).arg(to)).await
    }
}
