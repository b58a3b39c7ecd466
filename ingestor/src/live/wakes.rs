//! When something is to be done for a series though nothing comes: one time for each, the next one counts.

use std::collections::{BTreeSet, HashMap};

use candlewire_common::time::UnixMillis;

/// The times of all series.
#[derive(Debug, Default)]
pub struct Wakes {
    order: BTreeSet<(UnixMillis, usize)>,
    times: HashMap<usize, UnixMillis>,
}

impl Wakes {
    /// Sets a series' time, in place of the one before.
    pub fn set(&mut self, series: usize, at: Option<UnixMillis>) {
        let before = match at {
            Some(at) => self.times.insert(series, at),
            None => self.times.remove(&series),
        };
        if let Some(before) = before {
            self.order.remove(&(before, series));
        }
        if let Some(at) = at {
            self.order.insert((at, series));
        }
    }

    /// The first of all times.
    pub fn next(&self) -> Option<UnixMillis> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a series whose time has come.
    pub fn take_due(&mut self, now: UnixMillis) -> Option<usize> {
        let (_, series) = *self.order.first().filter(|(at, _)| *at <= now)?;
        self.set(series, None);
        Some(series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_has_one_time_however_often_it_is_set() {
        let mut wakes = Wakes::default();
        for at in 0..1_000 {
            wakes.set(1, Some(UnixMillis(at)));
            wakes.set(2, Some(UnixMillis(2_000 - at)));
        }
        assert_eq!((wakes.order.len(), wakes.times.len()), (2, 2));
        assert_eq!(wakes.next(), Some(UnixMillis(999)));
        let due = [998, 999, 999, 1_001, 5_000].map(|now| wakes.take_due(UnixMillis(now)));
        assert_eq!(due, [None, Some(1), None, Some(2), None]);
        wakes.set(1, Some(UnixMillis(7)));
        wakes.set(1, None);
        assert_eq!(wakes.next(), None);
    }
}
