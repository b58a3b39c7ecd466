//! Which open times of a series are known, as runs of candles without a gap.
//!
//! Tells a candle that is there already from one that came too late. A series without gaps is one
//! run; the oldest runs go first, and what lies before them counts as known. The runs are part of the
//! stored state, so that a restart changes no answer.

use std::collections::VecDeque;
use std::time::Duration;

use candlewire_common::time::UnixMillis;

/// The most runs kept. They are written with each state, 16 bytes a run, and a late candle is rarely
/// later than this many gaps.
const RUNS_MAX: usize = 16;

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
        Some(self.runs.iter().any(|(first, last)| {
            (*first..=*last).contains(&open_time) && (open_time.0.saturating_sub(first.0)) % step == 0
        }))
    }

    /// Appends the runs: their number, then first and last open time of each.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.runs.len()).unwrap_or(u8::MAX));
        for (first, last) in &self.runs {
            out.extend(first.0.to_le_bytes());
            out.extend(last.0.to_le_bytes());
        }
    }

    /// Reads runs from the front of `bytes`, and answers with the rest.
    pub(super) fn restore(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (count, mut rest) = bytes.split_first()?;
        let mut runs = VecDeque::new();
        for _ in 0..*count {
            let (first, after) = rest.split_first_chunk::<8>()?;
            let (last, after) = after.split_first_chunk::<8>()?;
            let run = [first, last].map(|bytes| UnixMillis(i64::from_le_bytes(*bytes)));
            runs.push_back((run[0], run[1]));
            rest = after;
        }
        (runs.len() <= RUNS_MAX).then_some((Self { runs }, rest))
    }
}
