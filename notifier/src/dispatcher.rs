//! The task of one recipient: takes its due jobs and makes attempts, a bounded number at once.
//!
//! Each recipient has its own, so that one that hangs or fails delays nobody else. A new job in its
//! queue wakes it; it looks by itself when the next job falls due, and once a second for what other
//! notifiers queued.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::backoff;
use candlewire_common::connection::describe;
use candlewire_common::time::UnixMillis;
use redis::RedisError;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Attempts, Outcome};
use crate::channel::Channel;
use crate::queue::{Batch, Held, Opened, TURN, UnderWay, Wanted};
use crate::standing::Standing;
use crate::trouble::Trouble;
use crate::turns::Turns;

/// How long to wait for a wake-up before looking anyway.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long free places are gathered in a backlog.
const GATHER: Duration = Duration::from_millis(3);
/// For how long alerts go one by one after a digest was refused.
const ONE_BY_ONE: Duration = Duration::from_mins(10);
/// How often the leases of what is under way are renewed.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// How often dead letters that are too old are removed.
const TRIM_EVERY: Duration = Duration::from_mins(10);
/// How many pictures may be late at once; more are left out.
const LATE_AT_ONCE: usize = 4;
/// How long attempts under way have after a stop. Those that need longer are made again after their lease.
const FINISH: Duration = Duration::from_secs(5);

/// Delivers one recipient's alerts.
pub(crate) struct Dispatcher {
    attempts: Attempts,
    wake: Arc<Notify>,
    standing: Standing,
    under_way: UnderWay,
    running: JoinSet<Outcome>,
    /// The jobs of each task that runs: should it panic, these are not under way any more.
    held: HashMap<Id, Vec<String>>,
    turns: Turns,
    /// Pictures that are still to be sent, for alerts that were delivered without.
    late: JoinSet<()>,
    /// Until when free places are gathered, since the last look found as many alerts due as there was room for.
    gather_until: Option<Instant>,
    /// When the leases of what is under way were last renewed.
    renewed: Option<Instant>,
    /// When dead letters that are too old were last removed.
    trimmed: Option<Instant>,
    /// Until when no digest is made, since one was refused.
    one_by_one_until: Option<Instant>,
    /// Until when the recipient's pace allows no message.
    paused_until: Option<Instant>,
}

impl Dispatcher {
    /// A task that makes `attempts`, woken by `wake`.
    pub(crate) fn new(attempts: Attempts, wake: Arc<Notify>) -> Self {
        Self {
            attempts,
            wake,
            standing: Standing::default(),
            under_way: UnderWay::new(),
            running: JoinSet::new(),
            held: HashMap::new(),
            turns: Turns::default(),
            late: JoinSet::new(),
            gather_until: None,
            renewed: None,
            trimmed: None,
            one_by_one_until: None,
            paused_until: None,
        }
    }

