//! `indicator-worker repartition`: moves the data to another number of partitions, in place.
//!
//! Owns the order of the steps, and that each can be interrupted: whatever ends a run, the next one goes on.
//! Until data may have moved, a refusal leaves everything as it was. Workers are stopped meanwhile; a move
//! makes sure of that, and keeps them out ([`hold`]).

mod change;
mod ending;
mod halt;
mod hold;
mod signals;
mod states;
mod summary;
mod unread;

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::meta::MetaError;
use candlewire_common::shutdown;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use change::{Change, Stage, Task};
use halt::Halt;
use hold::Hold;
use summary::Summary;

/// Moves the data to the configured number of partitions.
///
/// # Errors
///
/// [`Fault::Usage`] while a worker lives, signals of vanishing partitions are unfinished, or another change
/// is under way; [`Fault::Unreachable`] when Redis does not answer.
pub async fn repartition(config: &Config) -> Result<Outcome> {
    let target = RedisTarget::new(&config.redis)?;
    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let ended = find_and_move(config, &target, stop.clone()).await;
    stop.cancel();
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    let (line, outcome) = ended?;
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).context("write to standard output")?;
    Ok(outcome)
}

/// Answers what to print.
async fn find_and_move(config: &Config, target: &RedisTarget, stop: CancellationToken) -> Result<(String, Outcome)> {
    let started = Instant::now();
    let meta = config.redis.keys.meta();
    let mut connection = target.connect_once(&meta).await?;
    let task = change::task(&mut connection, &config.redis).await.map_err(|error| match error {
        MetaError::Redis(error) => target.unreachable(&error),
        refused => refused.into(),
    })?;
    let (change, resumed) = match task {
        Task::NoData => return Ok((format!("there is no {meta}: nothing to move"), Outcome::Done)),
        Task::Agreed => {
            let count = config.redis.partitions.count();
            return Ok((
                format!("the data is laid out for {count} partitions already: nothing to move"),
                Outcome::Done,
            ));
        }
        Task::Begin(change) => (change, false),
        Task::Resume(change) => (change, true),
    };
    let mut mover = Mover { config, change, meta, hold: Hold::new(target.clone(), &config.redis.keys, stop) };
    let mut stage = None;
    match mover.run(resumed, &mut stage).await {
        Ok(summary) => Ok((Summary { took: started.elapsed(), ..summary }.to_string(), Outcome::Done)),
        Err(halt) => ended_early(halt, stage, target),
    }
}

/// Words the end of a run that is not the end of the move.
fn ended_early(halt: Halt, stage: Option<Stage>, target: &RedisTarget) -> Result<(String, Outcome)> {
    let rest = if stage.is_some() { "run this again to go on" } else { "nothing was changed" };
    match halt {
        Halt::Interrupted => Ok((format!("interrupted: {rest}"), Outcome::Interrupted)),
        Halt::Redis(error) => Err(match target.unreachable(&error) {
            Fault::Unreachable(line) => Fault::Unreachable(format!("{line}; {rest}")),
            Fault::Usage(line) => Fault::Usage(format!("{line}; {rest}")),
        }
        .into()),
        refused => Err(Fault::Usage(format!("{refused}; {rest}")).into()),
    }
}

/// One run.
struct Mover<'a> {
    config: &'a Config,
    change: Change,
    meta: String,
    hold: Hold<'a>,
}

impl Mover<'_> {
    /// Goes through all steps. `stage` is what meta says, should it end early.
    async fn run(&mut self, resumed: bool, stage: &mut Option<Stage>) -> Result<Summary, Halt> {
        let change = self.change;
        let mut connection = self.hold.to(&self.meta).await?;
        if resumed {
            *stage = Some(change::stage(&self.meta, &mut connection).await?);
        }
        self.hold.look_for_workers(change.all()).await?;
        self.begin(stage).await?;
        tracing::info!("moving from {} to {} partitions", change.from.count(), change.to.count());
        let moved = states::carry(change, &mut self.hold).await?;
        unread::note_ends(change, &mut self.hold).await?;
        let mut copied = unread::carry(change, &mut self.hold).await?;
        let late = ending::clear(change, &self.config.streams, &mut self.hold).await?;
        copied.candles += late.candles;
        copied.unreadable += late.unreadable;
        ending::tidy(change, &mut self.hold).await?;
        let kept = change.all().filter(|partition| change.keeps(*partition));
        self.hold.take(kept, hold::BRIEFLY).await?;
        if !change::settle(change, change.to, &self.meta, &mut connection).await? {
            return Err(Halt::Changed(self.meta.clone()));
        }
        if self.hold.release().await.is_err() {
            tracing::debug!("the partitions are left to be free by themselves");
        }
        Ok(Summary { change, moved, copied, resumed, took: Duration::ZERO })
    }

    /// Announces the move, takes the partitions, and makes sure that nothing stands against it. If
    /// something does and no data can have moved, the move is called off.
    async fn begin(&mut self, stage: &mut Option<Stage>) -> Result<(), Halt> {
        let change = self.change;
        let mut connection = self.hold.to(&self.meta).await?;
        if stage.is_none() {
            signals::check(change, &mut self.hold).await?;
            if !change::announce(change, Stage::Announced, &self.meta, &mut connection).await? {
                return Err(Halt::Changed(self.meta.clone()));
            }
            *stage = Some(Stage::Announced);
        }
        if let Err(halt) = self.take_all(*stage).await {
            if *stage == Some(Stage::Announced)
                && change::settle(change, change.from, &self.meta, &mut connection).await?
            {
                *stage = None;
            }
            self.hold.release().await?;
            return Err(halt);
        }
        // Compared now that all partitions are taken: a run that slept before it took them stops here.
        if !change::announce(change, Stage::Moving, &self.meta, &mut connection).await? {
            self.hold.release().await?;
            return Err(Halt::Changed(self.meta.clone()));
        }
        *stage = Some(Stage::Moving);
        self.hold.take(change.all(), hold::TO_THE_END).await
    }

    async fn take_all(&mut self, stage: Option<Stage>) -> Result<(), Halt> {
        self.hold.take(self.change.all(), hold::BRIEFLY).await?;
        if stage == Some(Stage::Moving) {
            return Ok(());
        }
        // A worker that lived unseen may have written signals until its partitions were taken.
        signals::check(self.change, &mut self.hold).await
    }
}
