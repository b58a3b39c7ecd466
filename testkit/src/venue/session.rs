//! One live connection of a mock venue.
//!
//! Owns the loop that hears the client, says what is due, and lets the script's faults have their way with it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::feed::{Flow, Item, happenings};
use super::hub::Hub;
use super::kind::VenueKind;
use super::market::mix;
use super::script::{Cut, Fault, FaultKind, Script};
use super::talk::{Line, Talk, heartbeat_ms};
use super::wire::{Gone, Heard, Wire};

/// Real time between two looks at the clock.
const TICK: Duration = Duration::from_millis(4);

/// How a connection ends.
enum End {
    Gone,
    Cut(Cut),
    Halve(String),
    Close,
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// A live connection.
pub(crate) struct Session {
    line: Line,
    talk: Box<dyn Talk>,
    wire: Wire,
    script: Script,
    /// By due time and order.
    queue: BTreeMap<(i64, u64), Item>,
    queued: u64,
    /// By symbol, kept back to be overtaken.
    held: HashMap<String, Item>,
    said: u64,
    jumped: bool,
    sent_at_ms: i64,
}

impl Session {
    /// Serves a client until the connection ends.
    pub(crate) async fn run(hub: Arc<Hub>, id: usize, wire: Wire, talk: Box<dyn Talk>) {
        let script = hub.script().clone();
        let line = Line::new(Arc::clone(&hub), id);
        let sent_at_ms = line.now_ms;
        let mut session = Self {
            line,
            talk,
            wire,
            script,
            queue: BTreeMap::new(),
            queued: 0,
            held: HashMap::new(),
            said: 0,
            jumped: false,
            sent_at_ms,
        };
        let end = session.talk_on().await;
        hub.record().live.remove(&id);
        match end {
            Err(End::Cut(cut)) => session.wire.cut(cut),
            Err(End::Halve(text)) => session.wire.halve(&text).await,
            Err(End::Close) => session.wire.close().await,
            Err(End::Gone) | Ok(()) => {}
        }
    }

    async fn talk_on(&mut self) -> Result<(), End> {
        self.talk.opened(&mut self.line);
        loop {
            let dead = self.script.dead(self.line.opened_ms, self.line.now_ms);
            tokio::select! {
                heard = self.wire.hear(), if !dead => {
                    self.line.now_ms = self.line.now_ms.max(self.line.hub.clock.now_ms());
                    self.hear(heard?);
                }
                () = sleep(TICK) => {}
            }
            self.catch_up().await?;
        }
    }

    fn hear(&mut self, heard: Heard) {
        self.line.count_message();
        match heard {
            Heard::Text(text) => self.talk.heard(&mut self.line, &text),
            Heard::Pong => self.line.unanswered_ms = None,
            Heard::Other => {}
        }
    }

    /// Says all that has become due.
    async fn catch_up(&mut self) -> Result<(), End> {
        let (from_ms, to_ms) = (self.sent_at_ms, self.line.hub.clock.now_ms());
        self.sent_at_ms = to_ms;
        self.line.now_ms = to_ms;
        self.script = self.line.hub.script().clone();
        for sub in self.line.subs.clone() {
            for item in happenings(&self.line.hub, &self.script, &sub, from_ms, to_ms) {
                self.queued += 1;
                self.queue.insert((item.due_ms, self.queued), item);
            }
        }
        if let Some(cut) = self.script.begins(from_ms, to_ms, |fault| match fault.kind {
            FaultKind::SocketCut(cut) => Some(cut),
            _ => None,
        }) {
            return Err(End::Cut(cut));
        }
        if self.script.dead(self.line.opened_ms, to_ms) {
            self.queue.retain(|&(due_ms, _), _| due_ms > to_ms);
            self.line.replies.clear();
            self.line.snapshots.clear();
            return Ok(());
        }
        if let Some(reason) = self.line.breach().filter(|_| self.script.enforce_rules) {
            let hub = &self.line.hub;
            hub.record().violations.push(format!("connection {}: {reason} at {to_ms}", self.line.id));
            return Err(End::Close);
        }
        for reply in std::mem::take(&mut self.line.replies) {
            self.send(&reply).await?;
        }
        self.shut_down(from_ms, to_ms).await?;
        for text in std::mem::take(&mut self.line.snapshots) {
            if !self.script.silent(self.line.opened_ms, to_ms) {
                self.send(&text).await?;
            }
        }
        let later = self.queue.split_off(&(to_ms + 1, 0));
        for (_, item) in std::mem::replace(&mut self.queue, later) {
            if self.line.subs.contains(&item.sub) {
                self.data(item).await?;
            }
        }
        self.keep_alive(from_ms, to_ms).await
    }

    async fn send(&mut self, text: &str) -> Result<(), End> {
        let text = self.talk.stamp(text);
        self.put(&text).await
    }

