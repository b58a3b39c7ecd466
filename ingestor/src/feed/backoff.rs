//! Pauses between attempts to connect: exponential with full jitter, without end.
//!
//! Full jitter, so that many clients of a venue that was away don't all come back at once
//! (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).

use std::time::Duration;

/// The bound of the first pause.
const FIRST: Duration = Duration::from_millis(500);
/// The bound of the longest.
const LONGEST: Duration = Duration::from_mins(1);

/// The pauses of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next pause: anything from nothing to the bound, which doubles each time.
    pub fn pause(&mut self) -> Duration {
        let bound = FIRST.saturating_mul(2_u32.saturating_pow(self.attempts)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        bound.mul_f64(fastrand::f64())
    }

    /// Begins anew: the venue has sent data.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_use_all_of_it() {
        let longest_of_many = |attempts| (0..200).map(|_| Backoff { attempts }.pause()).max().unwrap_or_default();
        for (attempts, bound_ms) in [(0, 500), (1, 1_000), (6, 32_000), (7, 60_000), (40, 60_000)] {
            let longest = longest_of_many(attempts).as_millis();
            assert!(longest <= bound_ms && longest * 10 > bound_ms * 8, "{attempts}: {longest}");
        }
        let mut backoff = Backoff { attempts: 9 };
        backoff.reset();
        assert!(backoff.pause() <= FIRST && backoff.attempts == 1);
    }
}
