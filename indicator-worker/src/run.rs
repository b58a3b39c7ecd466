//! `indicator-worker run`: one task for each partition and one that shares them, under one supervisor.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use anyhow::{Context, Result};
use candlewire_common::census::Census;
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::Outcome;
use candlewire_common::health::Health;
use candlewire_common::metrics::{self, Process};
use candlewire_common::server::Server;
use candlewire_common::{meta, minute, shutdown, watchdog};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::core::Plans;
use crate::engine::{Coordinator, Leases, PartitionTask, Settings};
use crate::metrics::WorkerMetrics;
use crate::minute::Minute;

/// Runs the worker until a signal stops it.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] when the address is taken or the key layout differs; otherwise the fault of the
/// task that took the process down.
pub async fn run(config: Config, http: Option<SocketAddr>) -> Result<Outcome> {
    let handle = metrics::install(Process::IndicatorWorker)?;
    let target = RedisTarget::new(&config.redis)?;
    let server = Server::bind(http.unwrap_or(config.http.indicator_worker)).await?;
    let (metrics, health) = (WorkerMetrics::new(&config.strategies), Health::default());
    let owner = Uuid::new_v4().to_string();
    let leases = Leases::new(config.redis.keys.clone(), owner.as_str(), config.worker.lease_ttl);

    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let token = stop.clone();
    let page = health.clone();
    tasks.spawn(async move { server.serve(handle, page, token).await.context("serve metrics") });
    let census = Census::new(target.clone(), &config.redis, metrics.redis.clone());
    let (seen, counted, token) = (census.follow(), metrics.clone(), stop.clone());
    let watch = watchdog::run(target.clone(), census, health, metrics.redis.clone(), stop.clone());
    tasks.spawn(async move {
        watch.await;
        Ok(())
    });
    tasks.spawn(async move {
        minute::each(token, || Minute::take(&counted, seen.borrow().candle_lag()).say()).await;
        Ok(())
    });
    tracing::info!(
        "worker {owner} starts: {} strategies, {} partitions, redis at {}",
        config.strategies.len(),
        config.redis.partitions.count(),
        target.address(),
    );
    let token = stop.clone();
    tasks.spawn(async move { work(config, target, leases, metrics, token).await });
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    tracing::info!("worker {owner} stopped");
    Ok(Outcome::Done)
}

/// Agrees on the key layout, then works on the partitions of its share.
async fn work(
    config: Config,
    target: RedisTarget,
    leases: Leases,
    metrics: WorkerMetrics,
    stop: CancellationToken,
) -> Result<()> {
    tokio::select! {
        agreed = meta::wait(&target, &config.redis, &metrics.redis) => agreed?,
        () = stop.cancelled() => return Ok(()),
    }
    let (ttl, redis) = (config.worker.lease_ttl, metrics.redis.clone());
    let (mut coordinator, shares) = Coordinator::new(target.clone(), &config.redis, leases.clone(), ttl, redis);
    let settings = Arc::new(Settings {
        target,
        redis: config.redis.clone(),
        cache: config.cache.clone(),
        streams: config.streams,
        batch: config.worker.batch,
        leases,
        metrics,
    });
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    for partition in config.redis.partitions.iter() {
        let task = PartitionTask::new(settings.clone(), partition, Plans::new(&config), shares.clone());
        tasks.spawn(task.run(stop.clone()));
    }
    let mut partitions = pin!(shutdown::supervise(tasks, stop.clone(), shutdown::GRACE));
    let ended = tokio::select! {
        ended = &mut partitions => ended,
        ended = coordinator.run(stop.clone()) => {
            // Whatever ended it, the partitions are handed over.
            stop.cancel();
            partitions.await.and(ended)
        }
    };
    // The partitions may have been quicker than the coordinator.
    coordinator.leave().await;
    ended
}
