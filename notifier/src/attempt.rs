//! One attempt: from jobs that were taken, one or those of a digest, to jobs that are settled.
//!
//! Owns the order of things: too old, disabled, pace, deliver, decide, settle. The settlement is tried until
//! Redis takes it; should the process end before, the lease ends and the job is taken again.

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::backoff;
use candlewire_common::config::{MaxAge, QuietManner};
use candlewire_common::connection::describe;
use candlewire_common::log_step;
use candlewire_common::signal::Signal;
use candlewire_common::time::UnixMillis;
use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};

use crate::alert::Alert;
use crate::channel::{Channel, LatePicture};
use crate::failure::{DeliverError, Next};
use crate::http::Deadline;
use crate::ledger::Ledger;
use crate::message::{Content, Message, Picture};
use crate::queue::{Experience, Job, Pace, Permit, Queue, Settlement};
use crate::recipient::Recipient;
use crate::schedule::Schedule;
use crate::trouble::Trouble;

/// How long an alert that never gets too old waits while its recipient is disabled, before it is
/// looked at again.
const HELD: Duration = Duration::from_hours(1);
/// How long to wait where Redis does not answer what it was asked.
const UNANSWERED: Duration = Duration::from_secs(1);

/// What makes attempts for one recipient.
#[derive(Clone)]
pub(crate) struct Attempts {
    /// Who is told.
    pub(crate) recipient: Arc<Recipient>,
    /// Where the jobs are.
    pub(crate) queue: Queue,
    /// How fast it may be told; `None`: at any pace.
    pub(crate) pace: Option<Pace>,
    /// When to try again.
    pub(crate) schedule: Schedule,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// From when on an alert is not sent.
    pub(crate) max_age: MaxAge,
    /// What is counted.
    pub(crate) ledger: Ledger,
    /// What keeps settlements waiting.
    pub(crate) trouble: Trouble,
}

/// How an attempt ended for one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The job's id.
    pub(crate) id: String,
    /// What it was held with.
    pub(crate) token: u64,
    /// What became of the job.
    pub(crate) settlement: Settlement,
    /// What the recipient answered, where it was asked and did not accept.
    pub(crate) refusal: Option<String>,
}

/// What comes of an attempt.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How it ended for each job.
    pub(crate) reports: Vec<Report>,
    /// How long nothing more may be sent.
    pub(crate) pause: Duration,
    /// A picture that is still to be sent.
    pub(crate) late: Option<LatePicture>,
    /// Whether a digest was refused: which of its alerts is to blame is unknown.
    pub(crate) digest_refused: bool,
}

/// How long a picture that is late is tried for.
const LATE_MAX: Duration = Duration::from_secs(30);

/// A job and what is to become of it.
struct Decided {
    job: Job,
    settlement: Settlement,
    experience: Experience,
    refusal: Option<String>,
}

impl Decided {
    fn silently(job: Job, settlement: Settlement) -> Self {
        Self { job, settlement, experience: Experience::Nothing, refusal: None }
    }
}

impl Attempts {
    /// Brings jobs one step further, all that are to be sent in one message. Cancelled half-way, they are taken again
    /// after their lease.
    pub(crate) async fn run(self, jobs: Vec<Job>, is_disabled: bool) -> Outcome {
        let (mut decided, mut waiting) = (Vec::new(), Vec::new());
        for job in jobs {
            match self.before(&job, is_disabled) {
                Some(settlement) => decided.push(Decided::silently(job, settlement)),
                None => waiting.push(job),
            }
        }
        let mut outcome = Outcome::default();
        if !waiting.is_empty() {
            decided.extend(self.send(waiting, &mut outcome).await);
        }
        for decided in decided {
            outcome.reports.push(self.settle(decided).await);
        }
        outcome
    }

    /// Sends a picture that is late, if that can be done soon. The alert itself has been delivered, so nothing is lost
    /// where it can't.
    pub(crate) async fn send_late(self, late: LatePicture) {
        let Channel::Telegram(telegram) = &self.recipient.channel else { return };
        let sent = async {
            let png = telegram.draw(&late).await.map_err(|error| error.to_string())?;
            while let Permit::Wait(wait) = self.permit().await {
                sleep(wait).await;
            }
            let sent = telegram.send_late(&late, &png, Deadline::after(self.timeout)).await;
            sent.map_err(|error| error.to_string())
        };
        let name = self.recipient.name();
        match timeout(LATE_MAX, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(recipient = name, "a late picture is not sent: {error}"),
            Err(_) => tracing::debug!(recipient = name, "a late picture is not sent: it took longer than {LATE_MAX:?}"),
        }
    }

