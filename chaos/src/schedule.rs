//! The schedule: which faults come, in which order, with which random numbers.
//!
//! It is a pure function of the seed, the number of faults and of workers, and the lease. It alternates between storms,
//! in which faults fall over each other, and calm spells, in which one worker at a time is lost and how long the others
//! take is measured. Who is hit is decided when the fault comes, by the numbers that stand here.

use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A worker is killed.
    Kill,
    /// A worker is frozen for longer than its lease, and wakes up as a zombie.
    Freeze,
    /// A worker is frozen for a moment.
    Blink,
    /// A worker is told to stop.
    Stop,
    /// A worker joins.
    Join,
    /// Redis is killed and comes back with its append-only file.
    RedisKill,
    /// Redis is killed and comes back without the end of its append-only file.
    RedisLoss,
    /// Redis is frozen for a moment.
    RedisPause,
    /// A worker's connections are cut.
    Cut,
    /// A worker's commit is carried out and its connection cut before the reply.
    LostReply,
    /// Half of a worker's commit arrives.
    HalfRequest,
    /// A worker's connections hang for longer than its lease.
    Hang,
    /// A worker's connections are cut and no new ones accepted for a while.
    Refuse,
    /// Redis is out of memory for a while.
    OutOfMemory,
    /// The scripts are flushed.
    ScriptFlush,
    /// Redis closes the connections of all clients.
    ClientKill,
    /// State hashes vanish, as by eviction.
    DeleteStates,
    /// The workers' consumer group of some partitions is destroyed.
    DestroyGroup,
}

impl Kind {
    /// Every kind, in the order of the report.
    pub const ALL: [Self; 18] = [
        Self::Kill,
        Self::Freeze,
        Self::Blink,
        Self::Stop,
        Self::Join,
        Self::RedisKill,
        Self::RedisLoss,
        Self::RedisPause,
        Self::Cut,
        Self::LostReply,
        Self::HalfRequest,
        Self::Hang,
        Self::Refuse,
        Self::OutOfMemory,
        Self::ScriptFlush,
        Self::ClientKill,
        Self::DeleteStates,
        Self::DestroyGroup,
    ];

    /// Says what happened, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Kill => "worker killed",
            Self::Freeze => "worker frozen past its lease",
            Self::Blink => "worker frozen for a moment",
            Self::Stop => "worker told to stop",
            Self::Join => "worker joined",
            Self::RedisKill => "redis killed",
            Self::RedisLoss => "redis killed, tail lost",
            Self::RedisPause => "redis frozen for a moment",
            Self::Cut => "connections cut",
            Self::LostReply => "reply of a commit lost",
            Self::HalfRequest => "half of a commit sent",
            Self::Hang => "connections hung past lease",
            Self::Refuse => "connections refused",
            Self::OutOfMemory => "redis out of memory",
            Self::ScriptFlush => "scripts flushed",
            Self::ClientKill => "all clients disconnected",
            Self::DeleteStates => "states deleted",
            Self::DestroyGroup => "consumer groups destroyed",
        }
    }
}

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is broken.
    pub kind: Kind,
    /// Whether nothing else is broken meanwhile, and its effect is measured.
    pub is_calm: bool,
    /// Chooses who is hit, and how much.
    pub pick: u64,
    /// How long it lasts, where it lasts.
    pub lasts: Duration,
    /// The pause after it.
    pub pause: Duration,
}

/// How the schedule is made.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What all randomness comes from.
    pub seed: u64,
    /// How many faults.
    pub faults: usize,
    /// How many workers there can be.
    pub workers_max: usize,
    /// The workers' lease.
    pub lease_ttl: Duration,
}

/// The workers at the beginning.
pub fn workers_at_first(workers_max: usize) -> usize {
    workers_max.clamp(1, 2)
}

/// A storm's kinds: each comes about as often as it stands here.
const STORM: [Kind; 32] = [
    Kind::Kill,
    Kind::Kill,
    Kind::Join,
    Kind::Join,
    Kind::Join,
    Kind::Freeze,
    Kind::Blink,
    Kind::Blink,
    Kind::Stop,
    Kind::RedisKill,
    Kind::RedisLoss,
    Kind::RedisPause,
    Kind::RedisPause,
    Kind::Cut,
    Kind::Cut,
    Kind::Cut,
    Kind::LostReply,
    Kind::LostReply,
    Kind::LostReply,
    Kind::HalfRequest,
    Kind::HalfRequest,
    Kind::Hang,
    Kind::Refuse,
    Kind::OutOfMemory,
    Kind::OutOfMemory,
    Kind::ScriptFlush,
    Kind::ClientKill,
    Kind::DeleteStates,
    Kind::DeleteStates,
    Kind::DeleteStates,
    Kind::DestroyGroup,
    Kind::DestroyGroup,
];

/// How many faults a storm has.
const STORM_FAULTS: std::ops::Range<usize> = 14..19;

