//! A connection to a feed, as its source sees it: which series it carries, and how far it is.

use std::sync::Arc;

use candlewire_common::time::UnixMillis;
use tokio::sync::Notify;

/// A connection.
#[derive(Debug)]
pub struct Connection {
    /// Asks for another one.
    pub renew: Arc<Notify>,
    /// The series it carries.
    pub series: Vec<usize>,
    /// How far it is.
    pub state: State,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It never stood.
    New,
    /// It stands since then, but may not bring everything yet.
    Up(UnixMillis),
    /// It brings everything.
    Complete,
    /// It is over.
    Down,
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(renew: Arc<Notify>, series: Vec<usize>) -> Self {
        Self { renew, series, state: State::New }
    }

    /// Whether it is open.
    pub fn stands(&self) -> bool {
        matches!(self.state, State::Up(_) | State::Complete)
    }
}
