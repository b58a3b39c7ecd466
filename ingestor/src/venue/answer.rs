//! REST requests and what their answers mean.

use std::borrow::Cow;
use std::time::Duration;

use candlewire_common::candle::Bar;
use candlewire_common::time::UnixMillis;

/// One GET request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query under the base address, already escaped.
    pub path: String,
    /// What it takes of the venue's budget.
    pub cost: u32,
}

/// One candle of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// When it began.
    pub open_time: UnixMillis,
    /// Its numbers, not yet checked.
    pub bar: Bar,
    /// What the venue says of its end.
    pub state: RowState,
}

/// What a venue says of a candle's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowState {
    /// It is closed.
    Closed,
    /// It is not closed.
    Forming,
    /// Nothing: the clock decides.
    Unsaid,
}

/// Why a request brought no rows. The variants differ in what is to be done next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The venue wants fewer requests: all of them wait.
    #[error("too many requests: {reason}")]
    Limited {
        /// The venue's words.
        reason: Cow<'static, str>,
        /// How long to wait, where the venue says it.
        wait: Option<Duration>,
    },
    /// The venue does not know the instrument, or has no such candles of it.
    #[error("{0}")]
    UnknownSymbol(String),
    /// The venue refuses the request for good: a person must look.
    #[error("refused: {0}")]
    Refused(String),
    /// The venue is not there, or has a fault of its own: try again.
    #[error("{0}")]
    Unavailable(String),
    /// The answer is none that this venue gives: try again.
    #[error("answer can't be read: {0}")]
    Unreadable(String),
}

impl Failure {
    /// What a status means on any venue, where its body does not tell more.
    pub fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        /// The shortest ban of a venue that bans.
        const BANNED: Duration = Duration::from_mins(2);
        /// What Bybit asks of an address that was shut out.
        const SHUT_OUT: Duration = Duration::from_mins(10);
        let limited = |wait| Self::Limited { reason: format!("status {status}").into(), wait };
        match status {
            429 => limited(retry_after),
            418 => limited(Some(retry_after.unwrap_or(BANNED))),
            403 => limited(Some(retry_after.unwrap_or(SHUT_OUT))),
            400..=499 if status != 408 => Self::Refused(format!("status {status}")),
            _ => Self::Unavailable(format!("status {status}")),
        }
    }

    /// An answer whose shape is wrong.
    pub fn unreadable(error: impl std::fmt::Display) -> Self {
        Self::Unreadable(error.to_string())
    }
}
