//! The questions of a source to its venue's REST: those that are to be asked, the most urgent first, and those that
//! are being asked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::time::UnixMillis;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::live::outbox::Outbox;
use crate::live::sequence::Purpose;
use crate::rest::client::RestClient;
use crate::rest::walk::{Requested, Sink, walk};
use crate::venue::answer::{Failure, Row};
use crate::venue::pager::Pager;

/// How many results may wait to be taken.
const RESULTS_MAX: usize = 64;

/// What a walk brought.
#[derive(Debug)]
pub enum Brought {
    /// Rows of a page.
    Rows(Vec<Row>),
    /// A request ended so.
    Requested(Requested),
    /// The venue wants silence.
    Limited(String, Duration),
    /// The walk is over.
    Ended(Result<(), Failure>),
}

/// The number of a series and of its question, and what the walk brought.
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

/// Questions, asked and to be asked.
#[derive(Debug)]
pub struct Walks {
    client: RestClient,
    clock: Clock,
    ready: BTreeSet<(Rank, UnixMillis, usize)>,
    /// Where in `ready` a series is.
    places: HashMap<usize, (Rank, UnixMillis)>,
    running: JoinSet<()>,
    under_way: usize,
    results: mpsc::Sender<Delivery>,
}

impl Walks {
    /// No questions yet; what they bring comes out of the receiver.
    pub fn new(client: RestClient, clock: Clock) -> (Self, mpsc::Receiver<Delivery>) {
        let (results, receiver) = mpsc::channel(RESULTS_MAX);
        let (ready, places, running) = (BTreeSet::new(), HashMap::new(), JoinSet::new());
        let walks = Self { client, clock, ready, places, running, under_way: 0, results };
        (walks, receiver)
    }

    /// The way to the venue's REST.
    pub fn client(&self) -> &RestClient {
        &self.client
    }

    /// Notes that a series has a question since now; one of the same rank keeps its place.
    pub fn push(&mut self, purpose: Purpose, now: UnixMillis, series: usize) {
        let rank = Rank::from(purpose);
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

    /// The most urgent series, if another question may be asked now.
    pub fn pop(&mut self) -> Option<usize> {
        while self.running.try_join_next().is_some() {}
        if self.under_way >= self.client.budget().allowance().concurrent {
            return None;
        }
        let (_, _, series) = self.ready.pop_first()?;
        self.places.remove(&series);
        Some(series)
    }

    /// Whether a question that soon is of no use any more can be asked at once, and keeps no other waiting.
    pub fn has_spare(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty() && self.client.budget().is_rested()
    }

    /// Asks a question.
    pub fn start(&mut self, series: usize, id: u64, mut pager: Box<dyn Pager>, outbox: Arc<Outbox>) {
        self.under_way += 1;
        let (client, clock, results) = (self.client.clone(), self.clock, self.results.clone());
        self.running.spawn(async move {
            let mut sink = Channel { series, id, outbox, results };
            let ended = walk(&client, clock, pager.as_mut(), &mut sink).await;
            sink.send(Brought::Ended(ended)).await;
        });
    }

    /// Notes that a walk is over.
    pub fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

/// Hands on what a walk brings.
struct Channel {
    series: usize,
    id: u64,
    outbox: Arc<Outbox>,
    results: mpsc::Sender<Delivery>,
}

impl Channel {
    async fn send(&self, brought: Brought) {
        // Who takes the results ends last, or with the process.
        let _ = self.results.send((self.series, self.id, brought)).await;
    }
}

impl Sink for Channel {
    async fn room(&mut self) {
        self.outbox.room().await;
    }

    async fn rows(&mut self, rows: Vec<Row>) {
        self.send(Brought::Rows(rows)).await;
    }

    async fn limited(&mut self, reason: &str, wait: Duration) {
        self.send(Brought::Limited(reason.to_owned(), wait)).await;
    }

    async fn requested(&mut self, outcome: Requested) {
        self.send(Brought::Requested(outcome)).await;
    }
}
