//! The coordinator: keeps this worker's leases and its place among the others, and shares with them.
//!
//! Owns the control connections, the beat on which leases and roster entry are renewed, and the share that
//! the partitions' tasks follow. It takes and releases nothing itself: a task does when its partition comes
//! into the share or leaves it.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::config::RedisConfig;
use candlewire_common::connection::{RedisFault, RedisTarget, describe};
use candlewire_common::exit::Fault;
use candlewire_common::meta::{self, MetaError};
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::nodes::Nodes;
use candlewire_common::series::Partition;
use redis::{ErrorKind, RedisError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::lease::Leases;
use super::roster::{Roster, Seen};
use crate::core;

/// How often the roster is looked at, at least: bounds how late a join, a leave or a death is noticed.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How many times a lease is renewed within its life.
const BEATS: u32 = 3;
/// For how many looks the roster is not believed after an outage: the others find out within one that
/// Redis is back, and write their entries with the next.
const SETTLING: u32 = 4;
/// How long leaving the roster may take at a stop.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// The partitions that a worker ought to have.
pub type Share = BTreeSet<Partition>;

/// Keeps one worker among the others.
#[derive(Debug)]
pub struct Coordinator<'a> {
    target: RedisTarget,
    config: &'a RedisConfig,
    leases: Leases,
    metrics: RedisMetrics,
    roster: Roster,
    nodes: Nodes,
    beat: Duration,
    share: watch::Sender<Share>,
    /// When leases and entry are to be renewed.
    due: Instant,
    /// When the entry was last written, and what it says this worker holds.
    entered: (Instant, Share),
    /// From when on what the roster shows is to be believed.
    settled: Instant,
    /// How many workers shared last, and how many partitions were to be this one's.
    shared: (usize, usize),
    /// The fault that is being waited out, and whether it was logged.
    trouble: Option<(RedisFault, bool)>,
}

/// Why a beat failed.
enum Failed {
    Redis(RedisError),
    /// The layout of the keys has changed.
    Layout(Fault),
}

impl From<RedisError> for Failed {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<MetaError> for Failed {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::Redis(error) if error.kind() != ErrorKind::InvalidClientConfig => Self::Redis(error),
            refused => Self::Layout(refused.into()),
        }
    }
}

impl<'a> Coordinator<'a> {
    /// Prepares the coordinator of the worker whose `leases` these are, each of them `ttl` long. The share
    /// is told through what is answered; it is empty at first.
    pub fn new(
        target: RedisTarget,
        config: &'a RedisConfig,
        leases: Leases,
        ttl: Duration,
        metrics: RedisMetrics,
    ) -> (Self, watch::Receiver<Share>) {
        let (share, shares) = watch::channel(Share::new());
        let beat = ttl / BEATS;
        let roster = Roster::new(config.keys.workers(), leases.owner(), ttl);
        // A control connection that hangs is given up in time for the next one to save the leases.
        let nodes = Nodes::new(target.clone(), beat.max(Duration::from_millis(250)));
        let now = Instant::now();
        let coordinator = Self {
            target,
            config,
            leases,
            metrics,
            roster,
            nodes,
            beat,
            share,
            due: now,
            entered: (now, Share::new()),
            settled: now,
            shared: (0, 0),
            trouble: None,
        };
        (coordinator, shares)
    }

