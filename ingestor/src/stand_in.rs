//! `ingestor run --or-replay` without sources: the candles of a file in place of live ones.
//!
//! For an installation that nobody has configured yet: its dashboards show life, and its alerts come. It behaves like
//! the process that it stands in for: metrics and health are served from the start to the stop, Redis is waited for,
//! and the end of the file ends nothing; what the strategies need of history goes out at once. How candles are read and published is the replay's.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::candle_file;
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::health::Health;
use candlewire_common::metrics::Page;
use candlewire_common::screen::Screen;
use candlewire_common::shutdown;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::arguments::ReplayArgs;
use crate::live::warmup;
use crate::replay;

/// How long after a replay that Redis has broken off the next one begins.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How often is looked whether Redis answers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Replays the file, then stays until a signal stops it.
///
/// # Errors
///
/// [`Fault::Usage`] for a file that can't be read, an address that is taken or another layout of keys in Redis.
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
    let address = http.unwrap_or(config.http.ingestor);
    let health = Health::default();
    replay::serve(address, &target, &config.redis, health.clone(), metrics_page, &stop, &mut tasks).await?;
    let stand_in = StandIn { config, target, wanted, health, screen, stop: stop.clone() };
    // Whichever ends first ends the other.
    let shown = async {
        let shown = stand_in.show().await;
        stop.cancel();
        shown
    };
    let (served, shown) = tokio::join!(shutdown::supervise(tasks, stop.clone(), shutdown::GRACE), shown);
    served.and(shown)?;
    tracing::info!("ingestor stopped");
    Ok(Outcome::Done)
}

/// What is shown in place of live candles.
struct StandIn<'a> {
    config: &'a Config,
    target: RedisTarget,
    wanted: ReplayArgs,
    health: Health,
    screen: Screen,
    stop: CancellationToken,
}

impl StandIn<'_> {
    /// Replays until the file is through, however often Redis goes away meanwhile, and waits for the stop.
    async fn show(&self) -> Result<()> {
        let series = &self.wanted.series;
        // As before live candles: averages have their values at once, and the first alert is not far.
        let history = usize::try_from(warmup::wanted(self.config, series)).unwrap_or(usize::MAX);
        tracing::info!("no [[sources]] are configured: candles of a file are published as {series} in their place");
        while self.redis_answers().await {
            let (target, wanted) = (self.target.clone(), self.wanted.clone());
            match replay::publish_files(self.config, target, wanted, history, &self.screen, &self.stop).await {
                Ok(None) => break,
                Ok(Some(summary)) => {
                    self.screen.line(&format!("replay {series}: {summary}"));
                    break;
                }
                // Whoever reads the candles drops those that it has, so the next replay may begin at the first.
                Err(error) if matches!(error.downcast_ref(), Some(Fault::Unreachable(_))) => {
                    tracing::warn!("{error:#}; the replay begins anew once candles can be published");
                    self.pause(AGAIN_AFTER).await;
                }
                Err(error) => return Err(error),
            }
        }
        if !self.stop.is_cancelled() {
            tracing::info!(
                "nothing is left to publish: for live candles add [[sources]] to the configuration and restart"
            );
            self.stop.cancelled().await;
        }
        Ok(())
    }

    /// Waits until Redis answers; `false` once this is to stop.
    async fn redis_answers(&self) -> bool {
        while !self.health.is_ready() && !self.stop.is_cancelled() {
            self.pause(LOOK_EVERY).await;
        }
        !self.stop.is_cancelled()
    }

    /// Waits, at most until the stop.
    async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = sleep(delay) => {}
            () = self.stop.cancelled() => {}
        }
    }
}
