//! What a venue says on a live connection besides data: greetings, acknowledgements, keep-alive.
//!
//! Owns what a connection knows about itself, and the rules by which clients are dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use super::feed::{Flow, Item, Sub};
use super::hub::{Hub, Subscribed};
use super::kind::VenueKind;

/// A live connection as its venue's protocol sees it.
pub(crate) struct Line {
    pub(crate) hub: Arc<Hub>,
    pub(crate) id: usize,
    pub(crate) opened_ms: i64,
    pub(crate) now_ms: i64,
    pub(crate) subs: Vec<Arc<Sub>>,
    /// To be sent now, before any data.
    pub(crate) replies: Vec<String>,
    /// To be sent as data, now.
    pub(crate) snapshots: Vec<String>,
    pub(crate) heard_ms: i64,
    pub(crate) sent_ms: i64,
    /// The last keep-alive message of the client that the protocol asks for.
    pub(crate) pinged_ms: i64,
    /// The oldest ping of the server that is not answered.
    pub(crate) unanswered_ms: Option<i64>,
    /// When the client's last messages came.
    pub(crate) messages: VecDeque<i64>,
    pub(crate) heartbeats: bool,
}

impl Line {
    pub(crate) fn new(hub: Arc<Hub>, id: usize) -> Self {
        let now_ms = hub.clock.now_ms();
        Self {
            hub,
            id,
            opened_ms: now_ms,
            now_ms,
            subs: Vec::new(),
            replies: Vec::new(),
            snapshots: Vec::new(),
            heard_ms: now_ms,
            sent_ms: now_ms,
            pinged_ms: now_ms,
            unanswered_ms: None,
            messages: VecDeque::new(),
            heartbeats: false,
        }
    }

    /// Returns a subscription, which is added unless it is there.
    pub(crate) fn subscribe(&mut self, symbol: &str, channel: &str, flow: Flow) -> Arc<Sub> {
        if let Some(sub) = self.subs.iter().find(|sub| sub.symbol == symbol && sub.channel == channel) {
            return Arc::clone(sub);
        }
        let wire = self.hub.kind.feed_symbol(symbol);
        let sub =
            Arc::new(Sub { symbol: symbol.to_owned(), wire, channel: channel.to_owned(), flow, since_ms: self.now_ms });
        self.subs.push(Arc::clone(&sub));
        self.show();
        sub
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, symbol: &str, channel: &str) {
        self.subs.retain(|sub| sub.symbol != symbol || sub.channel != channel);
        self.show();
    }

    fn show(&self) {
        let shown = |sub: &Arc<Sub>| Subscribed { symbol: sub.symbol.clone(), channel: sub.channel.clone() };
        self.hub.record().live.insert(self.id, self.subs.iter().map(shown).collect());
    }

    /// Takes in that the client sent something.
    pub(crate) fn count_message(&mut self) {
        self.heard_ms = self.now_ms;
        self.messages.push_back(self.now_ms);
        while self.messages.front().is_some_and(|&at_ms| at_ms <= self.now_ms - 1_000) {
            self.messages.pop_front();
        }
    }

    /// Returns why the venue drops this client, if it does.
    pub(crate) fn breach(&self) -> Option<&'static str> {
        let since = |ms: i64| self.now_ms - ms;
        match self.hub.kind {
            VenueKind::Binance if self.messages.len() > 5 => Some("more than 5 messages in a second"),
            VenueKind::Binance if self.unanswered_ms.is_some_and(|ms| since(ms) > 60_000) => Some("no pong for 60 s"),
            VenueKind::Binance if since(self.opened_ms) > 86_400_000 => Some("connected for 24 h"),
            VenueKind::Kraken if self.subs.is_empty() && since(self.heard_ms) > 60_000 => Some("idle for a minute"),
            VenueKind::Coinbase if self.messages.len() > 8 => Some("more than 8 messages in a second"),
            VenueKind::Coinbase if self.heartbeats => None,
            VenueKind::Coinbase if self.subs.is_empty() && since(self.opened_ms) > 5_000 => {
                Some("no subscription within 5 s")
            }
            VenueKind::Coinbase if since(self.sent_ms) > 90_000 => Some("nothing to send for 90 s"),
            VenueKind::Bybit if since(self.pinged_ms) > 30_000 => Some("no ping for 30 s"),
            VenueKind::Okx if since(self.heard_ms.max(self.sent_ms)) > 30_000 => Some("silence for 30 s"),
            _ => None,
        }
    }
}

/// What a venue's protocol has to say.
pub(crate) trait Talk: Send {
    /// Greets a new client.
    fn opened(&mut self, _line: &mut Line) {}
    /// Answers a text of the client.
    fn heard(&mut self, line: &mut Line, text: &str);
    /// Writes a message with data.
    fn encode(&mut self, item: &Item, now_ms: i64) -> String;
    /// Returns the heartbeat that is due every so many milliseconds.
    fn heartbeat(&mut self, _line: &Line) -> Option<String> {
        None
    }
    /// Fills in what depends on the order of messages on the connection.
    fn stamp(&mut self, text: &str) -> String {
        text.to_owned()
    }
    /// Counts a message that is never sent.
    fn leave_out(&mut self) {}
}

/// Time between two heartbeats, or pings of the server.
pub(crate) fn heartbeat_ms(kind: VenueKind) -> Option<i64> {
    match kind {
        VenueKind::Binance => Some(20_000),
        VenueKind::Kraken | VenueKind::Coinbase => Some(1_000),
        VenueKind::Oanda => Some(5_000),
        VenueKind::Bybit | VenueKind::Okx => None,
    }
}