    /// Delivers until `stop`, then finishes what is under way.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let overrun = async {
            stop.cancelled().await;
            sleep(FINISH).await;
        };
        let deliver = async {
            self.open(&stop).await;
            self.deliver(&stop).await;
            while !self.running.is_empty() {
                self.renew().await;
                tokio::select! {
                    Some(ended) = self.running.join_next_with_id() => self.note(ended),
                    () = sleep(RENEW_EVERY) => {}
                }
            }
        };
        tokio::select! {
            () = deliver => {}
            () = overrun => {}
        }
    }

    /// Learns what earlier processes found out about the recipient.
    async fn open(&mut self, stop: &CancellationToken) {
        let name = self.attempts.recipient.name().to_owned();
        let (mut delays, mut tries) = (backoff::redis(), Trouble::new("open the queue").tries());
        while !stop.is_cancelled() {
            match self.try_open().await {
                Ok(Opened::Enabled) => return,
                Ok(Opened::EnabledAgain) => {
                    tracing::info!(
                        recipient = name,
                        "{name} is enabled again: nothing disables it as it is configured now"
                    );
                    return;
                }
                Ok(Opened::Disabled(reason)) => {
                    self.standing.disabled(&name, &reason);
                    return;
                }
                Err(error) => {
                    tries.failed(&name, &error);
                    pause(delays.next(), stop).await;
                }
            }
        }
    }

    async fn try_open(&self) -> Result<Opened, RedisError> {
        if let Channel::Telegram(telegram) = &self.attempts.recipient.channel
            && let Some(chat) = self.attempts.queue.moved_chat(telegram.configured_chat()).await?
        {
            telegram.move_to(chat);
        }
        self.attempts.queue.open().await
    }

    async fn deliver(&mut self, stop: &CancellationToken) {
        let trouble = Trouble::new("take alerts from the queue");
        let (mut delays, mut tries) = (backoff::redis(), trouble.tries());
        while !stop.is_cancelled() {
            let look_in = match self.turn().await {
                Ok(look_in) => {
                    (delays, tries) = (backoff::redis(), trouble.tries());
                    look_in
                }
                Err(error) => {
                    tries.failed(self.attempts.recipient.name(), &error);
                    delays.next().unwrap_or(LOOK_EVERY)
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(ended) = self.running.join_next_with_id() => self.note(ended),
                () = self.wake.notified() => {}
                () = sleep(look_in) => {}
            }
        }
    }

    /// Does what is to be done now. Answers when to look again.
    async fn turn(&mut self) -> Result<Duration, RedisError> {
        if self.trimmed.is_none_or(|at| at.elapsed() > TRIM_EVERY) {
            self.trimmed = Some(Instant::now());
            // No alert waits for that: where it can't be done now, it is next time.
            if let Err(error) = self.attempts.queue.trim_dead().await {
                tracing::debug!("dead letters are not trimmed: {}", describe(&error));
            }
        }
        if self.renewed.is_none_or(|at| at.elapsed() >= RENEW_EVERY) {
            self.renew().await;
        }
        self.start_due().await
    }

    /// Holds on to what is under way. Should that fail, the jobs are taken again once their leases are over: by this
    /// notifier, which then sees that they are under way, or by another one.
    async fn renew(&mut self) {
        self.renewed = Some(Instant::now());
        if self.under_way.is_empty() {
            return;
        }
        if let Err(error) = self.attempts.queue.renew(&self.under_way, self.attempts.recipient.concurrency() == 1).await
        {
            tracing::debug!("leases are not renewed: {}", describe(&error));
        }
    }

    /// Starts attempts for due jobs, as many as may run. Answers when to look again.
    async fn start_due(&mut self) -> Result<Duration, RedisError> {
        // All that have ended are noted before more is taken: one look then refills many places.
        while let Some(ended) = self.running.try_join_next_with_id() {
            self.note(ended);
        }
        if self.running.is_empty() {
            self.turns.clear();
        }
        let now = UnixMillis::now();
        let recipient = &self.attempts.recipient;
        let held = recipient.held_until(now).map(|until| until.since(now));
        let paused = self.paused_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = held.max(paused).filter(|wait| !wait.is_zero()) {
            return Ok(wait.min(LOOK_EVERY));
        }
        let concurrency = recipient.concurrency();
        let free = concurrency.saturating_sub(self.running.len());
        if free == 0 {
            return Ok(LOOK_EVERY);
        }
        // In a backlog half of the places are filled at once, if they get free soon: each look costs Redis as much as
        // an alert.
        let patience = self.gather_until.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(patience) = patience.filter(|patience| free < concurrency / 2 && !patience.is_zero()) {
            return Ok(patience);
        }
        let is_digestible = self.one_by_one_until.is_none_or(|until| until <= Instant::now());
        let digest_over = recipient.digest_over(now).filter(|_| is_digestible);
        let wanted = Wanted { count: free, digest_over, is_exclusive: concurrency == 1 };
        let batch = self.attempts.queue.take(wanted, &self.under_way).await?;
        if batch.gone > 0 {
            let name = self.attempts.recipient.name();
            tracing::error!(
                recipient = name,
                "{name}: {} queued alerts are gone from Redis: was it told to evict?",
                batch.gone
            );
        }
        let next_due = batch.next_due;
        self.gather_until = (batch.jobs.len() == free).then(|| Instant::now() + GATHER);
        self.start(batch);
        Ok(next_due.unwrap_or(LOOK_EVERY).min(LOOK_EVERY))
    }

    fn start(&mut self, batch: Batch) {
        let Batch { jobs, is_disabled, is_digest, .. } = batch;
        if jobs.is_empty() {
            return;
        }
        for job in &jobs {
            let series = job.signal.as_ref().ok().map(|signal| signal.series.clone());
            self.under_way.insert(job.id.clone(), Held { token: job.token, series });
        }
        if is_digest {
            let ids = jobs.iter().map(|job| job.id.clone()).collect();
            let task = self.running.spawn(self.attempts.clone().run(jobs, is_disabled));
            self.held.insert(task.id(), ids);
            return;
        }
        for job in jobs {
            let mut turn = self.turns.next(job.signal.as_ref().ok().map(|signal| &signal.series));
            let (attempts, ids) = (self.attempts.clone(), vec![job.id.clone()]);
            let task = self.running.spawn(async move {
                turn.wait(TURN).await;
                attempts.run(vec![job], is_disabled).await
            });
            self.held.insert(task.id(), ids);
        }
    }

    fn note(&mut self, ended: Result<(Id, Outcome), JoinError>) {
        let held = self.held.remove(&ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id)).unwrap_or_default();
        let Ok((_, Outcome { reports, pause, late, digest_refused })) = ended else {
            // It panicked, which its own line tells. Its jobs are taken again after their leases.
            for id in held {
                self.under_way.remove(&id);
            }
            return;
        };
        let now = Instant::now();
        if !pause.is_zero() {
            self.paused_until = self.paused_until.max(Some(now + pause));
        }
        if digest_refused {
            self.one_by_one_until = Some(now + ONE_BY_ONE);
        }
        while self.late.try_join_next().is_some() {}
        if let Some(late) = late.filter(|_| self.late.len() < LATE_AT_ONCE) {
            self.late.spawn(self.attempts.clone().send_late(late));
        }
        for report in reports {
            // It may have been taken again already.
            if self.under_way.get(&report.id).is_some_and(|held| held.token == report.token) {
                self.under_way.remove(&report.id);
            }
            self.standing.note(self.attempts.recipient.name(), &report, now);
        }
    }
}

async fn pause(delay: Option<Duration>, stop: &CancellationToken) {
    tokio::select! {
        () = sleep(delay.unwrap_or(LOOK_EVERY)) => {}
        () = stop.cancelled() => {}
    }
}
