//! Which open times of a series are known, as runs of candles without a gap.
//!
//! Tells a candle that is there already from one that came too late. A series without gaps is one
//! run; the oldest runs go first, and what lies before them counts as known.

use std::collections::VecDeque;
use std::time::Duration;

use candlewire_common::time::UnixMillis;

/// The most runs kept: a year of FX weekends, with room.
const RUNS_MAX: usize = 128;

/// Runs of open times, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Opened {
    runs: VecDeque<(UnixMillis, UnixMillis)>,
}

impl Opened {
    /// Adds the newest open time.
    pub(super) fn push(&mut self, open_time: UnixMillis, step: Duration) {
        match self.runs.back_mut() {
            Some((_, last)) if last.after(step) == open_time => *last = open_time,
            _ => {
                if self.runs.len() == RUNS_MAX {
                    self.runs.pop_front();
                }
                self.runs.push_back((open_time, open_time));
            }
        }
    }

    /// Whether an open time that is not the newest was applied: `None` where it lies before all that
    /// is remembered.
    pub(super) fn contains(&self, open_time: UnixMillis, step: Duration) -> Option<bool> {
        if self.runs.front().is_none_or(|(first, _)| open_time < *first) {
            return None;
        }
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        Some(
            self.runs
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&open_time) && (open_time.0 - first.0) % step == 0),
        )
    }
}
