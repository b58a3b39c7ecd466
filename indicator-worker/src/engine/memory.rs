//! The first tier of the cache: the states of a partition's series, as of the committed position.
//!
//! Belongs to one partition's task and to one tenure of it: it is thrown away whenever a commit's
//! outcome is unknown or the partition is lost.

use std::collections::HashMap;
use std::time::Duration;

use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;

use crate::core::SeriesState;

/// What is known of a series' keys in Redis beside its state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyFacts {
    /// When the state hash expires; `None`: not known to.
    pub(super) expires: Option<UnixMillis>,
    /// The hash must be deleted before it is written: it shows what is no longer computed, or is no hash.
    pub(super) replace_hash: bool,
    /// The history must be deleted before it is written: it is no stream, or disagrees with the state.
    pub(super) replace_history: bool,
    /// Whether the last transaction extended the hash's time to live.
    pub(super) just_extended: bool,
    /// Whether the series was counted as ready; `None`: not counted yet.
    pub(super) counted: Option<bool>,
}

/// The states held, and the facts of their keys.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) states: HashMap<Series, SeriesState>,
    pub(super) facts: HashMap<Series, KeyFacts>,
}

impl KeyFacts {
    /// Whether the hash's time to live is due to be extended: once half of it is used.
    pub(super) fn extends(&self, now: UnixMillis, ttl: Duration) -> bool {
        self.expires.is_none_or(|expires| expires < now.after(ttl / 2))
    }
}
