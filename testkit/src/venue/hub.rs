//! What all servers and connections of a mock venue share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::budget::Budget;
use super::clock::VirtualClock;
use super::kind::VenueKind;
use super::market::Market;
use super::script::Script;

/// How many requests are kept.
const REQUESTS_KEPT: usize = 100_000;

/// A REST request that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestRequest {
    /// When, in virtual time.
    pub at_ms: i64,
    /// Path and query.
    pub path_and_query: String,
    /// The canonical symbol; `None` if the venue doesn't know the one asked for.
    pub symbol: Option<String>,
    /// The status it was answered with, 0 if it was not.
    pub status: u16,
    /// Open times of the candles in the answer, in its order.
    pub rows: Vec<i64>,
}

/// A live subscription of an open connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subscribed {
    /// The canonical symbol.
    pub symbol: String,
    /// The channel as the venue names it.
    pub channel: String,
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) requests: Vec<RestRequest>,
    pub(crate) connections: usize,
    pub(crate) violations: Vec<String>,
    pub(crate) live: BTreeMap<usize, Vec<Subscribed>>,
    budgets: BTreeMap<String, Budget>,
}

impl Record {
    /// Returns the budget that counts requests to `path`.
    pub(crate) fn budget(&mut self, kind: VenueKind, path: &str) -> &mut Budget {
        // OKX counts each endpoint by itself.
        let name = if kind == VenueKind::Okx { path.to_owned() } else { String::new() };
        self.budgets.entry(name).or_default()
    }

    pub(crate) fn asked(&mut self, request: RestRequest) {
        if self.requests.len() < REQUESTS_KEPT {
            self.requests.push(request);
        }
    }
}

/// What all servers and connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) kind: VenueKind,
    pub(crate) market: Market,
    pub(crate) clock: VirtualClock,
    script: Mutex<Script>,
    record: Mutex<Record>,
}

impl Hub {
    pub(crate) fn new(kind: VenueKind, market: Market, clock: VirtualClock, script: Script) -> Self {
        Self { kind, market, clock, script: Mutex::new(script), record: Mutex::default() }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the canonical name of what REST calls `name`.
    pub(crate) fn by_rest(&self, name: &str) -> Option<String> {
        self.market.symbols().iter().find(|symbol| self.kind.rest_symbol(symbol) == name).cloned()
    }

    /// Returns the canonical name of what the live feed calls `name`.
    pub(crate) fn by_feed(&self, name: &str) -> Option<String> {
        self.market.symbols().iter().find(|symbol| self.kind.feed_symbol(symbol) == name).cloned()
    }
}