/// Makes the schedule.
pub fn schedule(terms: Terms) -> Vec<Fault> {
    Maker {
        terms,
        random: Rng::with_seed(terms.seed),
        alive: workers_at_first(terms.workers_max),
        deck: Vec::new(),
        faults: Vec::with_capacity(terms.faults),
    }
    .make()
}

/// A schedule in the making.
struct Maker {
    terms: Terms,
    random: Rng,
    /// How many workers live at this point.
    alive: usize,
    deck: Vec<Kind>,
    faults: Vec<Fault>,
}

impl Maker {
    fn make(mut self) -> Vec<Fault> {
        while self.faults.len() < self.terms.faults {
            for _ in 0..self.random.usize(STORM_FAULTS) {
                let kind = self.draw();
                self.add(kind, false);
            }
            if self.terms.workers_max > 1 {
                self.add_calm();
            }
        }
        self.faults.truncate(self.terms.faults);
        self.faults
    }

    /// Takes the next kind of the shuffled deck that is possible now. Each deck is used up before the next one, so
    /// that no kind is missing from a few dozen faults.
    fn draw(&mut self) -> Kind {
        loop {
            if self.deck.is_empty() {
                self.deck = STORM.to_vec();
                self.random.shuffle(&mut self.deck);
            }
            match self.deck.pop() {
                Some(Kind::Join) | None if self.alive == self.terms.workers_max => {}
                Some(kind) => return kind,
                None => {}
            }
        }
    }

    /// A calm spell: workers are lost to one another, one that comes back as a zombie last.
    fn add_calm(&mut self) {
        let losses = self.random.usize(1..3);
        // Two must be left for the last of the spell.
        while self.alive < (losses + 2).min(self.terms.workers_max) {
            self.add(Kind::Join, true);
        }
        for _ in 0..losses {
            if self.alive > 1 {
                let kind = if self.random.bool() { Kind::Kill } else { Kind::Stop };
                self.add(kind, true);
            }
        }
        if self.alive > 1 {
            let kind = if self.random.bool() { Kind::Freeze } else { Kind::Hang };
            self.add(kind, true);
        }
    }

    fn add(&mut self, kind: Kind, is_calm: bool) {
        let random = &mut self.random;
        let lease_ms = u64::try_from(self.terms.lease_ttl.as_millis()).unwrap_or(u64::MAX);
        let lasts_ms = match kind {
            Kind::Freeze | Kind::Hang => lease_ms + random.u64(lease_ms / 4..lease_ms),
            Kind::RedisLoss => random.u64(200..700),
            Kind::RedisKill => random.u64(0..400),
            Kind::Refuse => random.u64(100..1_500),
            Kind::RedisPause | Kind::Blink | Kind::OutOfMemory => random.u64(20..300),
            _ => 0,
        };
        // Mostly short, so that a fault meets the traces of the one before; now and then long enough to recover.
        let pause_ms = if random.u8(0..6) == 0 { random.u64(100..400) } else { random.u64(0..80) };
        self.faults.push(Fault {
            kind,
            is_calm,
            pick: random.u64(..),
            lasts: Duration::from_millis(lasts_ms),
            pause: Duration::from_millis(pause_ms),
        });
        match kind {
            Kind::Join => self.alive += 1,
            // The last worker is started again at once.
            Kind::Kill | Kind::Stop if self.alive > 1 => self.alive -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(seed: u64, faults: usize, workers_max: usize) -> Terms {
        Terms { seed, faults, workers_max, lease_ttl: Duration::from_secs(1) }
    }

    #[test]
    fn schedule_is_a_function_of_the_seed() {
        let one = schedule(terms(7, 500, 4));
        assert_eq!(one, schedule(terms(7, 500, 4)));
        assert_ne!(one, schedule(terms(8, 500, 4)));
        // A shorter run is the beginning of a longer one, so that a failing seed can be cut short.
        assert_eq!(one[..200], schedule(terms(7, 200, 4))[..]);
    }

    #[test]
    fn a_few_dozen_faults_hold_every_kind() {
        for seed in 0..200 {
            let schedule = schedule(terms(seed, 60, 4));
            assert_eq!(schedule.len(), 60);
            for kind in Kind::ALL {
                assert!(schedule.iter().any(|fault| fault.kind == kind), "{kind:?} with seed {seed}");
            }
        }
    }

    #[test]
    fn there_are_never_too_many_or_no_workers() {
        for workers_max in 1..=4 {
            let mut alive = workers_at_first(workers_max);
            for fault in schedule(terms(11, 2_000, workers_max)) {
                match fault.kind {
                    Kind::Join => alive += 1,
                    Kind::Kill | Kind::Stop if alive > 1 => alive -= 1,
                    _ => {}
                }
                assert!((1..=workers_max).contains(&alive));
                assert!(!fault.is_calm || fault.kind == Kind::Join || workers_max > 1);
            }
        }
    }
}
