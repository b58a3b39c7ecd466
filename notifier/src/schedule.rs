//! The delays before each attempt.

use std::time::Duration;

/// How far a delay may be off, so that recipients are not hit by all at once.
const SPREAD: f64 = 0.2;

/// Delays before each attempt; as many as there are attempts.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    delays: Vec<Duration>,
    spread: f64,
}

impl Schedule {
    /// A schedule whose delays vary by a fifth.
    pub(crate) fn new(delays: Vec<Duration>) -> Self {
        Self { delays, spread: SPREAD }
    }

    /// The delay before the next attempt once `made` were made; `None` when that was the last.
    pub(crate) fn delay_before(&self, made: usize) -> Option<Duration> {
        let delay = self.delays.get(made)?;
        // The first delay is the same for all: alerts keep the order in which they were found.
        if made == 0 {
            return Some(*delay);
        }
        let factor = 1.0 + self.spread * (fastrand::f64() * 2.0 - 1.0);
        Some(delay.mul_f64(factor))
    }

    /// A schedule whose delays are kept to the letter.
    #[cfg(test)]
    pub(crate) fn exact(delays: impl Into<Vec<Duration>>) -> Self {
        Self { delays: delays.into(), spread: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_vary_by_a_fifth_at_most() {
        let schedule = Schedule::new(vec![Duration::ZERO, Duration::from_secs(10)]);
        assert_eq!(schedule.delay_before(0), Some(Duration::ZERO));
        assert_eq!(schedule.delay_before(2), None);
        let drawn: Vec<Duration> = (0..1_000).filter_map(|_| schedule.delay_before(1)).collect();
        assert!(drawn.iter().all(|delay| (8.0..=12.0).contains(&delay.as_secs_f64())));
        assert!(
            drawn.iter().any(|delay| delay.as_secs_f64() < 9.0) && drawn.iter().any(|delay| delay.as_secs_f64() > 11.0)
        );
    }
}
