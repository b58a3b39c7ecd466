//! How long things took: percentiles of measured spans.

use std::time::Duration;

/// Measured spans, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies(Vec<Duration>);

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(spans: T) -> Self {
        let mut spans: Vec<Duration> = spans.into_iter().collect();
        spans.sort_unstable();
        Self(spans)
    }
}

impl Latencies {
    /// Returns the shortest measured span that at least `percent` of 100 do not exceed, and `None`
    /// if nothing was measured.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let rank = (self.0.len() * usize::from(percent)).div_ceil(100).max(1);
        self.0.get(rank.min(self.0.len()).checked_sub(1)?).copied()
    }

    /// Returns how many were measured.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(spans: impl IntoIterator<Item = u64>) -> Latencies {
        spans.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentile_is_a_measured_span() {
        let hundred = millis((1..=100).rev());
        let percentiles = [0, 1, 50, 99, 100].map(|percent| hundred.percentile(percent));
        assert_eq!(percentiles, [1, 1, 50, 99, 100].map(|ms| Some(Duration::from_millis(ms))));
    }

    #[test]
    fn few_spans_have_percentiles_too() {
        assert_eq!(millis([]).percentile(50), None);
        assert_eq!(millis([7]).percentile(99), Some(Duration::from_millis(7)));
        assert_eq!(millis([9, 3, 5]).percentile(50), Some(Duration::from_millis(5)));
        assert_eq!(millis([9, 3]).percentile(50), Some(Duration::from_millis(3)));
    }
}
