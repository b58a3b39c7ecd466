//! Waiting for room: when to look again, what to say of it, and for how long nothing has moved.
//!
//! A publisher that is faster than the workers waits a moment for each batch; nobody wants to read of that.
//! A wait is said once it has lasted a second, its end is said when its beginning was, and of waits that
//! follow each other one a minute is said. Whether to give up is for the publisher to decide.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::backpressure::Hold;

/// How long a wait may last before it is said.
const SAY_AFTER: Duration = Duration::from_secs(1);
/// The shortest time between two waits that are said.
const SAY_EVERY: Duration = Duration::from_mins(1);
/// The shortest delay between two looks: as long as a worker takes for a batch.
const DELAY_MIN: Duration = Duration::from_millis(10);
/// The longest.
const DELAY_MAX: Duration = Duration::from_secs(1);

/// The waits of one publisher.
#[derive(Debug, Default)]
pub struct Waiting {
    current: Option<Wait>,
    /// When a wait was said last.
    said: Option<Instant>,
}

#[derive(Debug)]
struct Wait {
    began: Instant,
    /// The hold as it was when something moved last, and when that was.
    moved: (Hold, Instant),
    delays: ExponentialBackoff,
    is_said: bool,
}

/// What follows from a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// When to look again.
    pub delay: Duration,
    /// Whether to say it now.
    pub say: bool,
    /// For how long nothing has moved.
    pub stuck: Duration,
}

impl Waiting {
    /// Notes that there is no room.
    pub fn held(&mut self, hold: &Hold, now: Instant) -> Next {
        let wait = self.current.get_or_insert_with(|| Wait {
            began: now,
            moved: (hold.clone(), now),
            delays: delays(),
            is_said: false,
        });
        if hold.has_moved(&wait.moved.0) {
            wait.moved = (hold.clone(), now);
            wait.delays = delays();
        }
        let is_quiet = self.said.is_none_or(|said| now.duration_since(said) >= SAY_EVERY);
        let say = !wait.is_said && is_quiet && now.duration_since(wait.began) >= SAY_AFTER;
        if say {
            (wait.is_said, self.said) = (true, Some(now));
        }
        let delay = wait.delays.next().unwrap_or(DELAY_MAX);
        Next { delay, say, stuck: now.duration_since(wait.moved.1) }
    }

    /// Notes that candles flow; answers whether that is worth a word.
    pub fn flows(&mut self) -> bool {
        self.current.take().is_some_and(|wait| wait.is_said)
    }
}

fn delays() -> ExponentialBackoff {
    ExponentialBuilder::default().with_min_delay(DELAY_MIN).with_max_delay(DELAY_MAX).without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(length: u64) -> Hold {
        Hold::Length { length, groups: Vec::new() }
    }

    #[test]
    fn a_wait_is_said_once_after_a_second_and_its_end_when_it_was() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        let said = |waiting: &mut Waiting, ms| waiting.held(&length(9), start + Duration::from_millis(ms)).say;
        assert!(!said(&mut waiting, 0) && !said(&mut waiting, 999));
        assert!(!waiting.flows(), "a short wait is nobody's business");
        assert!(!said(&mut waiting, 1_000) && said(&mut waiting, 2_000) && !said(&mut waiting, 3_000));
        assert!(waiting.flows() && !waiting.flows());
        assert!(!said(&mut waiting, 4_000) && !said(&mut waiting, 61_999), "another one follows too soon");
        assert!(said(&mut waiting, 62_000));
    }

    #[test]
    fn only_what_moves_starts_the_clock_again() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        let mut stuck = |at: u64, hold: Hold| waiting.held(&hold, start + Duration::from_secs(at)).stuck.as_secs();
        let memory = |used| Hold::Memory { used, limit: 100_000 };
        let stuck = [
            stuck(0, length(100)),
            stuck(5, length(101)),
            stuck(9, length(99)),
            stuck(20, length(100)),
            stuck(21, memory(95_000)),
        ]
        .into_iter()
        .chain([stuck(30, memory(94_950)), stuck(31, memory(96_000)), stuck(32, memory(94_899))]);
        assert_eq!(stuck.collect::<Vec<_>>(), [0, 5, 0, 11, 0, 9, 10, 0]);
    }

    #[test]
    fn looks_become_rarer_while_nothing_moves() {
        let (mut waiting, start) = (Waiting::default(), Instant::now());
        let mut delay = |held| waiting.held(&length(held), start).delay.as_secs_f64();
        let delays = [delay(9), delay(9), delay(9), delay(8)].map(|secs| (secs * 1_000.0).round());
        assert_eq!(delays.map(|ms| format!("{ms}")), ["10", "20", "40", "10"]);
        assert!((0..20).map(|_| delay(8)).all(|secs| secs <= 1.0) && delay(8) > 0.99);
    }
}
