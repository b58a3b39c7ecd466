//! What Redis knows of recipients: what waits, since when, and how each stands.

use std::collections::{BTreeSet, HashMap};

use candlewire_common::time::{UnixMicros, UnixMillis};
use redis::{RedisError, Value, from_redis_value};

use super::{DisabledNote, QueueKeys};
use crate::link::Link;

/// How many waiting alerts are looked at for the oldest.
const LOOKED_AT: isize = 500;
/// No alert is older than this, in Unix ms.
const LONG_AGO_MS: i64 = 1_000_000_000;
/// How many keys are walked through in one round trip.
const SCANNED: usize = 1_000;
/// How many recipients are looked at in one round trip.
const AT_ONCE: usize = 50;

/// How one recipient stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Situation {
    /// How many alerts wait, those that are under way included.
    pub(crate) depth: u64,
    /// When the first of them is due.
    pub(crate) next_due: Option<UnixMillis>,
    /// How many dead letters there are.
    pub(crate) dead: u64,
    /// When it last accepted an alert.
    pub(crate) last_success: Option<UnixMillis>,
    /// When it last did not, and what it answered.
    pub(crate) last_error: Option<(UnixMillis, String)>,
    /// Whether alerts get through to it.
    pub(crate) gate: Gate,
}

/// Whether alerts get through to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// They do.
    Closed {
        /// How many attempts in a row have failed.
        failures: u64,
    },
    /// The breaker is open: none is tried before then.
    Open(UnixMillis),
    /// The breaker lets attempts through, whose outcome decides.
    HalfOpen,
    /// The recipient is disabled.
    Disabled {
        /// What it answered.
        reason: String,
        /// Whether that was under another configuration than this one.
        is_former: bool,
    },
}

/// Looks at recipients.
pub(crate) struct Survey<'a> {
    /// The queues' names.
    pub(crate) keys: &'a QueueKeys,
    /// The way to Redis.
    pub(crate) link: &'a Link,
}

impl Survey<'_> {
    /// Looks at recipients, given by their names with the fingerprints of their configuration. Answers in that order.
    ///
    /// # Errors
    ///
    /// [`RedisError`] of the first command that fails.
    pub(crate) async fn look(&self, recipients: &[(&str, &str)]) -> Result<Vec<Situation>, RedisError> {
        let mut situations = Vec::with_capacity(recipients.len());
        for recipients in recipients.chunks(AT_ONCE) {
            situations.extend(self.look_at_once(recipients).await?);
        }
        Ok(situations)
    }

    async fn look_at_once(&self, recipients: &[(&str, &str)]) -> Result<Vec<Situation>, RedisError> {
        const EACH: usize = 6;
        let mut commands = redis::pipe();
        commands.cmd("TIME");
        for (name, _) in recipients {
            commands.cmd("ZCARD").arg(self.keys.due(name));
            commands.cmd("ZCARD").arg(self.keys.leases(name));
            commands.cmd("ZRANGE").arg(self.keys.due(name)).arg(0).arg(0).arg("WITHSCORES");
            commands.cmd("XLEN").arg(self.keys.dead(name));
            commands.cmd("HGET").arg(self.keys.disabled()).arg(name);
            commands.cmd("HGETALL").arg(self.keys.standing(name));
        }
        let mut answers: Vec<Value> = self.link.run_all(&commands).await?;
        let rest = answers.split_off(1.min(answers.len()));
        let (seconds, micros): (i64, i64) = from_redis_value(answers.pop().unwrap_or(Value::Nil))?;
        let now = UnixMillis(seconds.saturating_mul(1_000) + micros / 1_000);
        rest.chunks_exact(EACH)
            .zip(recipients)
            .map(|(answers, (_, fingerprint))| read(answers, fingerprint, now))
            .collect()
    }

    /// Finds the names under which alerts or dead letters are kept. Walks through all keys of the server: for commands.
    ///
    /// # Errors
    ///
    /// [`RedisError`] of the first command that fails.
    pub(crate) async fn names(&self) -> Result<BTreeSet<String>, RedisError> {
        let kinds = [self.keys.due(""), self.keys.leases(""), self.keys.dead("")];
        let (mut names, mut cursor) = (BTreeSet::new(), 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.keys.any()).arg("COUNT").arg(SCANNED);
            let (next, found): (u64, Vec<String>) = self.link.run(&scan).await?;
            let name = |key: &String| kinds.iter().find_map(|kind| key.strip_prefix(kind)).map(str::to_owned);
            names.extend(found.iter().filter_map(name));
            cursor = next;
            if cursor == 0 {
                return Ok(names);
            }
        }
    }

    /// Finds when the oldest alert that waits for a recipient was found.
    ///
    /// # Errors
    ///
    /// [`RedisError`] of the first command that fails.
    pub(crate) async fn oldest(&self, recipient: &str) -> Result<Option<UnixMillis>, RedisError> {
        let mut first = redis::pipe();
        for key in [self.keys.due(recipient), self.keys.leases(recipient)] {
            first.cmd("ZRANGE").arg(key).arg(0).arg(LOOKED_AT - 1);
        }
        let ids: Vec<Vec<String>> = self.link.run_all(&first).await?;
        let ids = ids.concat();
        let mut commands = redis::pipe();
        for id in &ids {
            commands.cmd("HGET").arg(self.keys.alert(id)).arg("emitted_us");
        }
        if ids.is_empty() {
            return Ok(None);
        }
        let found: Vec<Option<i64>> = self.link.run_all(&commands).await?;
        Ok(found.into_iter().flatten().min().map(|micros| UnixMicros(micros).millis()))
    }
}

fn read(answers: &[Value], fingerprint: &str, now: UnixMillis) -> Result<Situation, RedisError> {
    let [due, leased, head, dead, note, standing] = answers else {
        return Err((redis::ErrorKind::UnexpectedReturnType, "a survey of an unknown shape").into());
    };
    let head: Vec<(String, String)> = from_redis_value(head.clone())?;
    let note: Option<String> = from_redis_value(note.clone())?;
    let note: Option<DisabledNote> = note.and_then(|note| serde_json::from_str(&note).ok());
    let standing: HashMap<String, String> = from_redis_value(standing.clone())?;
    let number = |name: &str| standing.get(name).and_then(|text| text.parse::<i64>().ok());
    let error = standing.get("last_error").cloned().unwrap_or_default();
    let gate = match (note, number("open_until")) {
        (Some(note), _) => Gate::Disabled { is_former: note.fingerprint != fingerprint, reason: note.reason },
        (None, Some(until)) if standing.contains_key("probes") || until <= now.0 => Gate::HalfOpen,
        (None, Some(until)) => Gate::Open(UnixMillis(until)),
        (None, None) => {
            Gate::Closed { failures: number("failures").and_then(|n| n.try_into().ok()).unwrap_or_default() }
        }
    };
    Ok(Situation {
        depth: from_redis_value::<u64>(due.clone())? + from_redis_value::<u64>(leased.clone())?,
        // What was disabled is due since long ago, which means now.
        next_due: head
            .first()
            .map(|(_, due)| due.split('.').next().and_then(|ms| ms.parse().ok()).unwrap_or(0))
            .map(|ms: i64| if ms < LONG_AGO_MS { now } else { UnixMillis(ms) }),
        dead: from_redis_value(dead.clone())?,
        last_success: number("last_success").map(UnixMillis),
        last_error: number("last_error_at").map(|at| (UnixMillis(at), error)),
        gate,
    })
}
