//! Everything that runs, and the storms that fall over it.
//!
//! Owns the private Redis, the crew and the harness' connection, and does to them what a fault says. Faults that last
//! are left to heal while the next ones come. What is measured in calm spells is [`calm`](crate::calm)'s matter.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candlewire_testkit::eventually;
use candlewire_testkit::redis_server::{AppendOnly, RedisOptions, RedisServer};
use fastrand::Rng;
use redis::Pipeline;
use tempfile::TempDir;
use tokio::time::{sleep, sleep_until};

use crate::arguments::Arguments;
use crate::control::Control;
use crate::crew::Crew;
use crate::figures::{Figures, recovery_max};
use crate::schedule::{Fault, Kind, workers_at_first};
use crate::series::{self, GROUP, PARTITIONS, Series, key};
use crate::tail::Mark;
use crate::worker::Affliction;

/// How long a worker that was told to stop may take.
const STOP_MAX: Duration = Duration::from_secs(10);
/// How long a trap waits for a commit to catch.
const TRAP_MAX: Duration = Duration::from_millis(300);
/// How much longer than allowed is waited for a recovery, so that the report can tell how long it took.
const RECOVERY_PATIENCE: Duration = Duration::from_secs(30);
/// The end of each transaction: of a commit, and of the look at the position when a partition is taken.
const COMMIT: &[u8] = b"EXEC\r\n";
/// How long the workers may take to have Redis rewrite its file after a start.
const REWRITE_MAX: Duration = Duration::from_secs(15);
/// From which size on Redis rewrites its append-only file: a small one is loaded quickly.
const REWRITE_FROM: &str = "16mb";

/// Everything that runs.
#[derive(Debug)]
pub struct Rig {
    /// The workers.
    pub crew: Crew,
    /// The look at Redis.
    pub control: Control,
    /// What was seen so far.
    pub figures: Figures,
    /// The workers' lease.
    pub lease_ttl: Duration,
    /// Whether the file that Redis has loaded may end inside of a transaction.
    is_torn: bool,
    redis: RedisServer,
    states: Vec<Series>,
    _directory: TempDir,
}