    /// Shares until `stop`; from then on it leaves the sharing to the others and only keeps the leases of
    /// tasks that are not done yet. Never returns but by a fault; may be dropped at any point.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] when the layout of the keys is no longer this process' own.
    pub async fn run(&mut self, stop: CancellationToken) -> Result<()> {
        while !stop.is_cancelled() {
            // A turn may be dropped at any point; the others must not wait for one that hangs.
            let turned = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                turned = self.turn() => turned,
            };
            match turned {
                Ok(seen) => self.follow(seen),
                Err(Failed::Layout(fault)) => return Err(fault.into()),
                Err(Failed::Redis(error)) => self.wait_out(&error),
            }
            tokio::select! {
                () = sleep(self.look_every()) => {}
                () = stop.cancelled() => {}
            }
        }
        self.leave().await;
        loop {
            if self.leases.renew(&mut self.nodes).await.is_err() {
                self.nodes.forget();
            }
            sleep(self.beat).await;
        }
    }

    /// Leaves the roster, so that the others share without this worker at once.
    pub async fn leave(&mut self) {
        // A roster that can't be reached forgets this worker by itself.
        let _ = timeout(LEAVE_TIMEOUT, self.roster.leave(&mut self.nodes)).await;
    }

    /// Renews what is due, and reads the roster. Cancel-safe: what it has not noted is done again.
    async fn turn(&mut self) -> Result<Seen, Failed> {
        let now = Instant::now();
        if now < self.due && self.leases.partitions() == self.entered.1 {
            return Ok(self.roster.look(&mut self.nodes).await?);
        }
        if now >= self.due {
            // A node that can't be reached keeps back its own leases alone: the roster is entered all the same.
            let renewed = self.leases.renew(&mut self.nodes).await;
            self.check_layout().await?;
            self.due = now + self.beat;
            if let Err(error) = renewed {
                self.wait_out(&error);
            }
        }
        // Read after renewing: what has become another's is not claimed any more.
        let held = self.leases.partitions();
        let seen = self.roster.enter(&held, &mut self.nodes).await?;
        if now.duration_since(self.entered.0) > self.beat * (BEATS - 1) {
            // Nobody could write for so long that the others' entries have run out, too, or soon will.
            self.settled = now + self.look_every() * SETTLING;
        }
        self.entered = (now, held);
        Ok(seen)
    }

    /// A worker that slept through a change of the partitions must not write into the new ones.
    async fn check_layout(&mut self) -> Result<(), Failed> {
        let node = self.nodes.of(&self.config.keys.meta()).await?;
        let mut connection = self.nodes.to(&node).await?;
        if !meta::verify(&mut connection, self.config).await? {
            // Somebody flushed it.
            meta::agree(&self.target, self.config).await?;
        }
        Ok(())
    }

    /// Shares with those who live. After a long outage entries are outdated: then the share stays as it was
    /// until all had the time to write theirs again.
    fn follow(&mut self, seen: Seen) {
        let now = Instant::now();
        if now < self.due && self.trouble.take().is_some_and(|(_, is_said)| is_said) {
            tracing::info!("leases are renewed again");
        }
        if !seen.living.contains_key(self.leases.owner()) {
            // This worker's own entry has run out: it is in no position to judge others by theirs.
            self.due = now;
            return;
        }
        if now < self.settled {
            return;
        }
        let mut living = seen.living;
        // Entries lag behind the leases: what this worker has by lease is nobody else's, whatever they say.
        let held = self.leases.partitions();
        for others in living.values_mut() {
            others.retain(|at| !held.contains(at));
        }
        living.insert(self.leases.owner().to_owned(), held);
        let mut shares = core::shares(self.config.partitions, &living);
        let own = shares.remove(self.leases.owner()).unwrap_or_default();
        let (workers, count) = (living.len(), own.len());
        if std::mem::replace(&mut self.shared, (workers, count)) != (workers, count) {
            let all = self.config.partitions.count();
            let others = if workers == 1 { "no other worker".to_owned() } else { format!("{workers} workers") };
            tracing::info!(workers, partitions = count, "{count} of {all} partitions are to be ours, {others}");
        }
        self.share.send_if_modified(|share| std::mem::replace(share, own.clone()) != own);
    }

    /// That a connection is gone is said once for the whole process, by the watchdog.
    fn wait_out(&mut self, error: &RedisError) {
        let fault = self.metrics.count(error);
        let was_said = self.trouble.is_some_and(|(waited_out, is_said)| waited_out == fault && is_said);
        let is_said = fault != RedisFault::Connection;
        if is_said && !was_said {
            tracing::warn!("leases can't be renewed, trying again: {}", describe(error));
        }
        self.trouble = Some((fault, is_said));
        // A lone server that only refuses for now is still the right one.
        if fault != RedisFault::Unavailable || self.target.is_cluster() {
            self.nodes.forget();
        }
        self.due = Instant::now();
    }

    fn look_every(&self) -> Duration {
        LOOK_EVERY.min(self.beat)
    }
}

/// Waits until the partition is in the share, or no longer is. Cancel-safe.
pub(super) async fn is_share(shares: &mut watch::Receiver<Share>, partition: Partition, wanted: bool) {
    if shares.wait_for(|share| share.contains(&partition) == wanted).await.is_err() {
        // Nobody shares any more: the process is about to stop, which has its own signal.
        std::future::pending::<()>().await;
    }
}
