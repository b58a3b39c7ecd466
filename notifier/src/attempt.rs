//! One attempt: from a job that was taken to a job that is settled.
//!
//! Owns the order of things: too old, disabled, deliver, decide, settle. The settlement is tried until
//! Redis takes it; should the process end before, the lease ends and the job is taken again.

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::backoff;
use candlewire_common::config::MaxAge;
use candlewire_common::connection::describe;
use candlewire_common::time::UnixMillis;
use redis::RedisError;
use tokio::time::{Instant, sleep};

use crate::alert::Alert;
use crate::channel::{Channel, Message};
use crate::failure::{DeliverError, Next};
use crate::ledger::Ledger;
use crate::queue::{Job, Queue, Settlement};
use crate::recipient::Recipient;
use crate::schedule::Schedule;
use crate::trouble::Trouble;

/// How long an alert that never gets too old waits while its recipient is disabled, before it is
/// looked at again.
const HELD: Duration = Duration::from_hours(1);

/// What makes attempts for one recipient.
#[derive(Clone)]
pub(crate) struct Attempts {
    /// Who is told.
    pub(crate) recipient: Arc<Recipient>,
    /// Where the jobs are.
    pub(crate) queue: Queue,
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

/// How an attempt ended.
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

impl Attempts {
    /// Brings a job one step further. Cancelled half-way, the job is taken again after its lease.
    pub(crate) async fn run(self, job: Job, is_disabled: bool) -> Report {
        let (settlement, refusal) = self.outcome(&job, is_disabled).await;
        let (mut delays, mut tries) = (backoff::redis(), self.trouble.tries());
        loop {
            match self.queue.settle(&job, &settlement).await {
                // What somebody else settled meanwhile is counted there.
                Ok(is_ours) => {
                    if is_ours {
                        self.ledger.settled(&settlement);
                    }
                    return Report { id: job.id, token: job.token, settlement, refusal };
                }
                Err(error) => {
                    tries.failed(self.recipient.name(), &error);
                    sleep(delays.next().unwrap_or(HELD)).await;
                }
            }
        }
    }

    async fn outcome(&self, job: &Job, is_disabled: bool) -> (Settlement, Option<String>) {
        let signal = match &job.signal {
            Ok(signal) => signal,
            Err(error) => {
                let answer = format!("the stored alert is unreadable: {error}");
                return (Settlement::Dead { answer, attempts: job.attempts, disables: false }, None);
            }
        };
        let limit = self.max_age.limit(signal.series.timeframe());
        let age = UnixMillis::now().since(signal.close_time());
        if limit.is_some_and(|limit| age > limit) {
            return (Settlement::Expired, None);
        }
        if is_disabled {
            // It waits for the configuration to change, until it is too old. One millisecond more, so
            // that it is too old then.
            let delay = limit.map_or(HELD, |limit| limit.saturating_sub(age) + Duration::from_millis(1));
            return (Settlement::Again { delay, attempts: job.attempts, in_doubt: job.in_doubt }, None);
        }
        let alert = Alert::of(signal.clone());
        let began = Instant::now();
        let message = Message { alert: &alert, may_repeat: job.in_doubt };
        let outcome = self.recipient.channel.deliver(message, self.timeout).await;
        self.ledger.attempted(&outcome, began.elapsed());
        match outcome {
            Ok(()) => {
                self.ledger.accepted(signal);
                tracing::debug!(recipient = self.recipient.name(), "delivered {} to {}", job.id, self.recipient.name());
                (Settlement::Delivered, None)
            }
            Err(error) => self.after(job, &error).await,
        }
    }

    async fn after(&self, job: &Job, error: &DeliverError) -> (Settlement, Option<String>) {
        let answer = error.to_string();
        tracing::debug!(recipient = self.recipient.name(), "{} not delivered: {answer}", job.id);
        if let DeliverError::Moved { chat_id, .. } = error {
            self.move_chat(*chat_id).await;
        }
        let made = job.attempts + 1;
        let in_doubt = job.in_doubt || error.is_in_doubt();
        let settlement = match error.next(made, &self.schedule) {
            Next::Retry(delay) => Settlement::Again { delay, attempts: made, in_doubt },
            Next::Wait(delay) => {
                return (Settlement::Again { delay, attempts: job.attempts, in_doubt: job.in_doubt }, None);
            }
            Next::GiveUp => Settlement::Dead { answer: answer.clone(), attempts: made, disables: false },
            Next::Disable => Settlement::Dead { answer: answer.clone(), attempts: made, disables: true },
        };
        (settlement, Some(answer))
    }

    /// Follows a chat to its new id. Should Redis not take it now, Telegram will say it again.
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
}