impl Rig {
    /// Starts Redis and the first workers.
    ///
    /// # Errors
    ///
    /// If something does not start.
    pub async fn set_up(arguments: &Arguments) -> Result<Self> {
        let options = RedisOptions { append_only: AppendOnly::EverySec, ..RedisOptions::default() };
        let redis = RedisServer::start(options).await?;
        let control = Control::new(redis::Client::open(redis.url())?);
        let directory = tempfile::Builder::new().prefix("candlewire-chaos-").tempdir().context("make a directory")?;
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, redis.port()));
        let (terms, logs) = (arguments.terms(), arguments.logs.clone());
        let crew = Crew::new(terms.workers_max, target, terms.lease_ttl, directory.path(), logs).await?;
        let mut rig = Self {
            crew,
            control,
            figures: Figures::default(),
            lease_ttl: terms.lease_ttl,
            is_torn: false,
            redis,
            states: series::all().into_iter().filter(|series| !series.is_recursive).collect(),
            _directory: directory,
        };
        rig.limit_file().await?;
        for _ in 0..workers_at_first(terms.workers_max) {
            rig.join().await?;
        }
        Ok(rig)
    }

    /// Returns a client of the private Redis, past all proxies.
    ///
    /// # Errors
    ///
    /// None in practice: the URL is well formed.
    pub fn client(&self) -> Result<redis::Client> {
        redis::Client::open(self.redis.url()).context("the private redis")
    }

    /// Does what a fault of a storm says.
    ///
    /// # Errors
    ///
    /// If the rig itself fails; what a worker fails in is an incident.
    pub async fn inject(&mut self, fault: &Fault) -> Result<()> {
        let mut random = Rng::with_seed(fault.pick);
        match fault.kind {
            Kind::Join => self.join().await,
            Kind::RedisKill | Kind::RedisLoss => self.crash(fault, &mut random).await,
            Kind::RedisPause => {
                self.redis.pause()?;
                sleep(fault.lasts).await;
                self.redis.resume()?;
                self.crew.disturb_all();
                Ok(())
            }
            Kind::OutOfMemory => {
                self.tell(redis::pipe().cmd("CONFIG").arg("SET").arg("maxmemory").arg(1)).await?;
                sleep(fault.lasts).await;
                self.crew.disturb_all();
                self.tell(redis::pipe().cmd("CONFIG").arg("SET").arg("maxmemory").arg(0)).await
            }
            Kind::ScriptFlush => self.tell(redis::pipe().cmd("SCRIPT").arg("FLUSH")).await,
            Kind::ClientKill => {
                self.crew.disturb_all();
                self.tell(redis::pipe().cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal")).await
            }
            Kind::DeleteStates => {
                let count = random.usize(1..=12);
                let chosen = random.choose_multiple(&self.states, count);
                let mut delete = redis::cmd("DEL");
                delete.arg(chosen.into_iter().map(Series::state).collect::<Vec<String>>());
                self.tell(redis::pipe().add_command(delete)).await
            }
            Kind::DestroyGroup => {
                self.crew.disturb_all();
                let mut pipe = redis::pipe();
                pipe.ignore_errors();
                let count = random.usize(1..=4);
                for partition in random.choose_multiple(0..PARTITIONS, count) {
                    pipe.cmd("XGROUP").arg("DESTROY").arg(key(partition, "candles")).arg(GROUP).ignore();
                }
                self.tell(&pipe).await
            }
            Kind::Kill
            | Kind::Stop
            | Kind::Freeze
            | Kind::Blink
            | Kind::Cut
            | Kind::LostReply
            | Kind::HalfRequest
            | Kind::Hang
            | Kind::Refuse => {
                let at = self.choose(fault.pick).await?;
                self.strike(fault, at).await
            }
        }
    }

    /// Chooses who is hit. Where all are afflicted already, they are healed first.
    ///
    /// # Errors
    ///
    /// If there is no worker at all.
    pub async fn choose(&mut self, pick: u64) -> Result<usize> {
        if self.crew.free().is_empty() {
            self.crew.heal(true)?;
        }
        // Who owns what is a preference only; Redis may be away.
        let owners = self.control.owners().await.unwrap_or_default();
        self.crew.choose(pick, &owners).context("there is no worker to hit")
    }

    /// Does to one worker what a fault says.
    async fn strike(&mut self, fault: &Fault, at: usize) -> Result<()> {
        match fault.kind {
            Kind::Kill => return self.kill(at).await,
            Kind::Stop => return self.stop(at).await,
            _ => {}
        }
        let until = Instant::now() + fault.lasts;
        let place = &mut self.crew.places[at];
        let worker = place.worker.as_mut().context("nobody is there")?;
        match fault.kind {
            Kind::Freeze => {
                worker.program.pause()?;
                worker.affliction = Some((Affliction::Frozen, until));
            }
            Kind::Blink => {
                worker.program.pause()?;
                sleep_until(until.into()).await;
                worker.program.resume()?;
            }
            Kind::Cut => place.proxy.cut(),
            Kind::LostReply => {
                place.proxy.lose_reply(COMMIT);
                self.figures.lost_replies += u64::from(place.proxy.sprung(TRAP_MAX).await);
            }
            Kind::HalfRequest => {
                place.proxy.halve_request(COMMIT);
                self.figures.halved_requests += u64::from(place.proxy.sprung(TRAP_MAX).await);
            }
            Kind::Hang | Kind::Refuse => {
                if fault.kind == Kind::Hang {
                    place.proxy.hang();
                } else {
                    place.proxy.refuse();
                    place.proxy.cut();
                }
                worker.affliction = Some((Affliction::Cut, until));
            }
            _ => {}
        }
        self.crew.disturb(at);
        Ok(())
    }

    /// Starts a worker if there is a free place.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn join(&mut self) -> Result<()> {
        self.crew.join().await?;
        Ok(())
    }

    /// Kills a worker; the last one is followed at once.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub async fn kill(&mut self, at: usize) -> Result<()> {
        if let Some(mut worker) = self.crew.take(at).await {
            worker.program.kill()?;
            self.crew.bury(&worker)?;
        }
        self.follow().await
    }

    /// Tells a worker to stop and waits for it; the last one is followed at once.
    ///
    /// # Errors
    ///
    /// If the operating system refuses.
    pub async fn stop(&mut self, at: usize) -> Result<()> {
        if let Some(mut worker) = self.crew.take(at).await {
            match worker.program.terminate(STOP_MAX).await {
                Ok(status) if status.success() => {}
                Ok(status) => {
                    self.figures.incidents.push(format!("worker {} was told to stop: {status}", worker.name));
                }
                Err(error) => {
                    self.figures.incidents.push(format!("worker {} did not stop: {error}", worker.name));
                    worker.program.kill()?;
                }
            }
            self.crew.bury(&worker)?;
        }
        self.follow().await
    }

    async fn follow(&mut self) -> Result<()> {
        if self.crew.alive().is_empty() { self.join().await } else { Ok(()) }
    }

    /// Kills Redis and brings it back, with its file or without the end of it.
    async fn crash(&mut self, fault: &Fault, random: &mut Rng) -> Result<()> {
        if std::mem::replace(&mut self.is_torn, fault.kind == Kind::RedisLoss) {
            self.rewritten().await?;
        }
        let data = self.redis.directory().to_owned();
        if fault.kind == Kind::RedisLoss {
            let mark = Mark::set(&data).context("mark the end of the append-only file")?;
            sleep(fault.lasts).await;
            self.redis.kill()?;
            self.figures.cut_bytes += mark.cut(&data, random.u8(64..)).context("cut the append-only file")?;
        } else {
            self.redis.kill()?;
            sleep(fault.lasts).await;
        }
        self.redis.restart().await?;
        let back = Instant::now();
        self.crew.disturb_all();
        self.limit_file().await?;
        // Every other time nothing is waited for, so that the next fault meets the return.
        if random.bool() && !self.crew.free().is_empty() {
            let took = self.alive_again(back, "redis was back").await?;
            self.figures.recoveries_ms.add(took);
        }
        Ok(())
    }

    /// Waits until the workers have had Redis rewrite its file. Up to version 8.0 it takes what it appends to a file
    /// that ends inside of a transaction for a part of that; loaded once more before that end is gone, the file brings
    /// half of the transaction back, which no worker can help.
    async fn rewritten(&mut self) -> Result<()> {
        if self.control.is_file_rewritten().await.is_ok() {
            return Ok(());
        }
        // Workers that are frozen see nothing to it.
        self.crew.heal(true)?;
        let rewritten = eventually(REWRITE_MAX, async || self.control.is_file_rewritten().await).await;
        if let Err(error) = rewritten {
            self.figures.incidents.push(format!("the append-only file was not rewritten after a crash: {error}"));
        }
        Ok(())
    }

    /// Waits until a probe is applied in every partition, and returns how long that took.
    ///
    /// # Errors
    ///
    /// If it is not so even long after it should.
    pub async fn alive_again(&mut self, since: Instant, what: &str) -> Result<Duration> {
        let limit = recovery_max(self.lease_ttl);
        let standing = self.control.probe(limit).await;
        if let Err(error) = standing {
            self.figures.late.push(format!("{limit:?} after {what}: {error:#}"));
            self.crew.heal(true)?;
            self.control.probe(RECOVERY_PATIENCE).await?;
        }
        Ok(since.elapsed())
    }

    async fn limit_file(&mut self) -> Result<()> {
        let mut pipe = redis::pipe();
        pipe.cmd("CONFIG").arg("SET").arg("auto-aof-rewrite-min-size").arg(REWRITE_FROM);
        self.tell(&pipe).await
    }

    /// Gives an order whose answer does not matter.
    async fn tell(&mut self, pipe: &Pipeline) -> Result<()> {
        self.control.insist::<redis::Value>(pipe).await?;
        Ok(())
    }
}
