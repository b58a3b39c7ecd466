//! `notifier run`: the intake and one task for each recipient, for as long as the process lives.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::cli::GlobalArgs;
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::health::Health;
use candlewire_common::metrics::{self, Process, RedisMetrics};
use candlewire_common::server::Server;
use candlewire_common::{meta, shutdown, watchdog};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::attempt::Attempts;
use crate::dispatcher::Dispatcher;
use crate::gauges;
use crate::intake::{Intake, Listener, Reader};
use crate::ledger::Ledger;
use crate::link::Link;
use crate::queue::{Enqueue, Queue, QueueKeys};
use crate::recipient::{Recipient, Surroundings};
use crate::schedule::Schedule;
use crate::trouble::Trouble;

/// How much longer than an attempt its lease lasts: settling it takes time, too.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Delivers signals until SIGTERM or ctrl-c.
///
/// # Errors
///
/// [`Fault::Usage`] for what can't work as configured; otherwise a task's fault.
pub(crate) async fn run(args: &GlobalArgs) -> Result<Outcome> {
    let mut config = args.load()?;
    if config.recipients.is_empty() {
        return Err(Fault::Usage(
            "no recipients: the configuration needs at least one [[recipients]] table".to_owned(),
        )
        .into());
    }
    let page = metrics::install(Process::Notifier)?;
    let mut surroundings = Surroundings::default();
    let recipients = std::mem::take(&mut config.recipients).into_iter();
    let recipients = recipients.map(|recipient| Recipient::open(recipient, &mut surroundings).map(Arc::new));
    let recipients: Vec<Arc<Recipient>> = recipients.collect::<Result<_, Fault>>()?;
    let target = RedisTarget::new(&config.redis)?;
    let bound = Server::bind(args.http.unwrap_or(config.http.notifier)).await?;

    let (health, redis) = (Health::default(), RedisMetrics::new());
    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let serve = bound.serve(page, health.clone(), stop.clone());
    tasks.spawn(async { serve.await.context("serve metrics") });
    let watch = watchdog::run(target.clone(), health, redis.clone(), stop.clone());
    tasks.spawn(async {
        watch.await;
        Ok(())
    });
    let service = Service { config, target, redis, recipients, stop: stop.clone() };
    tasks.spawn(service.run());
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    Ok(Outcome::Done)
}

/// What delivers, once everything it needs is there.
struct Service {
    config: Config,
    target: RedisTarget,
    redis: RedisMetrics,
    recipients: Vec<Arc<Recipient>>,
    stop: CancellationToken,
}

impl Service {
    async fn run(self) -> Result<()> {
        let mut tasks = JoinSet::new();
        let (readers, dispatchers) = self.parts(&mut tasks);
        tokio::select! {
            agreed = meta::wait(&self.target, &self.config.redis, &self.redis) => agreed?,
            () = self.stop.cancelled() => return Ok(()),
        }
        tracing::info!("delivering to {}", self.names());
        for dispatcher in dispatchers {
            tasks.spawn(dispatcher.run(self.stop.clone()));
        }
        for reader in readers {
            tasks.spawn(reader.run(self.stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.context("a task of the notifier panicked")?;
        }
        Ok(())
    }

    /// Builds everything, so that each metric is there at zero before Redis answers. The gauges' task
    /// starts at once.
    fn parts(&self, tasks: &mut JoinSet<()>) -> (Vec<Reader>, Vec<Dispatcher>) {
        let link = Arc::new(Link::new(self.target.clone(), self.config.redis.keys.delivery(""), self.redis.clone()));
        let keys = QueueKeys::new(self.config.redis.keys.clone());
        let delivery = &self.config.delivery;
        let streams = self.config.streams;
        let schedule = Schedule::new(delivery.schedule.clone());
        let enqueue = Enqueue::new(keys.clone(), schedule.clone(), streams.signals);
        let mut ledgers: HashMap<&'static str, Ledger> = HashMap::new();
        let mut listeners: Vec<Listener> = Vec::with_capacity(self.recipients.len());
        let mut dispatchers = Vec::with_capacity(self.recipients.len());
        for recipient in &self.recipients {
            let kind = recipient.channel.kind();
            let lease = delivery.timeout + LEASE_MARGIN;
            let attempts = Attempts {
                recipient: Arc::clone(recipient),
                queue: Queue::new(keys.clone(), Arc::clone(&link), recipient, lease, streams.dead),
                schedule: schedule.clone(),
                timeout: delivery.timeout,
                max_age: delivery.max_age,
                ledger: ledgers.entry(kind).or_insert_with(|| Ledger::new(kind)).clone(),
                trouble: Trouble::new("settle alerts"),
            };
            let wake = Arc::new(Notify::new());
            listeners.push((Arc::clone(recipient), Arc::clone(&wake)));
            dispatchers.push(Dispatcher::new(attempts, wake));
        }
        tasks.spawn(gauges::run(self.recipients.clone(), keys, link, self.stop.clone()));
        let intake = Intake::new(&self.config.redis, self.target.clone(), self.redis.clone(), listeners, enqueue);
        (intake.readers(&self.config.redis), dispatchers)
    }

    fn names(&self) -> String {
        let names: Vec<String> = self
            .recipients
            .iter()
            .map(|recipient| format!("{} ({})", recipient.name(), recipient.channel.kind()))
            .collect();
        names.join(", ")
    }
}
