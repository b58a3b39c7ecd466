//! The fault test of the indicator-worker: real processes, a real Redis, and everything that can break.
//!
//! It is a foreign program to Candlewire. It publishes candles as the contract asks, breaks what can break by a
//! schedule that its seed decides, and compares what the workers have written with an exact replay of its own. The
//! moment at which a fault strikes is the machine's; a seed that fails once may have to be played several times.

pub mod arguments;
pub mod audit;
pub mod calm;
pub mod candle;
pub mod comparison;
pub mod control;
pub mod crew;
pub mod figures;
pub mod oracle;
pub mod producer;
pub mod report;
pub mod rig;
pub mod schedule;
pub mod series;
pub mod strategy;
pub mod tail;
pub mod worker;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use candlewire_testkit::eventually;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::figures::Figures;
use crate::producer::{Book, Producer};
use crate::rig::Rig;
use crate::schedule::Fault;

/// How long the workers may take to finish what was published, once everything is healed.
const FINISH_MAX: Duration = Duration::from_mins(1);

/// One in so many faults is told on standard error.
const TOLD_EVERY: usize = 100;

/// Plays the schedule, and returns what was seen.
///
/// # Errors
///
/// If the rig itself fails. What the workers do wrong is in the figures.
pub async fn run(arguments: &Arguments) -> Result<Figures> {
    let began = Instant::now();
    let schedule = schedule::schedule(arguments.terms());
    let mut rig = Rig::set_up(arguments).await?;
    let entries = Arc::new(AtomicU64::new(0));
    let stop = CancellationToken::new();
    let mut tasks: JoinSet<Book> = JoinSet::new();
    tasks.spawn(Producer::new(rig.client()?, arguments.seed, entries.clone()).run(stop.clone()));

    rig.figures.seed = arguments.seed;
    rig.figures.lease_ttl_ms = u64::try_from(arguments.lease_ttl.as_millis())?;
    // What goes wrong on the way ends the faults, not the test: what the workers have written is looked at all the same.
    if let Err(error) = play(&schedule, &mut rig, arguments.trace, began).await {
        rig.figures.incidents.push(format!("{error:#}"));
    }
    if let Err(error) = rig.settle().await {
        rig.figures.incidents.push(format!("{error:#}"));
    }
    stop.cancel();
    let book = timeout(FINISH_MAX, tasks.join_next()).await.context("the producer goes on")?;
    let book = book.context("the producer is gone")?.context("the producer panicked")?;
    if let Err(error) = finish(&mut rig).await {
        rig.figures.incidents.push(format!("{error:#}"));
        rig.figures.incidents.extend(rig.crew.last_words());
    }
    audit::audit(&book, &mut rig.control, &mut rig.figures).await?;
    for at in rig.crew.alive() {
        if let Some(mut worker) = rig.crew.take(at).await {
            worker.program.kill()?;
            rig.crew.bury(&worker)?;
        }
    }
    let mut figures = rig.figures;
    figures.fenced = rig.crew.fenced;
    figures.entries = entries.load(Ordering::Relaxed);
    figures.took_ms = u64::try_from(began.elapsed().as_millis())?;
    Ok(figures)
}

/// Lets the faults come, one after the other.
async fn play(schedule: &[Fault], rig: &mut Rig, is_traced: bool, began: Instant) -> Result<()> {
    let mut was_calm = false;
    for (number, fault) in schedule.iter().enumerate() {
        if is_traced {
            let Fault { kind, is_calm, lasts, .. } = fault;
            let calm = if *is_calm { ", calm" } else { "" };
            tell(&format!("{:8.3} s  {number:>5}  {kind:?} {lasts:?}{calm}", began.elapsed().as_secs_f64()));
        } else if number.is_multiple_of(TOLD_EVERY) && number > 0 {
            tell(&format!("{number} of {} faults after {} s", schedule.len(), began.elapsed().as_secs()));
        }
        let fault_of = || format!("fault {number}, {:?}", fault.kind);
        if fault.is_calm {
            if !was_calm {
                rig.settle().await.with_context(fault_of)?;
            }
            rig.lose(fault).await.with_context(fault_of)?;
        } else {
            rig.inject(fault).await.with_context(fault_of)?;
            sleep(fault.pause).await;
            rig.crew.heal(false)?;
        }
        was_calm = fault.is_calm;
        *rig.figures.faults.entry(fault.kind).or_default() += 1;
        for fallen in rig.crew.fallen()? {
            rig.figures.incidents.push(fallen);
            rig.join().await?;
        }
    }
    Ok(())
}

/// Waits until everything that was published is committed.
async fn finish(rig: &mut Rig) -> Result<()> {
    let control = &mut rig.control;
    let level = eventually(FINISH_MAX, async || {
        let behind = control.behind().await?;
        ensure!(behind.is_empty(), "{}", behind.join("; "));
        Ok(())
    });
    level.await.context("wait for the workers to finish")
}

/// Says something on the way.
fn tell(line: &str) {
    // Standard error may be closed; then there is nobody to tell.
    writeln!(std::io::stderr(), "{line}").ok();
}
