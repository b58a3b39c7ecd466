//! SIGHUP: the configuration is read again, for recipients and the terms of delivery.
//!
//! One that is refused changes nothing. Redis, the address of the metrics and the rest take a restart.

use anyhow::Result;
use candlewire_common::cli::GlobalArgs;
use candlewire_common::config::RedisConfig;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::recipient::Surroundings;
use crate::roster::Roster;

/// Waits for SIGHUP.
pub(crate) struct Reload {
    hangups: Signal,
    args: GlobalArgs,
    /// The Redis that this process is connected to, whatever the file says now.
    redis: RedisConfig,
    surroundings: Surroundings,
    rosters: mpsc::Sender<Roster>,
}

impl Reload {
    /// Reads what `args` name at each of `hangups`, and hands on what comes of it.
    pub(crate) fn new(
        hangups: Signal,
        args: GlobalArgs,
        redis: RedisConfig,
        surroundings: Surroundings,
        rosters: mpsc::Sender<Roster>,
    ) -> Self {
        Self { hangups, args, redis, surroundings, rosters }
    }

    /// Reads the configuration at each SIGHUP, until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<()> {
        loop {
            tokio::select! {
                Some(()) = self.hangups.recv() => {}
                () = stop.cancelled() => return Ok(()),
            }
            match self.read() {
                // Only a notifier that ends takes none.
                Ok(roster) => drop(self.rosters.send(roster).await),
                Err(error) => {
                    tracing::error!("SIGHUP: the configuration is refused, all stays as it was: {error:#}");
                }
            }
        }
    }

    fn read(&mut self) -> Result<Roster> {
        let mut config = self.args.load()?;
        Ok(Roster::open(&mut config, &self.redis, &mut self.surroundings)?)
    }
}