    /// What becomes of a job without an attempt; `None`: one is to be made.
    fn before(&self, job: &Job, is_disabled: bool) -> Option<Settlement> {
        let signal = match &job.signal {
            Ok(signal) => signal,
            Err(error) => {
                let answer = format!("the stored alert is unreadable: {error}");
                let (attempts, in_doubt) = (job.attempts, job.in_doubt);
                return Some(Settlement::Dead { answer, attempts, in_doubt, disables: false });
            }
        };
        // What somebody asked for is sent however old it is.
        let limit = self.max_age.limit(signal.series.timeframe()).filter(|_| !job.is_redriven);
        let age = self.age(signal, UnixMillis::now());
        if limit.is_some_and(|limit| age > limit) {
            return Some(Settlement::Expired);
        }
        // It waits for somebody to enable the recipient, until it is too old. One millisecond more, so that it is too
        // old then.
        let delay = limit.map_or(HELD, |limit| limit.saturating_sub(age) + Duration::from_millis(1)).min(HELD);
        let again = Settlement::Again { delay, attempts: job.attempts, in_doubt: job.in_doubt };
        is_disabled.then_some(again)
    }

    /// How long ago the signal's candle closed. The hours in which its recipient had it held do not count.
    fn age(&self, signal: &Signal, now: UnixMillis) -> Duration {
        let close = signal.close_time();
        let quiet = self.recipient.quiet().filter(|quiet| quiet.manner != QuietManner::Silent);
        now.since(close).saturating_sub(quiet.map_or(Duration::ZERO, |quiet| quiet.within(close, now)))
    }

    /// Makes the attempt.
    async fn send(&self, mut jobs: Vec<Job>, outcome: &mut Outcome) -> Vec<Decided> {
        jobs.sort_by_key(|job| job.signal.as_ref().ok().map(|signal| (signal.close_time(), signal.emitted_us)));
        let mut alerts: Vec<Alert> =
            jobs.iter().filter_map(|job| job.signal.as_ref().ok()).cloned().map(Alert::of).collect();
        // What a digest has no room for keeps its place.
        let told = self.recipient.channel.digestible(&alerts, &self.recipient.wording);
        alerts.truncate(told);
        let left: Vec<Job> = jobs.drain(told.min(jobs.len())..).collect();
        let mut decided: Vec<Decided> = left.into_iter().map(|job| Decided::silently(job, Settlement::Back)).collect();
        // A repetition does without: the picture may have been what failed.
        let is_first = jobs.iter().all(|job| !job.in_doubt);
        let picture = match alerts.as_slice() {
            [alert] if is_first => self.recipient.channel.picture(&alert.signal).await,
            _ => Picture::Absent,
        };
        // Asked for last, so that nothing lies between the permit and the message.
        match self.permit().await {
            Permit::Given { next_in } => outcome.pause = next_in,
            Permit::Wait(wait) => {
                outcome.pause = wait;
                decided.extend(jobs.into_iter().map(|job| Decided::silently(job, Settlement::Back)));
                return decided;
            }
        }
        let content = match alerts.as_slice() {
            [alert] => Content::One(alert),
            alerts => Content::Digest(alerts),
        };
        let message = Message {
            content,
            wording: &self.recipient.wording,
            may_repeat: jobs.iter().any(|job| job.in_doubt),
            is_silent: self.recipient.is_silent(UnixMillis::now()),
            picture: &picture,
        };
        let began = Instant::now();
        let delivered = self.recipient.channel.deliver(&message, self.timeout).await;
        self.ledger.attempted(delivered.as_ref().err(), began.elapsed());
        let error = match delivered {
            Ok(late) => {
                outcome.late = late;
                for alert in &alerts {
                    self.ledger.accepted(&alert.signal);
                }
                let name = self.recipient.name();
                for signal in alerts.iter().map(|alert| &alert.signal) {
                    let (id, series) = (&signal.id, &signal.series);
                    log_step!(signal.origin, signal.id = %id, recipient = name, series = %series, "{id} is delivered to {name}");
                }
                let mut experience = Experience::Accepted;
                decided.extend(jobs.into_iter().map(|job| Decided {
                    experience: std::mem::replace(&mut experience, Experience::Nothing),
                    ..Decided::silently(job, Settlement::Delivered)
                }));
                return decided;
            }
            Err(error) => error,
        };
        self.heed(&error, outcome).await;
        outcome.digest_refused = jobs.len() > 1 && !error.is_retryable();
        let mut experience = if error.is_retryable() {
            Experience::Failed(error.to_string())
        } else {
            Experience::Refused(error.to_string())
        };
        let is_digest = jobs.len() > 1;
        for job in jobs {
            let experience = std::mem::replace(&mut experience, Experience::Nothing);
            decided.push(self.after(job, &error, is_digest, experience));
        }
        decided
    }

