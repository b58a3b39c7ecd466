//! The deliveries: one task for each recipient of the roster.
//!
//! Owns these tasks and what becomes of them when the roster changes. A recipient that stays as it was keeps its task,
//! and all keep their queues. One that changed gets another, which begins when the former has finished what it had
//! under way.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::config::StreamsConfig;
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::attempt::Attempts;
use crate::audience::{Audience, Follow, Listener};
use crate::dispatcher::Dispatcher;
use crate::ledger::Ledger;
use crate::link::Link;
use crate::minute::Totals;
use crate::queue::{Breaker, Enqueue, Queue, QueueKeys, Terms};
use crate::recipient::Recipient;
use crate::roster::Roster;
use crate::schedule::Schedule;
use crate::trouble::Trouble;

/// How long a job is held before that is to be renewed: as long as one whose notifier died, or that was taken by a command
/// whose answer was lost, has to wait.
const LEASE: Duration = Duration::from_secs(5);

/// The tasks of all recipients.
pub(crate) struct Deliveries {
    keys: QueueKeys,
    link: Arc<Link>,
    streams: StreamsConfig,
    /// Tells this process from other notifiers.
    holder: String,
    ledgers: HashMap<&'static str, Ledger>,
    totals: Totals,
    running: HashMap<String, Running>,
    /// Who delivers to a recipient now: held by its task to its end, so that the next one waits.
    turns: HashMap<String, Arc<Mutex<()>>>,
    tasks: JoinSet<()>,
    audience: watch::Sender<Arc<Audience>>,
    /// Cancelled once deliveries may begin.
    begin: CancellationToken,
    stop: CancellationToken,
}

/// One recipient's task.
struct Running {
    recipient: Arc<Recipient>,
    terms: String,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

/// What another roster changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    kept: usize,
    changed: usize,
    added: usize,
    removed: usize,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, changed, added, removed } = self;
        write!(f, "{kept} as before, {changed} changed, {added} new, {removed} gone")
    }
}

impl Deliveries {
    /// Prepares the tasks for a roster; they wait until [`Deliveries::begin`]. All counters are there at once.
    pub(crate) fn new(
        roster: &Roster,
        keys: QueueKeys,
        link: Arc<Link>,
        streams: StreamsConfig,
        stop: CancellationToken,
    ) -> Self {
        let enqueue = Enqueue::new(keys.clone(), Schedule::new(roster.delivery.schedule.clone()), streams.signals);
        let nobody = Arc::new(Audience { listeners: Vec::new(), enqueue });
        let mut deliveries = Self {
            keys,
            link,
            streams,
            holder: Uuid::new_v4().simple().to_string(),
            ledgers: HashMap::new(),
            totals: Totals::default(),
            running: HashMap::new(),
            turns: HashMap::new(),
            tasks: JoinSet::new(),
            audience: watch::Sender::new(nobody),
            begin: CancellationToken::new(),
            stop,
        };
        deliveries.apply(roster);
        deliveries
    }

    /// Follows who is told.
    pub(crate) fn follow(&self) -> Follow {
        self.audience.subscribe()
    }

    /// What becomes of all alerts.
    pub(crate) fn totals(&self) -> Totals {
        self.totals.clone()
    }

    /// Who is told, as a log line names them.
    pub(crate) fn names(&self) -> String {
        let audience = self.audience.borrow();
        let name =
            |Listener { recipient, .. }: &Listener| format!("{} ({})", recipient.name(), recipient.channel.kind());
        audience.listeners.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Lets deliveries begin.
    pub(crate) fn begin(&self) {
        self.begin.cancel();
    }

    /// Tells this roster from now on.
    pub(crate) fn apply(&mut self, roster: &Roster) -> Change {
        let mut change = Change::default();
        let mut former = std::mem::take(&mut self.running);
        let mut listeners = Vec::with_capacity(roster.recipients.len());
        for recipient in &roster.recipients {
            let name = recipient.name();
            let running = match former.remove(name) {
                Some(same) if same.recipient.fingerprint == recipient.fingerprint && same.terms == roster.terms => {
                    change.kept += 1;
                    same
                }
                Some(other) => {
                    change.changed += 1;
                    other.stop.cancel();
                    self.start(recipient, roster)
                }
                None => {
                    change.added += 1;
                    self.start(recipient, roster)
                }
            };
            let listener = Listener { recipient: Arc::clone(&running.recipient), wake: Arc::clone(&running.wake) };
            listeners.push(listener);
            self.running.insert(name.to_owned(), running);
        }
        change.removed = former.len();
        for gone in former.into_values() {
            gone.stop.cancel();
        }
        let schedule = Schedule::new(roster.delivery.schedule.clone());
        let enqueue = Enqueue::new(self.keys.clone(), schedule, self.streams.signals);
        self.audience.send_replace(Arc::new(Audience { listeners, enqueue }));
        change
    }

    /// Waits until a task ends, which it does by itself only when its recipient is gone. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> Option<Result<(), JoinError>> {
        self.tasks.join_next().await
    }

    fn start(&mut self, recipient: &Arc<Recipient>, roster: &Roster) -> Running {
        let wake = Arc::new(Notify::new());
        let dispatcher = Dispatcher::new(self.attempts(recipient, roster), Arc::clone(&wake));
        let turn = Arc::clone(self.turns.entry(recipient.name().to_owned()).or_default());
        let (stop, begin) = (self.stop.child_token(), self.begin.clone());
        let token = stop.clone();
        self.tasks.spawn(async move {
            let begin = async {
                let turn = turn.lock_owned().await;
                begin.cancelled().await;
                turn
            };
            tokio::select! {
                _turn = begin => dispatcher.run(token).await,
                () = token.cancelled() => {}
            }
        });
        Running { recipient: Arc::clone(recipient), terms: roster.terms.clone(), wake, stop }
    }

    fn attempts(&mut self, recipient: &Arc<Recipient>, roster: &Roster) -> Attempts {
        let delivery = &roster.delivery;
        let terms = Terms { lease: LEASE, dead_retention: self.streams.dead, breaker: Breaker::default() };
        let queue = Queue::new(self.keys.clone(), Arc::clone(&self.link), recipient, self.holder.clone(), terms);
        let kind = recipient.channel.kind();
        Attempts {
            recipient: Arc::clone(recipient),
            pace: queue.pace(&recipient.windows),
            queue,
            schedule: Schedule::new(delivery.schedule.clone()),
            timeout: delivery.timeout,
            max_age: delivery.max_age,
            ledger: self.ledgers.entry(kind).or_insert_with(|| Ledger::new(kind, self.totals.clone())).clone(),
            trouble: Trouble::new("settle alerts"),
        }
    }
}
