//! The workers: places for as many as there can be, each with its proxy and configuration.
//!
//! Owns who lives, who is afflicted, and the choice of who is hit. It measures nothing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candlewire_testkit::FaultProxy;

use crate::strategy;
use crate::worker::{Affliction, Worker};

/// A place for a worker.
#[derive(Debug)]
pub struct Place {
    /// The way of its connections.
    pub proxy: FaultProxy,
    /// Who is there.
    pub worker: Option<Worker>,
    config: PathBuf,
}

/// All places.
#[derive(Debug)]
pub struct Crew {
    /// The places, filled or not.
    pub places: Vec<Place>,
    /// What the workers that ended have said of fenced commits.
    pub fenced: u64,
    log_filter: &'static str,
    logs: Option<PathBuf>,
    ended: usize,
}

impl Crew {
    /// Makes places whose proxies lead to the Redis at `target`. Configurations go to `directory`; what workers that
    /// end have printed goes to `logs`, if anywhere.
    ///
    /// # Errors
    ///
    /// If a proxy can't listen or a file can't be written.
    pub async fn new(
        places: usize,
        target: SocketAddr,
        lease_ttl: Duration,
        directory: &Path,
        logs: Option<PathBuf>,
    ) -> Result<Self> {
        if let Some(logs) = &logs {
            fs::create_dir_all(logs).with_context(|| format!("make {}", logs.display()))?;
        }
        let log_filter = if logs.is_some() { "debug" } else { "info" };
        let mut crew = Self { places: Vec::new(), fenced: 0, log_filter, logs, ended: 0 };
        for number in 0..places {
            let proxy = FaultProxy::start(target).await.context("start a proxy")?;
            let config = directory.join(format!("worker{number}.toml"));
            fs::write(&config, strategy::config(&proxy.url(), lease_ttl)).context("write a configuration")?;
            crew.places.push(Place { proxy, worker: None, config });
        }
        Ok(crew)
    }

    /// Starts a worker in a free place, if there is one, and returns the place.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn join(&mut self) -> Result<Option<usize>> {
        let Some(at) = self.places.iter().position(|place| place.worker.is_none()) else { return Ok(None) };
        self.places[at].proxy.resume();
        self.places[at].worker = Some(Worker::start(&self.places[at].config, self.log_filter).await?);
        Ok(Some(at))
    }

    /// Returns the places with a worker.
    pub fn alive(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|at| self.places[*at].worker.is_some()).collect()
    }

    /// Returns the places with a worker that nothing afflicts.
    pub fn free(&self) -> Vec<usize> {
        let is_free = |at: &usize| self.places[*at].worker.as_ref().is_some_and(|worker| worker.affliction.is_none());
        (0..self.places.len()).filter(is_free).collect()
    }

    /// Chooses a free worker; three times out of four one that owns something, if any does.
    pub fn choose(&self, pick: u64, owners: &[Option<String>]) -> Option<usize> {
        let free = self.free();
        let owning = |at: &usize| self.name(*at).is_some_and(|name| owners.iter().flatten().any(|owner| owner == name));
        let owning: Vec<usize> = free.iter().copied().filter(owning).collect();
        let from = if pick.is_multiple_of(4) || owning.is_empty() { free } else { owning };
        let count = from.len() as u64;
        (count > 0).then(|| (pick / 4) % count).and_then(|at| from.get(usize::try_from(at).ok()?).copied())
    }

    /// Returns the name of the worker in a place.
    pub fn name(&self, at: usize) -> Option<&str> {
        self.places[at].worker.as_ref().map(|worker| worker.name.as_str())
    }

    /// Notes that something disturbed a worker.
    pub fn disturb(&mut self, at: usize) {
        if let Some(worker) = &mut self.places[at].worker {
            worker.calm_since = Instant::now();
        }
    }

    /// Notes that something disturbed all workers.
    pub fn disturb_all(&mut self) {
        (0..self.places.len()).for_each(|at| self.disturb(at));
    }

    /// Returns since when no worker was disturbed or afflicted; `None` while one still is.
    pub fn calm_since(&self) -> Option<Instant> {
        let alive = self.alive();
        let since = self.places.iter().filter_map(|place| place.worker.as_ref()).map(|worker| worker.calm_since).max();
        since.filter(|_| self.free() == alive)
    }

    /// Ends afflictions that are over, or all of them.
    ///
    /// # Errors
    ///
    /// If a process can't be resumed.
    pub fn heal(&mut self, all: bool) -> Result<()> {
        let now = Instant::now();
        for place in &mut self.places {
            let Some(worker) = &mut place.worker else { continue };
            let Some((affliction, _)) = worker.affliction.take_if(|(_, until)| all || *until <= now) else { continue };
            match affliction {
                Affliction::Frozen => worker.program.resume()?,
                Affliction::Cut => place.proxy.resume(),
            }
            worker.calm_since = now;
        }
        Ok(())
    }

    /// Takes a worker out of its place, to be ended.
    pub async fn take(&mut self, at: usize) -> Option<Worker> {
        let worker = self.places[at].worker.take()?;
        self.fenced += worker.fenced().await;
        Some(worker)
    }

    /// Keeps what a worker that has ended has printed.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub fn bury(&mut self, worker: &Worker) -> Result<()> {
        self.ended += 1;
        let Some(logs) = &self.logs else { return Ok(()) };
        let file = logs.join(format!("{:04}-{}.log", self.ended, worker.name));
        fs::write(&file, worker.program.lines().join("\n")).with_context(|| format!("write {}", file.display()))
    }

    /// Returns what each worker said last.
    pub fn last_words(&self) -> Vec<String> {
        let workers = self.places.iter().filter_map(|place| place.worker.as_ref());
        workers.map(|worker| worker.program.lines().last().cloned().unwrap_or_default()).collect()
    }

    /// Takes out workers that ended by themselves, and returns how each did.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub fn fallen(&mut self) -> Result<Vec<String>> {
        let mut fallen = Vec::new();
        for at in 0..self.places.len() {
            let Some(worker) = &mut self.places[at].worker else { continue };
            let Some(status) = worker.program.ended()? else { continue };
            let lines = worker.program.lines();
            let said = lines.last().cloned().unwrap_or_default();
            fallen.push(format!("worker {} ended by itself with {status}: {said}", worker.name));
            if let Some(worker) = self.places[at].worker.take() {
                self.bury(&worker)?;
            }
        }
        Ok(fallen)
    }
}