    /// Sends a text as it is.
    async fn put(&mut self, text: &str) -> Result<(), End> {
        self.line.sent_ms = self.line.now_ms;
        Ok(self.wire.send(text).await?)
    }

    async fn shut_down(&mut self, from_ms: i64, to_ms: i64) -> Result<(), End> {
        if self.line.hub.kind != VenueKind::Binance {
            return Ok(());
        }
        let shutdown = |fault: &Fault| (fault.kind == FaultKind::ServerShutdown).then_some(fault.to_ms);
        if self.script.begins(from_ms, to_ms, shutdown).is_some() {
            let event = format!(r#"{{"e":"serverShutdown","E":{to_ms}}}"#);
            self.send(&event).await?;
        }
        let over = |fault: &&Fault| {
            fault.kind == FaultKind::ServerShutdown
                && self.line.opened_ms < fault.from_ms
                && (from_ms + 1..=to_ms).contains(&fault.to_ms)
        };
        if self.script.faults.iter().any(|fault| over(&fault)) { Err(End::Close) } else { Ok(()) }
    }

    async fn keep_alive(&mut self, from_ms: i64, to_ms: i64) -> Result<(), End> {
        let Some(every_ms) = heartbeat_ms(self.line.hub.kind) else { return Ok(()) };
        let beat = |ms: i64| (ms - self.line.opened_ms).div_euclid(every_ms);
        if beat(from_ms) == beat(to_ms) {
            return Ok(());
        }
        if self.line.hub.kind == VenueKind::Binance {
            self.line.unanswered_ms.get_or_insert(to_ms);
            return Ok(self.wire.ping(&to_ms.to_string()).await?);
        }
        match self.talk.heartbeat(&self.line) {
            Some(text) => {
                let text = self.talk.stamp(&text);
                Ok(self.wire.send(&text).await?)
            }
            None => Ok(()),
        }
    }

    /// Says one item of data, as far as the script lets it.
    async fn data(&mut self, item: Item) -> Result<(), End> {
        let due_ms = item.due_ms;
        if self.script.silent(self.line.opened_ms, due_ms) || self.lost(&item) {
            return Ok(());
        }
        if !self.jumped && item.sub.flow == Flow::Trades && self.script.has(due_ms, FaultKind::SequenceJump) {
            self.jumped = true;
            self.talk.leave_out();
            return Ok(());
        }
        for item in self.in_order(item) {
            self.said += 1;
            let text = self.talk.encode(&item, self.line.now_ms);
            let text = self.talk.stamp(&text);
            let opened_ms = self.line.opened_ms;
            let halve = |fault: &Fault| (fault.kind == FaultKind::HalfFrame && opened_ms < fault.from_ms).then_some(());
            if self.script.at(due_ms, halve).is_some() {
                return Err(End::Halve(text));
            }
            self.put(&text).await?;
            if self.script.has(due_ms, FaultKind::Duplicates) {
                self.put(&text).await?;
            }
            if self.script.has(due_ms, FaultKind::UnknownMessages) {
                self.unknown().await?;
            }
            if self.script.has(due_ms, FaultKind::BadData) {
                let text = self.talk.encode(&item.wrong(self.said), self.line.now_ms);
                self.send(&text).await?;
            }
        }
        Ok(())
    }

    fn lost(&self, item: &Item) -> bool {
        let percent = self.script.at(item.due_ms, |fault| match fault.kind {
            FaultKind::ClosingLost { percent } => Some(percent),
            _ => None,
        });
        let dice = mix(item.open_time_ms.cast_unsigned() ^ item.bar.close.cast_unsigned()) % 100;
        item.closing && percent.is_some_and(|percent| dice < u64::from(percent))
    }

    /// Returns what is to be sent now: nothing if the item is held back, it and the one before, or it alone.
    fn in_order(&mut self, item: Item) -> Vec<Item> {
        let key = format!("{} {}", item.sub.channel, item.sub.symbol);
        let across = self.script.at(item.due_ms, |fault| match fault.kind {
            FaultKind::Reordered { across_candles } => Some(across_candles),
            _ => None,
        });
        let flagged = self.line.hub.kind.flags_close();
        match self.held.remove(&key) {
            Some(held) if flagged || across == Some(true) || held.same_candle(&item) => vec![item, held],
            Some(held) => vec![held, item],
            None if across.is_some() && (item.closing || !flagged) => {
                self.held.insert(key, item);
                Vec::new()
            }
            None => vec![item],
        }
    }

    /// Sends the next kind of message that nobody knows.
    async fn unknown(&mut self) -> Result<(), End> {
        match self.said % 4 {
            0 => self.send(r#"{"type":"mystery","event":"mystery","e":"mystery","channel":"mystery","n":1}"#).await,
            1 => self.send("this is not JSON").await,
            2 => Ok(self.wire.send_binary().await?),
            _ => self.send("").await,
        }
    }
}
