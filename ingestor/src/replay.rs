//! `ingestor replay`: the candles of files, published in open-time order.
//!
//! All files are read and checked before the first candle is published, so that a mistake in the
//! command publishes nothing. Candles that are published stay published, however the command ends.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::candle_file;
use candlewire_common::census::Census;
use candlewire_common::config::{Config, RedisConfig};
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::health::Health;
use candlewire_common::metrics::{Page, RedisMetrics};
use candlewire_common::screen::Screen;
use candlewire_common::server::Server;
use candlewire_common::timeframe::Timeframe;
use candlewire_common::{shutdown, watchdog};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::arguments::ReplayArgs;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::publisher::{BATCH, Publisher, Sent};
use crate::replay_metrics::ReplayMetrics;
use crate::summary::Summary;
use crate::tally::Tally;

/// Replays files.
///
/// # Errors
///
/// [`Fault::Usage`] for a file that can't be read or an address that can't be had, then nothing was
/// published; [`Fault::Unreachable`] when Redis can't be reached or stays away.
pub async fn run(
    config: &Config,
    http: Option<SocketAddr>,
    wanted: ReplayArgs,
    metrics_page: Page,
    screen: Screen,
) -> Result<Outcome> {
    candle_file::check_all(&wanted.files).map_err(Fault::from)?;
    let target = RedisTarget::new(&config.redis)?;
    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    if let Some(address) = http {
        serve(address, &target, &config.redis, Health::default(), metrics_page, &stop, &mut tasks).await?;
    }
    let series = wanted.series.clone();
    let Some(summary) = publish_files(config, target, wanted, 0, &screen, &stop).await? else {
        screen.line(&format!("replay {series}: interrupted, no candle published"));
        return Ok(Outcome::Interrupted);
    };
    stop.cancel();
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    screen.line(&format!("replay {series}: {summary}"));
    Ok(summary.outcome())
}

/// Reads the files, and publishes the first `history` candles at once, the others at their pace; `None` when the stop comes before the first.
///
/// # Errors
///
/// [`Fault::Usage`] for a file that can't be read, then nothing was published; [`Fault::Unreachable`] when Redis can't
/// be reached or stays away.
pub(crate) async fn publish_files(
    config: &Config,
    target: RedisTarget,
    wanted: ReplayArgs,
    history: usize,
    screen: &Screen,
    stop: &CancellationToken,
) -> Result<Option<Summary>> {
    let started = Instant::now();
    let ReplayArgs { files, series, speed } = wanted;
    let metrics = ReplayMetrics::new(&series);
    let mut publisher = Publisher::connect(target, config, series.clone(), Origin::Replay).await?;

    let tally = Tally::new(screen.clone(), metrics.clone());
    let Some((candles, tally)) = read(files, series.timeframe(), tally, stop).await? else { return Ok(None) };
    let mut progress = Progress::new(screen.clone(), "replay", series, candles.len());
    let pace = Pace::new(speed, Instant::now(), history);
    let sent = publish(&candles, pace, &mut publisher, &mut progress, &metrics, stop).await;
    drop(progress);
    let (done, total) = (publisher.acknowledged(), candles.len());
    let sent = sent.with_context(|| format!("stopped after {done} of {total} candles"))?;
    Ok(Some(Summary {
        published: done,
        total,
        refused: tally.rows_refused(),
        duplicates: tally.rows_repeated(),
        took: started.elapsed(),
        interrupted: sent == Sent::Interrupted,
    }))
}

/// Serves metrics and `health`, which it keeps, while the command runs.
pub(crate) async fn serve(
    address: SocketAddr,
    target: &RedisTarget,
    config: &RedisConfig,
    health: Health,
    metrics_page: Page,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<()> {
    let server = Server::bind(address).await?;
    let redis = RedisMetrics::new();
    let census = Census::new(target.clone(), config, redis.clone());
    let watch = watchdog::run(target.clone(), census, health.clone(), redis, stop.clone());
    tasks.spawn(async move {
        watch.await;
        Ok(())
    });
    let stop = stop.clone();
    tasks.spawn(async move { server.serve(metrics_page, health, stop).await.context("serve metrics") });
    Ok(())
}

/// Reads all files beside the runtime, so that ctrl-c is heard meanwhile; `None` after it.
async fn read(
    files: Vec<PathBuf>,
    timeframe: Timeframe,
    mut tally: Tally,
    stop: &CancellationToken,
) -> Result<Option<(Vec<ClosedCandle>, Tally)>> {
    let stopped = stop.clone();
    let reading = tokio::task::spawn_blocking(move || {
        candle_file::read_all(&files, timeframe, &mut tally, &stopped).map(|candles| (candles, tally))
    });
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        read = reading => Ok(Some(read.context("read the files")?.map_err(Fault::from)?)),
    }
}

/// Publishes each candle when it is due.
async fn publish(
    candles: &[ClosedCandle],
    pace: Pace,
    publisher: &mut Publisher,
    progress: &mut Progress,
    metrics: &ReplayMetrics,
    stop: &CancellationToken,
) -> Result<Sent, Fault> {
    let mut next = 0;
    while let Some(due) = pace.due(candles, next) {
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Sent::Interrupted),
            () = sleep_until(due) => {}
        }
        let batch = pace.due_batch(candles, next, BATCH, Instant::now());
        let before = publisher.acknowledged();
        let sent = publisher.publish(candles, batch.end, stop).await;
        metrics.published.increment((publisher.acknowledged() - before) as u64);
        if sent? == Sent::Interrupted {
            return Ok(Sent::Interrupted);
        }
        progress.advance(batch.end, candles[batch.end - 1].open_time());
        next = batch.end;
    }
    Ok(Sent::All)
}
