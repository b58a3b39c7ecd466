//! Keeps a connection open for a set of subscriptions.
//!
//! When one ends, another is opened after a pause that grows until data comes again. One that is about to end by the
//! venue's word is replaced first: both are read until the new one has brought data, so that nothing falls between
//! them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::time::UnixMillis;
use futures_util::FutureExt;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::feed::News;
use crate::feed::backoff::Backoff;
use crate::feed::line::{Exchange, Line};
use crate::rest::budget::Budget;
use crate::venue::Subscription;
use crate::venue::event::Event;
use crate::venue::profile::Budget as Allowance;

/// The pause between two connections to one venue: every venue allows two a second.
const CONNECT_PAUSE: Duration = Duration::from_millis(500);

/// The pause before another attempt to replace a connection that is still good.
const REPLACE_PAUSE: Duration = Duration::from_secs(30);
/// How many connections may be opened to one address at once, and how many a minute: fewer than the least that any
/// venue is known to allow (Kraken: about 150 in ten minutes, Binance: 300 in five).
const CONNECTIONS: Allowance = Allowance { per_minute: 12, burst: 10, concurrent: 1, used: None };

/// Lets the connections to one address be opened in turn, with a pause between two, and not too many of them: a feed
/// that ends again and again after its first data must not shut the address out.
#[derive(Debug)]
pub struct Doorway {
    budget: Budget,
    /// When the next may connect.
    next: Mutex<Option<UnixMillis>>,
}

impl Doorway {
    /// A doorway that nobody has passed.
    pub fn new(clock: Clock) -> Self {
        Self { budget: Budget::new(CONNECTIONS, clock), next: Mutex::new(None) }
    }

    /// Waits for its turn.
    async fn pass(&self, clock: Clock) {
        let mut next = self.next.lock().await;
        self.budget.take(1).await;
        if let Some(next) = *next {
            clock.sleep_until(next).await;
        }
        *next = Some(clock.now().after(CONNECT_PAUSE));
    }
}

/// Keeps one connection open.
#[derive(Debug)]
pub struct Keeper {
    /// How to connect.
    pub exchange: Exchange,
    /// What the connection carries.
    pub subscriptions: Vec<Subscription>,
    /// Shared by the connections to one venue.
    pub doorway: Arc<Doorway>,
    /// Where the news go, with this connection's number.
    pub news: mpsc::Sender<(usize, News)>,
    /// Its number.
    pub number: usize,
    /// Asks for another connection.
    pub renew: Arc<Notify>,
}

/// What a connection's reading ended with.
enum Turn {
    /// It is over.
    Over(String),
    /// Another is to be opened before it ends.
    Replace(&'static str),
}

impl Keeper {
    /// Keeps it open until `stop`.
    ///
    /// # Errors
    ///
    /// None; it is a task.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
        Ok(())
    }

    async fn keep(&self) {
        let mut backoff = Backoff::default();
        loop {
            match self.open().await {
                Err(reason) => self.tell(News::Refused(reason)).await,
                Ok(line) => {
                    self.tell(News::Up).await;
                    let reason = self.read(line, &mut backoff).await;
                    self.tell(News::Down(reason)).await;
                }
            }
            self.exchange.clock.sleep(backoff.pause()).await;
        }
    }

    async fn open(&self) -> Result<Line, String> {
        self.doorway.pass(self.exchange.clock).await;
        Line::open(&self.exchange, &self.subscriptions).await
    }

    /// Reads a connection and those that replace it, until one is over unreplaced.
    async fn read(&self, mut line: Line, backoff: &mut Backoff) -> String {
        // A wish for another connection that came before this one is fulfilled.
        let _ = self.renew.notified().now_or_never();
        loop {
            match self.read_one(&mut line, backoff).await {
                Turn::Over(reason) => return reason,
                Turn::Replace(reason) => {
                    tracing::info!(
                        venue = self.exchange.venue.profile().name,
                        "another connection is opened: {reason}"
                    );
                    match self.replace(line, backoff).await {
                        Ok(next) => line = next,
                        Err(reason) => return reason,
                    }
                }
            }
        }
    }

    /// Hands on what a connection tells.
    async fn read_one(&self, line: &mut Line, backoff: &mut Backoff) -> Turn {
        let mut events = Vec::new();
        loop {
            let read = tokio::select! {
                read = line.next(&mut events) => read,
                () = self.renew.notified() => Err("REST shows candles of which it tells nothing".to_owned()),
            };
            if let Err(reason) = read {
                return Turn::Over(reason);
            }
            if let Some(turn) = self.hand_on(&mut events, backoff).await {
                return turn;
            }
        }
    }

    /// Reads the old connection until the new one has brought data, or the old one is over and the new one open. While
    /// no new one can be opened, the old one is good enough.
    async fn replace(&self, mut old: Line, backoff: &mut Backoff) -> Result<Line, String> {
        let mut events = Vec::new();
        let mut delay = Duration::ZERO;
        let mut new = loop {
            let opening = self.open_after(delay);
            tokio::pin!(opening);
            let opened = loop {
                tokio::select! {
                    opened = &mut opening => break opened,
                    read = old.next(&mut events) => self.went(read, &mut events, backoff).await?,
                }
            };
            match opened {
                Ok(new) => break new,
                Err(reason) => self.tell(News::Refused(reason)).await,
            }
            delay = REPLACE_PAUSE;
        };
        loop {
            let mut fresh = Vec::new();
            tokio::select! {
                read = new.next(&mut fresh) => {
                    let has_data = fresh.iter().any(Event::is_data);
                    self.went(read, &mut fresh, backoff).await?;
                    if has_data {
                        return Ok(new);
                    }
                }
                read = old.next(&mut events) => {
                    if self.went(read, &mut events, backoff).await.is_err() {
                        return Ok(new);
                    }
                }
            }
        }
    }

    async fn open_after(&self, delay: Duration) -> Result<Line, String> {
        self.exchange.clock.sleep(delay).await;
        self.open().await
    }

    /// Hands on what a connection told that is being replaced, or that replaces one.
    async fn went(
        &self,
        read: Result<(), String>,
        events: &mut Vec<Event>,
        backoff: &mut Backoff,
    ) -> Result<(), String> {
        read?;
        match self.hand_on(events, backoff).await {
            Some(Turn::Over(reason)) => Err(reason),
            // It is being replaced already.
            Some(Turn::Replace(_)) | None => Ok(()),
        }
    }

    async fn hand_on(&self, events: &mut Vec<Event>, backoff: &mut Backoff) -> Option<Turn> {
        let mut turn = None;
        for event in events.drain(..) {
            match &event {
                Event::Ending(reason) => turn = turn.or(Some(Turn::Replace(reason))),
                Event::Lost => turn = Some(Turn::Over("messages were lost".to_owned())),
                event if event.is_data() => backoff.reset(),
                _ => {}
            }
            self.tell(News::Told(event)).await;
        }
        turn
    }

    async fn tell(&self, news: News) {
        // Who takes the news ends last, or with the process.
        let _ = self.news.send((self.number, news)).await;
    }
}
