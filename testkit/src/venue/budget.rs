//! A venue's request budget.
//!
//! Owns the count of what was asked within a sliding window of virtual time.

use std::collections::VecDeque;

use super::kind::VenueKind;

/// How often a budget may be ignored before the venue gets stricter.
const PATIENCE: u32 = 10;

/// What the venue thinks of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Within the budget.
    Fine,
    /// Over the budget.
    Over,
    /// Over the budget, again and again.
    Banned,
}

/// What was asked lately.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    spent: VecDeque<(i64, u32)>,
    ignored: u32,
}

impl Budget {
    /// Returns the weight that may be spent within a window, and its length.
    fn limit(kind: VenueKind, path: &str) -> (u32, i64) {
        match kind {
            VenueKind::Binance => (6_000, 60_000),
            // About one a second; the documentation names no burst.
            VenueKind::Kraken => (2, 2_000),
            // Ten a second with bursts of 15.
            VenueKind::Coinbase => (15, 1_500),
            VenueKind::Bybit => (600, 5_000),
            VenueKind::Okx if path.ends_with("/history-candles") => (20, 2_000),
            VenueKind::Okx => (40, 2_000),
            VenueKind::Oanda => (100, 1_000),
        }
    }

    /// Takes in a request; returns the weight spent in the window, this request included, and what it means.
    pub(crate) fn spend(&mut self, kind: VenueKind, path: &str, now_ms: i64) -> (u32, Judgement) {
        let (limit, window_ms) = Self::limit(kind, path);
        while self.spent.front().is_some_and(|&(at_ms, _)| at_ms <= now_ms - window_ms) {
            self.spent.pop_front();
        }
        let weight = if kind == VenueKind::Binance { 2 } else { 1 };
        self.spent.push_back((now_ms, weight));
        let used: u32 = self.spent.iter().map(|(_, weight)| weight).sum();
        if used <= limit {
            self.ignored = 0;
            return (used, Judgement::Fine);
        }
        self.ignored += 1;
        (used, if self.ignored > PATIENCE { Judgement::Banned } else { Judgement::Over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_is_of_a_window() {
        let mut budget = Budget::default();
        let mut spend = |now_ms| budget.spend(VenueKind::Kraken, "/0/public/OHLC", now_ms).1;
        assert_eq!(
            [0, 0, 0, 2_001].map(&mut spend),
            [Judgement::Fine, Judgement::Fine, Judgement::Over, Judgement::Fine]
        );
        let rest = (0..20).map(|_| spend(2_002)).collect::<Vec<_>>();
        assert_eq!((rest[0], rest[1], rest[19]), (Judgement::Fine, Judgement::Over, Judgement::Banned));
    }
}
