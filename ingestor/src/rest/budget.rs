//! What a venue's REST allows one address, shared by everything that asks it.
//!
//! Requests take their turn in the order they came, evenly spread beyond a first burst. A venue that wants fewer requests silences all of them, for as
//! long as it says; one that does not say, for longer each time in a row.

use std::num::NonZeroU32;
use std::time::Duration;

use candlewire_common::time::UnixMillis;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::venue::profile::Budget as Allowance;

/// How long to be silent after the first refusal that names no time.
const SILENCE_FIRST: Duration = Duration::from_secs(5);
/// The longest silence that is not the venue's own wish.
const SILENCE_LONGEST: Duration = Duration::from_mins(10);

/// One address's budget at one venue.
#[derive(Debug)]
pub struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, Clock, NoOpMiddleware<Duration>>,
    allowance: Allowance,
    clock: Clock,
    /// Held by the request whose turn it is.
    turn: Mutex<()>,
    course: std::sync::Mutex<Course>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default)]
struct Course {
    /// Until when there are no requests.
    silent_until: Option<UnixMillis>,
    /// Refusals without a success between them.
    refused_in_a_row: u32,
    /// When the last request may have been sent.
    taken_at: Option<UnixMillis>,
}

impl Budget {
    /// A budget that nothing was taken of.
    pub fn new(allowance: Allowance, clock: Clock) -> Self {
        let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_minute(at_least_one(allowance.per_minute)).allow_burst(at_least_one(allowance.burst));
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock),
            allowance,
            clock,
            turn: Mutex::new(()),
            course: std::sync::Mutex::default(),
        }
    }

    /// What it allows.
    pub fn allowance(&self) -> Allowance {
        self.allowance
    }

    /// Waits until a request of this cost may be sent. Cancel-safe: nothing is taken before the end.
    pub async fn take(&self, cost: u32) {
        let _turn = self.turn.lock().await;
        let cost = NonZeroU32::new(cost.min(self.allowance.burst)).unwrap_or(NonZeroU32::MIN);
        loop {
            if let Some(until) = self.silent_until() {
                self.clock.sleep_until(until).await;
                continue;
            }
            match self.limiter.check_n(cost) {
                Ok(Err(not_until)) => {
                    self.clock.sleep(not_until.wait_time_from(self.clock.passed())).await;
                }
                // A cost above the burst can't be: it is cut above.
                Ok(Ok(())) | Err(_) => break,
            }
        }
        self.course().taken_at = Some(self.clock.now());
    }

    /// Whether a request could be sent at once, and none was sent since one could be.
    pub fn is_rested(&self) -> bool {
        let pause = Duration::from_mins(1) / self.allowance.per_minute.max(1);
        let rested = self.course().taken_at.is_none_or(|taken_at| taken_at.after(pause) <= self.clock.now());
        rested && self.silent_until().is_none() && self.turn.try_lock().is_ok()
    }

    /// Until when the venue wants silence, if it does.
    pub fn silent_until(&self) -> Option<UnixMillis> {
        self.course().silent_until.filter(|until| *until > self.clock.now())
    }

    /// Notes that the venue wants fewer requests; answers with how long there will be none.
    pub fn refused(&self, wait: Option<Duration>) -> Duration {
        let mut course = self.course();
        // Those that were under way at the same time are one refusal.
        if course.silent_until.is_none_or(|until| until <= self.clock.now()) {
            course.refused_in_a_row = course.refused_in_a_row.saturating_add(1);
        }
        let doublings = course.refused_in_a_row.saturating_sub(1);
        let growing = SILENCE_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(SILENCE_LONGEST);
        drop(course);
        let wait = wait.unwrap_or(growing);
        self.pause(wait);
        wait
    }

    /// Sends nothing for a time.
    pub fn pause(&self, wait: Duration) {
        let until = self.clock.now().after(wait);
        let mut course = self.course();
        course.silent_until = course.silent_until.max(Some(until));
    }

    /// Notes that a request was answered.
    pub fn answered(&self) {
        self.course().refused_in_a_row = 0;
    }

    fn course(&self) -> std::sync::MutexGuard<'_, Course> {
        // Nothing panics while it is held; were it so, the times in it would still be right.
        self.course.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let clock = Clock::scaled(UnixMillis(0), std::time::Instant::now(), NonZeroU32::new(1_000).unwrap());
        Budget::new(Allowance { per_minute: 60, burst: 3, concurrent: 1, used: None }, clock)
    }

    #[tokio::test]
    async fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let budget = budget();
        for _ in 0..10 {
            budget.take(1).await;
        }
        // Three at once, seven a second apart, 1,000 times faster.
        assert!(budget.clock.now() >= UnixMillis(6_900), "{}", budget.clock.now());
    }

    #[tokio::test]
    async fn silence_is_kept_and_grows_where_no_time_is_named() {
        let budget = budget();
        assert!(budget.is_rested());
        budget.take(1).await;
        assert!(!budget.is_rested(), "one was sent just now");
        assert_eq!(budget.refused(Some(Duration::from_secs(30))).as_secs(), 30);
        assert!(!budget.is_rested());
        budget.take(1).await;
        assert!(budget.clock.now() >= UnixMillis(30_000) && budget.silent_until().is_none());
        budget.answered();
        // Those under way at the same time are one; each later one doubles the pause.
        assert_eq!([(); 3].map(|()| budget.refused(None).as_secs()), [5, 5, 5]);
        for seconds in [10, 20] {
            budget.take(1).await;
            assert_eq!(budget.refused(None).as_secs(), seconds);
        }
        budget.take(1).await;
        budget.answered();
        assert_eq!(budget.refused(None).as_secs(), 5);
    }
}