    /// Whether a message may be sent now.
    async fn permit(&self) -> Permit {
        let Some(pace) = &self.pace else { return Permit::Given { next_in: Duration::ZERO } };
        pace.take().await.unwrap_or(Permit::Wait(UNANSWERED))
    }

    fn after(&self, job: Job, error: &DeliverError, is_digest: bool, experience: Experience) -> Decided {
        let answer = error.to_string();
        let (id, name) = (&job.id, self.recipient.name());
        tracing::debug!(signal.id = %id, recipient = name, "{id} is not delivered to {name}: {answer}");
        let attempts = job.attempts + 1;
        let in_doubt = job.in_doubt || error.is_in_doubt();
        // The others of a digest may be welcome.
        let error = match error {
            DeliverError::Rejected(text) if is_digest => {
                &DeliverError::Answered { status: 400, retry_after: None, text: text.clone() }
            }
            error => error,
        };
        let dead = |disables| Settlement::Dead { answer: answer.clone(), attempts, in_doubt, disables };
        let settlement = match error.next(attempts, &self.schedule) {
            Next::Retry(delay) => Settlement::Again { delay, attempts, in_doubt },
            Next::Wait(delay) => {
                let settlement = Settlement::Again { delay, attempts: job.attempts, in_doubt: job.in_doubt };
                return Decided::silently(job, settlement);
            }
            Next::GiveUp => dead(false),
            Next::Disable => dead(true),
        };
        Decided { job, settlement, experience, refusal: Some(answer) }
    }

    /// Does what an answer asks for beyond the alert: follows a chat, leaves a way alone. Should Redis not take it now,
    /// the recipient will say it again.
    async fn heed(&self, error: &DeliverError, outcome: &mut Outcome) {
        match (error, &self.pace) {
            (DeliverError::Moved { chat_id, .. }, _) => self.move_chat(*chat_id).await,
            (DeliverError::Answered { status: 429, retry_after: Some(wait), .. }, Some(pace)) => {
                outcome.pause = outcome.pause.max(*wait);
                if let Err(error) = pace.close(*wait).await {
                    tracing::debug!("a wait of {wait:?} is not noted: {}", describe(&error));
                }
            }
            _ => {}
        }
    }

    async fn move_chat(&self, chat_id: i64) {
        let Channel::Telegram(telegram) = &self.recipient.channel else { return };
        let name = self.recipient.name();
        telegram.move_to(chat_id.to_string());
        let stored: Result<(), RedisError> =
            self.queue.move_chat(telegram.configured_chat(), &chat_id.to_string()).await;
        match stored {
            Ok(()) => tracing::warn!(recipient = name, "{name}: the chat has moved; configure chat_id = {chat_id}"),
            Err(error) => {
                tracing::warn!(recipient = name, "{name}: the chat has moved to {chat_id}: {}", describe(&error));
            }
        }
    }

    async fn settle(&self, decided: Decided) -> Report {
        let Decided { job, settlement, experience, refusal } = decided;
        let (mut delays, mut tries) = (backoff::redis(), self.trouble.tries());
        loop {
            match self.queue.settle(&job, &settlement, &experience).await {
                // What somebody else settled meanwhile is counted there.
                Ok(is_ours) => {
                    if is_ours {
                        self.ledger.settled(&settlement);
                    }
                    return Report { id: job.id, token: job.token, settlement, refusal };
                }
                Err(error) => {
                    tries.failed(self.recipient.name(), &error);
                    sleep(delays.next().unwrap_or(UNANSWERED)).await;
                }
            }
        }
    }
}
