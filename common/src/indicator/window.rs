//! The shared window: the last closes of a series in whole ticks.
//!
//! Kept as 64-bit numbers as long as they fit, which is all but always, and as 128-bit ones beyond.

use std::collections::VecDeque;

/// The last closes of a series, newest last, at most as many as its indicators look back on.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    capacity: usize,
    ticks: Ticks,
}

#[derive(Clone, Debug, PartialEq)]
enum Ticks {
    Narrow(VecDeque<i64>),
    Wide(VecDeque<i128>),
}

impl Window {
    /// Makes an empty window that keeps `capacity` closes.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ticks: Ticks::Narrow(VecDeque::new()) }
    }

    /// How many closes are held.
    pub fn len(&self) -> usize {
        match &self.ticks {
            Ticks::Narrow(ring) => ring.len(),
            Ticks::Wide(ring) => ring.len(),
        }
    }

    /// Whether no close is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The close `back` candles ago: 1 is the newest.
    pub fn back(&self, back: usize) -> Option<i128> {
        let at = self.len().checked_sub(back)?;
        match &self.ticks {
            Ticks::Narrow(ring) => ring.get(at).map(|&ticks| i128::from(ticks)),
            Ticks::Wide(ring) => ring.get(at).copied(),
        }
    }

    /// Adds the newest close and lets the oldest go when full.
    pub fn push(&mut self, close: i128) {
        if let (Ticks::Narrow(_), Err(_)) = (&self.ticks, i64::try_from(close)) {
            self.widen();
        }
        let capacity = self.capacity;
        match &mut self.ticks {
            Ticks::Narrow(ring) => push(ring, i64::try_from(close).unwrap_or(i64::MAX), capacity),
            Ticks::Wide(ring) => push(ring, close, capacity),
        }
    }

    /// Follows a change of the series' ticks: they became `factor` times finer.
    pub fn rescale(&mut self, factor: i128) {
        let fits = match &self.ticks {
            Ticks::Narrow(ring) => ring.iter().all(|&ticks| i64::try_from(i128::from(ticks) * factor).is_ok()),
            Ticks::Wide(_) => true,
        };
        if !fits {
            self.widen();
        }
        match &mut self.ticks {
            // `fits` says that the product does, so that nothing saturates here.
            Ticks::Narrow(ring) => {
                for ticks in ring {
                    *ticks = i64::try_from(i128::from(*ticks) * factor).unwrap_or(i64::MAX);
                }
            }
            Ticks::Wide(ring) => {
                for ticks in ring {
                    *ticks *= factor;
                }
            }
        }
    }

    fn widen(&mut self) {
        if let Ticks::Narrow(ring) = &self.ticks {
            self.ticks = Ticks::Wide(ring.iter().map(|&ticks| i128::from(ticks)).collect());
        }
    }
}

fn push<T>(ring: &mut VecDeque<T>, value: T, capacity: usize) {
    if capacity == 0 {
        return;
    }
    if ring.len() == capacity {
        ring.pop_front();
    }
    ring.push_back(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut window = Window::new(2);
        for close in 1..=3 {
            window.push(close);
        }
        assert_eq!((window.back(1), window.back(2), window.back(3)), (Some(3), Some(2), None));
        assert_eq!(window.back(0), None);
    }

    #[test]
    fn finer_ticks_than_64_bits_hold_lose_nothing() {
        let mut window = Window::new(3);
        window.push(123_456_789);
        window.rescale(10_i128.pow(12));
        window.push(7);
        assert_eq!((window.back(2), window.back(1)), (Some(123_456_789_000_000_000_000), Some(7)));
        window.push(10_i128.pow(29));
        assert_eq!(window.back(1), Some(10_i128.pow(29)));
    }
}
