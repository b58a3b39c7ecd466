//! What signals returned, one after the other: how many gained, how much on average, and the worst of it.
//!
//! A return is a share of the price at the signal. Runs and falls are compounded as if each signal staked all that
//! the ones before it had left; whoever loses everything stays at nothing. Costs are not known here.

use candlewire_common::signal::Direction;

/// What a signal at one price returned at another; `None` where the first is zero, of which nothing is a share.
pub(super) fn measured(direction: Direction, from: f64, to: f64) -> Option<f64> {
    let sign = match direction {
        Direction::Buy => 1.0,
        Direction::Sell => -1.0,
    };
    // The size of the price: some instruments trade below zero.
    (from != 0.0).then(|| sign * (to - from) / from.abs())
}

/// Losing signals in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Run {
    /// How many.
    pub(super) signals: u64,
    /// What is left of a stake of 1.
    left: f64,
}

/// Returns so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Returns {
    count: u64,
    gains: u64,
    losses: u64,
    sum: f64,
    run: Run,
    worst: Run,
    left: f64,
    peak: f64,
    fall: f64,
}

impl Run {
    const NONE: Self = Self { signals: 0, left: 1.0 };

    /// What the run returned as a whole: zero or below.
    pub(super) fn compounded(&self) -> f64 {
        self.left - 1.0
    }
}

impl Default for Returns {
    fn default() -> Self {
        let (run, worst) = (Run::NONE, Run::NONE);
        Self { count: 0, gains: 0, losses: 0, sum: 0.0, run, worst, left: 1.0, peak: 1.0, fall: 0.0 }
    }
}

impl Returns {
    /// Adds the return of the next signal.
    pub(super) fn push(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.gains += u64::from(value > 0.0);
        self.losses += u64::from(value < 0.0);
        let factor = (1.0 + value).max(0.0);
        self.run =
            if value < 0.0 { Run { signals: self.run.signals + 1, left: self.run.left * factor } } else { Run::NONE };
        // Of equally long runs the one that lost more.
        let is_longer = self.run.signals > self.worst.signals;
        let is_deeper = self.run.signals == self.worst.signals && self.run.left < self.worst.left;
        if is_longer || is_deeper {
            self.worst = self.run;
        }
        self.left *= factor;
        self.peak = self.peak.max(self.left);
        self.fall = self.fall.min(self.left / self.peak - 1.0);
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many are above zero.
    pub(super) fn gains(&self) -> u64 {
        self.gains
    }

    /// How many are below zero.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// The share of those above zero.
    pub(super) fn hit_rate(&self) -> Option<f64> {
        (self.count > 0).then(|| self.gains as f64 / self.count as f64)
    }

    /// Their mean.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The longest run of losing signals.
    pub(super) fn worst_run(&self) -> Run {
        self.worst
    }

    /// The deepest fall from a peak: zero or below.
    pub(super) fn worst_fall(&self) -> f64 {
        self.fall
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Returns {
        let mut returns = Returns::default();
        for value in values {
            returns.push(*value);
        }
        returns
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn a_return_is_a_share_of_the_first_price() {
        for (direction, from, to, expected) in [
            (Direction::Buy, 100.0, 110.0, Some(0.1)),
            (Direction::Sell, 100.0, 110.0, Some(-0.1)),
            (Direction::Sell, 100.0, 250.0, Some(-1.5)),
            (Direction::Buy, -40.0, -30.0, Some(0.25)),
            (Direction::Buy, 0.0, 1.0, None),
        ] {
            assert_eq!(measured(direction, from, to), expected, "{direction} {from} {to}");
        }
    }

    #[test]
    fn runs_and_falls_are_compounded() {
        // 1 → 1.1 → 0.88 → 0.792 → 0.792 → 0.7128 → 0.3564 → 0.5346: the fall is from 1.1 to 0.3564.
        let returns = of(&[0.1, -0.2, -0.1, 0.0, -0.1, -0.5, 0.5]);
        assert_eq!((returns.count(), returns.gains(), returns.losses()), (7, 2, 4));
        assert!(near(returns.hit_rate().unwrap(), 2.0 / 7.0) && near(returns.mean().unwrap(), -0.3 / 7.0));
        // Two runs of two, 0.72 and 0.45: a return of zero ends a run.
        assert_eq!(returns.worst_run().signals, 2);
        assert!(near(returns.worst_run().compounded(), -0.55));
        assert!(near(returns.worst_fall(), 0.3564 / 1.1 - 1.0));
        // The first equally long run stays where it lost more.
        assert!(near(of(&[-0.5, 0.1, -0.1]).worst_run().compounded(), -0.5));
    }

    #[test]
    fn who_loses_more_than_everything_has_nothing() {
        let returns = of(&[-1.5, 3.0, 0.5]);
        assert!(near(returns.worst_fall(), -1.0) && near(returns.worst_run().compounded(), -1.0));
        assert!(near(returns.mean().unwrap(), 2.0 / 3.0));
    }

    #[test]
    fn without_returns_there_is_no_rate() {
        let none = Returns::default();
        assert_eq!((none.hit_rate(), none.mean()), (None, None));
        assert!(near(none.worst_fall(), 0.0) && none.worst_run() == Run::NONE);
    }

    proptest! {
        #[test]
        fn worst_is_the_worst_of_all_stretches(values in proptest::collection::vec(-12..12_i32, 0..40)) {
            let values: Vec<f64> = values.into_iter().map(|value| f64::from(value) / 10.0).collect();
            let returns = of(&values);
            let left = |from: usize, to: usize| values[from..to].iter().map(|r| (1.0 + r).max(0.0)).product::<f64>();
            let stretches = || (0..=values.len()).flat_map(|from| (from..=values.len()).map(move |to| (from, to)));
            let deepest = stretches().map(|(from, to)| left(from, to) - 1.0).fold(0.0, f64::min);
            prop_assert!((returns.worst_fall() - deepest).abs() < 1e-9);
            let losing = stretches().filter(|(from, to)| values[*from..*to].iter().all(|value| *value < 0.0));
            let longest = losing.clone().map(|(from, to)| to - from).max().unwrap();
            prop_assert_eq!(returns.worst_run().signals, longest as u64);
            let worst = losing.filter(|(from, to)| to - from == longest).map(|(from, to)| left(from, to) - 1.0);
            prop_assert!((returns.worst_run().compounded() - worst.fold(0.0, f64::min)).abs() < 1e-9);
        }
    }
}
