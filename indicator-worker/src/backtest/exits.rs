//! Which comes first after a signal: its stop or its target.
//!
//! All signals that wait have one direction, since an opposite one ends the waiting. So a candle is compared with
//! the nearest stop and the nearest target alone, however many signals wait; each enters and leaves two heaps once.
//! Sells are looked at in a mirror: with all prices negated, a sell is a buy.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use candlewire_common::signal::Direction;

/// How far a candle reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    /// Its highest price.
    pub(super) high: f64,
    /// Its lowest price.
    pub(super) low: f64,
}

/// Where a signal ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ExitLevels {
    /// Where to give up.
    pub(super) stop: Option<f64>,
    /// Where to take the profit.
    pub(super) target: Option<f64>,
}

/// How signals with a stop or a target ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExitCounts {
    /// At the stop, or at both within one candle.
    pub(super) stop: u64,
    /// At the target.
    pub(super) target: u64,
    /// At neither before the opposite signal or the last candle.
    pub(super) neither: u64,
}

/// The signals that wait for a stop or a target, and how the others ended.
#[derive(Debug, Default)]
pub(super) struct Exits {
    stops: BinaryHeap<(Level, usize)>,
    targets: BinaryHeap<(Reverse<Level>, usize)>,
    /// For each signal since the last opposite one: whether it waits.
    waiting: Vec<bool>,
    counts: ExitCounts,
}

impl Exits {
    /// Adds a signal. The ones that wait must have the same direction.
    pub(super) fn open(&mut self, direction: Direction, levels: ExitLevels) {
        if levels == ExitLevels::default() {
            return;
        }
        let place = self.waiting.len();
        self.waiting.push(true);
        self.stops.extend(levels.stop.map(|price| (Level(mirrored(direction, price)), place)));
        self.targets.extend(levels.target.map(|price| (Reverse(Level(mirrored(direction, price))), place)));
    }

    /// Sees a candle that follows on signals of a direction.
    pub(super) fn see(&mut self, direction: Direction, range: Range) {
        let (against, towards) = match direction {
            Direction::Buy => (range.low, range.high),
            Direction::Sell => (-range.high, -range.low),
        };
        // Stops before targets: of both within one candle nobody knows the order.
        while let Some((_, place)) = pop_if(&mut self.stops, |(stop, _)| against <= stop.0) {
            self.counts.stop += u64::from(std::mem::take(&mut self.waiting[place]));
        }
        while let Some((_, place)) = pop_if(&mut self.targets, |(Reverse(target), _)| towards >= target.0) {
            self.counts.target += u64::from(std::mem::take(&mut self.waiting[place]));
        }
    }

    /// Ends the waiting, because an opposite signal came.
    pub(super) fn close(&mut self) {
        self.counts = self.counts();
        self.stops.clear();
        self.targets.clear();
        self.waiting.clear();
    }

    /// How the signals ended, if the last candle was the last.
    pub(super) fn counts(&self) -> ExitCounts {
        let waiting = self.waiting.iter().filter(|waits| **waits).count() as u64;
        ExitCounts { neither: self.counts.neither + waiting, ..self.counts }
    }
}

fn mirrored(direction: Direction, price: f64) -> f64 {
    match direction {
        Direction::Buy => price,
        Direction::Sell => -price,
    }
}

/// Takes the nearest level, if it is reached.
fn pop_if<T: Ord>(heap: &mut BinaryHeap<T>, is_reached: impl Fn(&T) -> bool) -> Option<T> {
    heap.peek().is_some_and(is_reached).then(|| heap.pop()).flatten()
}

/// A price, in the order of numbers.
#[derive(Clone, Copy, Debug)]
struct Level(f64);

impl Ord for Level {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Level {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ended(direction: Direction, stop: Option<f64>, target: Option<f64>, ranges: &[(f64, f64)]) -> [u64; 3] {
        let mut exits = Exits::default();
        exits.open(direction, ExitLevels { stop, target });
        for &(low, high) in ranges {
            exits.see(direction, Range { high, low });
        }
        let ExitCounts { stop, target, neither } = exits.counts();
        [stop, target, neither]
    }

