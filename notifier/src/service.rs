//! `notifier run`: the intake and one task for each recipient, for as long as the process lives.

use std::sync::Arc;

use anyhow::{Context, Result};
use candlewire_common::census::Census;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::config::{RedisConfig, StreamsConfig};
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::Outcome;
use candlewire_common::health::Health;
use candlewire_common::metrics::{self, Process, RedisMetrics};
use candlewire_common::server::Server;
use candlewire_common::{meta, minute, shutdown, watchdog};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::deliveries::Deliveries;
use crate::gauges;
use crate::intake::Intake;
use crate::link::Link;
use crate::queue::QueueKeys;
use crate::recipient::Surroundings;
use crate::reload::Reload;
use crate::roster::Roster;

/// Delivers signals until SIGTERM or ctrl-c.
///
/// # Errors
///
/// [`Fault::Usage`](candlewire_common::exit::Fault::Usage) for what can't work as configured; otherwise a task's
/// fault.
pub(crate) async fn run(args: &GlobalArgs) -> Result<Outcome> {
    // Before anything is said: a SIGHUP that nobody listens for ends a process.
    let hangups = signal(SignalKind::hangup()).context("listen to SIGHUP")?;
    let mut config = args.load()?;
    let page = metrics::install(Process::Notifier)?;
    let mut surroundings = Surroundings::default();
    let redis_config = config.redis.clone();
    let roster = Roster::open(&mut config, &redis_config, &mut surroundings)?;
    let target = RedisTarget::new(&config.redis)?;
    let bound = Server::bind(args.http.unwrap_or(config.http.notifier)).await?;

    let (health, redis) = (Health::default(), RedisMetrics::new());
    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let (rosters, reloaded) = mpsc::channel(1);
    let reload = Reload::new(hangups, args.clone(), redis_config, surroundings, rosters);
    tasks.spawn(reload.run(stop.clone()));
    let serve = bound.serve(page, health.clone(), stop.clone());
    tasks.spawn(async { serve.await.context("serve metrics") });
    let census = Census::new(target.clone(), &config.redis, redis.clone());
    let watch = watchdog::run(target.clone(), census, health, redis.clone(), stop.clone());
    tasks.spawn(async {
        watch.await;
        Ok(())
    });
    let (streams, config) = (config.streams, config.redis);
    let service = Service { config, streams, target, redis, reloaded, stop: stop.clone() };
    tasks.spawn(service.run(roster));
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    Ok(Outcome::Done)
}

/// What delivers, once everything it needs is there.
struct Service {
    config: RedisConfig,
    streams: StreamsConfig,
    target: RedisTarget,
    redis: RedisMetrics,
    reloaded: mpsc::Receiver<Roster>,
    stop: CancellationToken,
}

impl Service {
    async fn run(mut self, roster: Roster) -> Result<()> {
        // Everything is built first, so that each metric is there at zero before Redis answers.
        let link = Arc::new(Link::new(self.target.clone(), self.config.keys.delivery(""), self.redis.clone()));
        let keys = QueueKeys::new(self.config.keys.clone());
        let mut deliveries = Deliveries::new(&roster, keys.clone(), Arc::clone(&link), self.streams, self.stop.clone());
        let intake = Intake::new(&self.config, self.target.clone(), self.redis.clone(), deliveries.follow());
        let readers = intake.readers(&self.config);
        let mut tasks = JoinSet::new();
        let totals = deliveries.totals();
        tasks.spawn(gauges::run(deliveries.follow(), keys, link, totals.clone(), self.stop.clone()));
        let stop = self.stop.clone();
        tasks.spawn(async move { minute::each(stop, || totals.take().say()).await });
        if !self.agree(&mut deliveries).await? {
            return Ok(());
        }
        tracing::info!("delivering to {}", deliveries.names());
        deliveries.begin();
        for reader in readers {
            tasks.spawn(reader.run(self.stop.clone()));
        }
        self.supervise(&mut tasks, &mut deliveries).await?;
        while let Some(ended) = tasks.join_next().await {
            ended.context("a task of the notifier panicked")?;
        }
        while let Some(ended) = deliveries.ended().await {
            ended.context("a recipient's task panicked")?;
        }
        Ok(())
    }

    /// Waits until Redis answers and has the layout of the configuration. Answers whether it does: not if the stop
    /// comes first.
    async fn agree(&mut self, deliveries: &mut Deliveries) -> Result<bool> {
        let (target, config, redis) = (self.target.clone(), self.config.clone(), self.redis.clone());
        let agreed = meta::wait(&target, &config, &redis);
        tokio::pin!(agreed);
        loop {
            tokio::select! {
                agreed = &mut agreed => return Ok(agreed.map(|()| true)?),
                Some(roster) = self.reloaded.recv() => reload(deliveries, &roster),
                () = self.stop.cancelled() => return Ok(false),
            }
        }
    }

    /// Follows the configuration until the stop.
    async fn supervise(&mut self, tasks: &mut JoinSet<()>, deliveries: &mut Deliveries) -> Result<()> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                Some(roster) = self.reloaded.recv() => reload(deliveries, &roster),
                Some(ended) = tasks.join_next() => ended.context("a task of the notifier panicked")?,
                Some(ended) = deliveries.ended() => ended.context("a recipient's task panicked")?,
            }
        }
    }
}

fn reload(deliveries: &mut Deliveries, roster: &Roster) {
    let change = deliveries.apply(roster);
    tracing::info!("SIGHUP: recipients: {change}; delivering to {}", deliveries.names());
}
