//! Calm spells: nothing but one worker's loss, and how long the others take.
//!
//! Owns the measuring of take-overs, hand-overs and even shares. The promises hold while Redis and the other workers
//! are healthy, so a spell waits first until every partition lives and nobody was disturbed for a while.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candlewire_testkit::eventually;
use candlewire_testkit::wait::PATIENCE;
use tokio::time::sleep;

use crate::control::Control;
use crate::figures::EVEN_MAX;
use crate::rig::Rig;
use crate::schedule::{Fault, Kind};
use crate::worker::Affliction;

/// For how long nobody must have been disturbed: longer than any pause before a connection is tried again.
const CALM: Duration = Duration::from_millis(1_500);

/// How long is waited for a take-over at most. What is allowed is the report's matter.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(20);

impl Rig {
    /// Heals everything after a storm, and waits until every partition lives.
    ///
    /// # Errors
    ///
    /// If one does not even long after it should.
    pub async fn settle(&mut self) -> Result<()> {
        self.crew.heal(true)?;
        let healed = Instant::now();
        let took = self.alive_again(healed, "a storm").await?;
        self.figures.after_storms_ms.add(took);
        self.wait_even(healed).await;
        Ok(())
    }

    /// Does what a fault of a calm spell says, and measures what follows.
    ///
    /// # Errors
    ///
    /// If the rig itself fails.
    pub async fn lose(&mut self, fault: &Fault) -> Result<()> {
        if fault.kind == Kind::Join {
            let joined = Instant::now();
            self.join().await?;
            for place in &self.crew.places {
                if let Some(worker) = &place.worker {
                    worker.ready().await?;
                }
            }
            self.crew.disturb_all();
            self.wait_even(joined).await;
            return Ok(());
        }
        self.wait_calm().await?;
        let owners = self.control.owners().await.context("ask for the owners")?;
        let at = self.crew.choose(fault.pick, &owners).context("there is no worker to lose")?;
        let name = self.crew.name(at).context("nobody is there")?.to_owned();
        let owned: Vec<usize> =
            (0..owners.len()).filter(|partition| owners[*partition].as_ref() == Some(&name)).collect();
        let taken = match fault.kind {
            Kind::Stop => return self.hand_over(at, &name, &owned).await,
            Kind::Kill => {
                let began = Instant::now();
                self.kill(at).await?;
                taken_over(&mut self.control, &name, &owned, began).await
            }
            _ => self.freeze(fault, at, &name, &owned).await?,
        };
        match taken {
            Ok(Some(took)) => self.figures.take_overs_ms.add(took),
            Ok(None) => {}
            Err(error) => self.figures.incidents.push(format!("{:?} of {name}: {error:#}", fault.kind)),
        }
        Ok(())
    }

    /// Tells an owner to stop, and measures until all it had has another owner.
    async fn hand_over(&mut self, at: usize, name: &str, owned: &[usize]) -> Result<()> {
        let mut watching = self.control.another();
        let began = Instant::now();
        let (stopped, taken) = tokio::join!(self.stop(at), taken_over(&mut watching, name, owned, began));
        stopped?;
        match taken {
            Ok(Some(took)) => self.figures.hand_overs_ms.add(took),
            Ok(None) => {}
            Err(error) => self.figures.incidents.push(format!("hand-over of {name}: {error:#}")),
        }
        Ok(())
    }

    /// Freezes a worker, or all its connections, until the others have what it had, and lets it wake up as a zombie.
    async fn freeze(
        &mut self,
        fault: &Fault,
        at: usize,
        name: &str,
        owned: &[usize],
    ) -> Result<Result<Option<Duration>>> {
        let place = &mut self.crew.places[at];
        let worker = place.worker.as_mut().context("nobody is there")?;
        let began = Instant::now();
        if fault.kind == Kind::Freeze {
            worker.program.pause()?;
            worker.affliction = Some((Affliction::Frozen, began));
        } else {
            place.proxy.hang();
            worker.affliction = Some((Affliction::Cut, began));
        }
        let taken = taken_over(&mut self.control, name, owned, began).await;
        // Who owned nothing is frozen past its lease all the same.
        sleep(fault.lasts.saturating_sub(began.elapsed())).await;
        self.crew.heal(true)?;
        Ok(taken)
    }

    /// Waits until no worker was disturbed for a while.
    async fn wait_calm(&self) -> Result<()> {
        let calm = eventually(PATIENCE, async || match self.crew.calm_since() {
            Some(since) if since.elapsed() >= CALM => Ok(()),
            since => Err(format!("calm since {since:?}")),
        });
        calm.await.context("wait for a calm spell")
    }

    /// Waits until every worker owns its share, give or take one partition. The time counts from the
    /// last coming or healing of a worker.
    async fn wait_even(&mut self, since: Instant) {
        let names: Vec<String> =
            self.crew.alive().iter().filter_map(|at| self.crew.name(*at)).map(str::to_owned).collect();
        let control = &mut self.control;
        let even = eventually(EVEN_MAX + EVEN_MAX, async || {
            let owners = control.owners().await.map_err(|error| error.to_string())?;
            let shares = shares(&names, &owners);
            if is_even(&shares, owners.len()) { Ok(()) } else { Err(format!("shares are {shares:?}")) }
        });
        if let Err(error) = even.await {
            self.figures.late.push(format!("shares are not even: {error}"));
        }
        self.figures.even_ms.add(since.elapsed());
    }
}

/// Waits until every partition of `owned` shows another owner than `name`, and returns how long that took since
/// `began`; `None` if there was none to take.
async fn taken_over(control: &mut Control, name: &str, owned: &[usize], began: Instant) -> Result<Option<Duration>> {
    if owned.is_empty() {
        return Ok(None);
    }
    let taken = eventually(TAKE_OVER_PATIENCE, async || {
        let owners = control.owners().await.map_err(|error| error.to_string())?;
        let is_left = |partition: &&usize| owners[**partition].as_deref().is_none_or(|owner| owner == name);
        let left: Vec<&usize> = owned.iter().filter(is_left).collect();
        if left.is_empty() { Ok(began.elapsed()) } else { Err(format!("partitions {left:?} have no other owner")) }
    });
    Ok(Some(taken.await?))
}

/// Counts the partitions of each of `names`.
fn shares(names: &[String], owners: &[Option<String>]) -> Vec<usize> {
    names.iter().map(|name| owners.iter().flatten().filter(|owner| *owner == name).count()).collect()
}

/// Whether shares add up and differ by one at most.
fn is_even(shares: &[usize], partitions: usize) -> bool {
    let (least, most) = (shares.iter().min(), shares.iter().max());
    shares.iter().sum::<usize>() == partitions && least.zip(most).is_some_and(|(least, most)| most - least <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_if_they_differ_by_one() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let owners = |text: &str| -> Vec<Option<String>> {
            text.chars().map(|owner| (owner != '-').then(|| owner.to_string())).collect()
        };
        let even = |text: &str| is_even(&shares(&names, &owners(text)), text.len());
        assert!(even("abcabca"));
        assert!(!even("abcaba-"));
        assert!(!even("aaabbc"));
        assert!(!even("ddaabbcc"));
    }
}