    #[test]
    fn the_first_to_be_touched_counts_and_of_both_the_stop() {
        let (stop, target, neither) = ([1, 0, 0], [0, 1, 0], [0, 0, 1]);
        for (ranges, expected) in [
            (&[][..], neither),
            (&[(96.0, 109.0), (95.5, 109.9)], neither),
            (&[(95.0, 109.0)], stop),
            (&[(99.0, 110.0)], target),
            (&[(99.0, 111.0), (90.0, 100.0)], target),
            (&[(94.0, 100.0), (99.0, 111.0)], stop),
            (&[(95.0, 110.0)], stop),
        ] {
            assert_eq!(ended(Direction::Buy, Some(95.0), Some(110.0), ranges), expected, "buy {ranges:?}");
            let mirror: Vec<_> = ranges.iter().map(|(low, high)| (200.0 - high, 200.0 - low)).collect();
            assert_eq!(ended(Direction::Sell, Some(105.0), Some(90.0), &mirror), expected, "sell {mirror:?}");
        }
        assert_eq!(ended(Direction::Buy, Some(95.0), None, &[(95.0, 999.0)]), stop);
        assert_eq!(ended(Direction::Buy, None, Some(110.0), &[(1.0, 110.0)]), target);
        assert_eq!(ended(Direction::Buy, None, None, &[(1.0, 999.0)]), [0, 0, 0]);
    }

    /// A candle, and perhaps the direction and distances of a signal on it.
    type Step = (i64, i64, Option<(bool, Option<i64>, Option<i64>)>);

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let levels = (any::<bool>(), proptest::option::of(1..15_i64), proptest::option::of(1..15_i64));
        proptest::collection::vec((0..60_i64, 0..8_i64, proptest::option::weighted(0.4, levels)), 1..80)
    }

    fn direction(is_buy: bool) -> Direction {
        if is_buy { Direction::Buy } else { Direction::Sell }
    }

    /// Scans the candles after each signal anew.
    fn scanned(steps: &[Step]) -> ExitCounts {
        let mut counts = ExitCounts::default();
        for (at, (price, _, signal)) in steps.iter().enumerate() {
            let Some((is_buy, stop, target)) = *signal else { continue };
            if stop.is_none() && target.is_none() {
                continue;
            }
            let sign = if is_buy { 1 } else { -1 };
            let mut end = &mut counts.neither;
            for (later, reach, signal) in &steps[at + 1..] {
                let (low, high) = (later - reach, later + reach);
                let reached = |level: i64| (low..=high).contains(&level);
                let beyond = |level: i64, side: i64| reached(level) || (later - level) * side > 0;
                if stop.is_some_and(|stop| beyond(price - sign * stop, -sign)) {
                    end = &mut counts.stop;
                    break;
                }
                if target.is_some_and(|target| beyond(price + sign * target, sign)) {
                    end = &mut counts.target;
                    break;
                }
                if signal.is_some_and(|(other, _, _)| other != is_buy) {
                    break;
                }
            }
            *end += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn it_is_what_a_scan_after_each_signal_finds(steps in steps()) {
            let (mut exits, mut side) = (Exits::default(), None);
            for (price, reach, signal) in &steps {
                if let Some(side) = side {
                    exits.see(side, Range { high: (price + reach) as f64, low: (price - reach) as f64 });
                }
                let Some((is_buy, stop, target)) = *signal else { continue };
                let direction = direction(is_buy);
                if side != Some(direction) {
                    exits.close();
                }
                side = Some(direction);
                let sign = if is_buy { 1 } else { -1 };
                let level = |distance: i64| (price + distance) as f64;
                exits.open(direction, ExitLevels {
                    stop: stop.map(|stop| level(-sign * stop)),
                    target: target.map(|target| level(sign * target)),
                });
            }
            prop_assert_eq!(exits.counts(), scanned(&steps));
        }
    }
}
