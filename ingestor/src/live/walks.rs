//! The questions of a source to its venue's REST, each a walk through pages.
//!
//! One page at a time is asked for each, and the most urgent question is asked next: a walk through a year of history
//! holds nobody up. Nothing is asked while the series' outbox is crowded, and that holds up no other either.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::time::UnixMillis;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::live::outbox::Outbox;
use crate::live::sequence::Purpose;
use crate::rest::client::RestClient;
use crate::rest::walk::{Page, Requested, Witness, page};
use crate::venue::answer::Failure;
use crate::venue::pager::Pager;

/// How many results may wait to be taken.
const RESULTS_MAX: usize = 64;
/// How often a crowded outbox is looked at again.
const ROOM_EVERY: Duration = Duration::from_millis(200);

/// What asking brought.
#[derive(Debug)]
pub enum Brought {
    /// A request ended so.
    Requested(Requested),
    /// The venue wants silence.
    Limited(String, Duration),
    /// A page, or why there is none, and the walk it belongs to.
    Page(Walk, Result<Page, Failure>),
}

/// The number of a series and of its question, and what asking brought.
pub type Delivery = (usize, u64, Brought);

/// Which questions are asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Those for which a closed candle waits.
    Urgent,
    /// The others, in the order in which they came up: history is not to wait for ever.
    Ordinary,
}

impl From<Purpose> for Rank {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Confirm | Purpose::Gap => Self::Urgent,
            Purpose::Overdue | Purpose::Warmup => Self::Ordinary,
        }
    }
}

/// A walk between two pages.
pub struct Walk {
    id: u64,
    rank: Rank,
    pager: Box<dyn Pager>,
    outbox: Arc<Outbox>,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Walk {{ id: {}, rank: {:?} }}", self.id, self.rank)
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The series has a question to ask.
    Ask(usize),
    /// A page is being asked for.
    Asked,
}

/// Questions, asked and to be asked.
#[derive(Debug)]
pub struct Walks {
    client: RestClient,
    clock: Clock,
    ready: BTreeSet<(Rank, UnixMillis, usize)>,
    /// Where in `ready` a series is.
    places: HashMap<usize, (Rank, UnixMillis)>,
    /// Walks that wait for their next page.
    paused: HashMap<usize, Walk>,
    tasks: JoinSet<()>,
    under_way: usize,
    results: mpsc::Sender<Delivery>,
}

impl Walks {
    /// No questions yet; what they bring comes out of the receiver.
    pub fn new(client: RestClient, clock: Clock) -> (Self, mpsc::Receiver<Delivery>) {
        let (results, receiver) = mpsc::channel(RESULTS_MAX);
        let (ready, places, paused) = (BTreeSet::new(), HashMap::new(), HashMap::new());
        (Self { client, clock, ready, places, paused, tasks: JoinSet::new(), under_way: 0, results }, receiver)
    }

    /// The way to the venue's REST.
    pub fn client(&self) -> &RestClient {
        &self.client
    }

    /// Notes that a series has a question since now; one of the same rank keeps its place.
    pub fn push(&mut self, purpose: Purpose, now: UnixMillis, series: usize) {
        self.place(Rank::from(purpose), now, series);
    }

    fn place(&mut self, rank: Rank, now: UnixMillis, series: usize) {
        match self.places.get(&series).copied() {
            Some((same, _)) if same == rank => return,
            Some((other, since)) => {
                self.ready.remove(&(other, since, series));
            }
            None => {}
        }
        self.places.insert(series, (rank, now));
        self.ready.insert((rank, now, series));
    }

    /// Drops a question that no longer counts; a page that is under way is still taken.
    pub fn cancel(&mut self, series: usize) {
        self.paused.remove(&series);
        if let Some((rank, since)) = self.places.remove(&series) {
            self.ready.remove(&(rank, since, series));
        }
    }

    /// The most urgent thing to be done, if another page may be asked for now.
    pub fn turn(&mut self) -> Option<Turn> {
        if self.under_way >= self.client.budget().allowance().concurrent {
            return None;
        }
        let is_free = |series: &usize| self.paused.get(series).is_none_or(|walk| walk.outbox.has_room());
        let next = self.ready.iter().copied().find(|(_, _, series)| is_free(series))?;
        let (_, _, series) = next;
        self.ready.remove(&next);
        self.places.remove(&series);
        let Some(walk) = self.paused.remove(&series) else { return Some(Turn::Ask(series)) };
        self.run(series, walk);
        Some(Turn::Asked)
    }

    /// Whether a question waits for room in an outbox only.
    pub fn room_at(&self, now: UnixMillis) -> Option<UnixMillis> {
        let is_held = self.paused.values().any(|walk| !walk.outbox.has_room());
        is_held.then(|| now.after(ROOM_EVERY))
    }

    /// Whether a question that soon is of no use any more can be asked at once, and keeps no other waiting.
    pub fn has_spare(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty() && self.client.budget().is_rested()
    }

    /// Asks a question: its first page now, where the outbox has room.
    pub fn start(
        &mut self,
        series: usize,
        id: u64,
        purpose: Purpose,
        pager: Box<dyn Pager>,
        outbox: Arc<Outbox>,
        now: UnixMillis,
    ) {
        let walk = Walk { id, rank: Rank::from(purpose), pager, outbox };
        if walk.outbox.has_room() {
            self.run(series, walk);
        } else {
            self.pause(series, walk, now);
        }
    }

    fn pause(&mut self, series: usize, walk: Walk, now: UnixMillis) {
        self.place(walk.rank, now, series);
        self.paused.insert(series, walk);
    }

    fn run(&mut self, series: usize, mut walk: Walk) {
        self.under_way += 1;
        let (client, clock, results) = (self.client.clone(), self.clock, self.results.clone());
        self.tasks.spawn(async move {
            let mut channel = Channel { series, id: walk.id, results };
            let page = page(&client, clock, walk.pager.as_mut(), &mut channel).await;
            channel.send(Brought::Page(walk, page)).await;
        });
    }

    /// Takes a walk back whose page was taken, to go on with it if it `counts`; answers with whether it goes on.
    pub fn paged(&mut self, series: usize, walk: Walk, counts: bool, now: UnixMillis) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let goes_on = counts && walk.pager.request().is_some();
        if goes_on {
            self.pause(series, walk, now);
        }
        goes_on
    }

    /// Looks whether all tasks ended as they should.
    ///
    /// # Errors
    ///
    /// That one broke off, which is a fault of the program.
    pub fn check(&mut self) -> Result<()> {
        while let Some(ended) = self.tasks.try_join_next() {
            ended.context("a question to a venue broke off")?;
        }
        Ok(())
    }
}

/// Hands on what asking brings.
struct Channel {
    series: usize,
    id: u64,
    results: mpsc::Sender<Delivery>,
}

impl Channel {
    async fn send(&self, brought: Brought) {
        // Who takes the results ends last, or with the process.
        let _ = self.results.send((self.series, self.id, brought)).await;
    }
}

impl Witness for Channel {
    async fn limited(&mut self, reason: &str, wait: Duration) {
        self.send(Brought::Limited(reason.to_owned(), wait)).await;
    }

    async fn requested(&mut self, outcome: Requested) {
        self.send(Brought::Requested(outcome)).await;
    }
}
