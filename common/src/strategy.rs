//! Strategies: which lines to cross on which series, what else must hold, and the risk rules beside them.
//!
//! Values of these types are checked: what crosses can cross, multiples are above zero, and what needs an `atr`
//! has one. Finding crossings is the worker's business.

use rust_decimal::Decimal as Exact;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use crate::condition::{Condition, REMEMBERED, Term};
use crate::decimal::Decimal;
use crate::indicator::{IndicatorSpec, Line};
use crate::pattern::SeriesPattern;
use crate::series::Series;
use crate::signal::Direction;
use crate::timeframe::Timeframe;

/// A strategy, as the configuration gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    /// The name that signals carry.
    pub name: String,
    /// The series it runs on.
    pub series: Vec<SeriesPattern>,
    /// The line that crosses.
    pub fast: Line,
    /// The line that is crossed.
    pub slow: Line,
    /// Stops, targets and filters, where the strategy asks for them.
    pub risk: Option<Risk>,
    /// What else must hold when the candle closes.
    pub when: Vec<Condition>,
    /// Its indicators as they were written.
    pub shown: Vec<Named>,
}

/// An indicator, and the name it was written by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What the state hash calls it.
    pub name: String,
    /// The indicator.
    pub spec: IndicatorSpec,
}

impl Strategy {
    /// Whether the strategy runs on `series`: one of those it names, and not of a higher timeframe than its
    /// conditions look at.
    pub fn covers(&self, series: &Series) -> bool {
        let is_below = self.timeframes().all(|timeframe| series.timeframe() <= timeframe);
        is_below && self.series.iter().any(|pattern| pattern.matches(series))
    }

    /// The other timeframes that its conditions look at.
    pub fn timeframes(&self) -> impl Iterator<Item = Timeframe> {
        self.terms().filter_map(Term::timeframe)
    }

    /// Both sides of all conditions.
    pub fn terms(&self) -> impl Iterator<Item = Term> {
        self.when.iter().flat_map(|condition| condition.terms())
    }

    /// How many candles of history it takes to rebuild what it needs, on whichever series: of a line that is looked
    /// at from below, its last values, too.
    pub fn settling(&self) -> usize {
        let of = |line: Line| line.indicator().map_or(1, IndicatorSpec::settling);
        let looked_at = |term: Term| if term.timeframe().is_some() { REMEMBERED } else { 0 };
        let own = [of(self.fast), of(self.slow), self.risk.as_ref().map_or(0, |risk| risk.atr.settling())];
        let terms = self.terms().filter_map(|term| Some(of(term.line()?) + looked_at(term)));
        own.into_iter().chain(terms).max().unwrap_or(0)
    }
}

/// Rules on the average true range.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// The average true range to measure with.
    pub atr: IndicatorSpec,
    /// Distance of the stop, in average true ranges.
    pub stop: Option<Multiple>,
    /// Distance of the target, in average true ranges.
    pub target: Option<Multiple>,
    /// Signals with a smaller average true range are filtered.
    pub min_atr: f64,
    /// Signals with a smaller ratio of target to stop are filtered.
    pub min_risk_reward: Option<Multiple>,
}

/// A multiple from a millionth to a million, held as the decimal that was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multiple(Exact);

impl Multiple {
    /// Accepts a number from a millionth to a million: beyond, products and ratios would not be exact.
    pub fn new(number: f64) -> Option<Self> {
        let within = (1e-6..=1e6).contains(&number);
        // The shortest text of the float is the decimal that the configuration wrote.
        within.then(|| number.to_string().parse().ok()).flatten().map(Self)
    }
}

/// Where to give up and where to take the profit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Levels {
    /// `price ∓ stop × atr`.
    pub stop_loss: Option<f64>,
    /// `price ± target × atr`.
    pub take_profit: Option<f64>,
    /// `target / stop`.
    pub risk_reward: Option<f64>,
}

/// Why a crossing is not emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filtered {
    /// The average true range is below `min_atr`.
    MinAtr,
    /// The ratio of target to stop is below `min_risk_reward`.
    MinRiskReward,
    /// A condition does not hold, or what it looks at has no value yet.
    When,
}

impl Filtered {
    /// Every reason, in the order they are checked.
    pub const ALL: [Self; 3] = [Self::MinAtr, Self::MinRiskReward, Self::When];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MinAtr => "min_atr",
            Self::MinRiskReward => "min_risk_reward",
            Self::When => "when",
        }
    }
}

impl Risk {
    /// Checks a crossing with this average true range against the filters.
    ///
    /// # Errors
    ///
    /// The first filter that holds it back.
    pub fn admit(&self, atr: f64) -> Result<(), Filtered> {
        if atr < self.min_atr {
            return Err(Filtered::MinAtr);
        }
        if let (Some(stop), Some(target), Some(least)) = (self.stop, self.target, self.min_risk_reward)
            // Multiplied out: a division would round, and 1.5 / 1 >= 1.5 must hold.
            && target.0 < least.0 * stop.0
        {
            return Err(Filtered::MinRiskReward);
        }
        Ok(())
    }

    /// Computes stop, target and their ratio in decimals, rounded once at the end.
    pub fn levels(&self, direction: Direction, price: Decimal, atr: f64) -> Levels {
        let (towards, against) = match direction {
            Direction::Buy => (1.0, -1.0),
            Direction::Sell => (-1.0, 1.0),
        };
        let ratio = self.target.zip(self.stop).and_then(|(target, stop)| target.0.checked_div(stop.0));
        Levels {
            stop_loss: self.stop.map(|stop| level(price, against, stop, atr)),
            take_profit: self.target.map(|target| level(price, towards, target, atr)),
            risk_reward: ratio.and_then(|ratio| ratio.to_string().parse().ok()),
        }
    }
}

/// `price + sign × multiple × atr`. Exact in decimals; beyond their 28 digits in floats.
fn level(price: Decimal, sign: f64, multiple: Multiple, atr: f64) -> f64 {
    let exact = || {
        let distance =
            atr.to_string().parse::<Exact>().ok()?.checked_mul(multiple.0)?.checked_mul(Exact::from_f64(sign)?)?;
        price.to_string().parse::<Exact>().ok()?.checked_add(distance)?.to_string().parse().ok()
    };
    exact().unwrap_or_else(|| price.to_f64() + sign * multiple.0.to_f64().unwrap_or_default() * atr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk(stop: f64, target: f64, least: f64) -> Option<Risk> {
        Some(Risk {
            atr: "atr(14)".parse().ok()?,
            stop: Multiple::new(stop),
            target: Multiple::new(target),
            min_atr: 10.0,
            min_risk_reward: Multiple::new(least),
        })
    }

    #[test]
    fn levels_are_the_ones_a_person_would_compute() {
        let levels = |direction| {
            let (risk, price) = risk(2.0, 3.0, 1.5).zip("42001.370".parse().ok())?;
            Some(risk.levels(direction, price, 120.5))
        };
        let buy = Levels { stop_loss: Some(41760.37), take_profit: Some(42362.87), risk_reward: Some(1.5) };
        assert_eq!(levels(Direction::Buy), Some(buy));
        let sell = Levels { stop_loss: Some(42242.37), take_profit: Some(41639.87), risk_reward: Some(1.5) };
        assert_eq!(levels(Direction::Sell), Some(sell));
    }

    #[test]
    fn a_ratio_that_just_holds_is_admitted() {
        for (stop, target, least) in [(1.5, 2.25, 1.5), (0.1, 0.3, 3.0), (1.1, 2.2, 2.0), (2.0, 3.0, 1.5)] {
            assert_eq!(risk(stop, target, least).map(|risk| risk.admit(10.0)), Some(Ok(())), "{target} / {stop}");
        }
        let refused = |target, atr| risk(2.0, target, 1.5).map(|risk| risk.admit(atr));
        assert_eq!(refused(2.9, 10.0), Some(Err(Filtered::MinRiskReward)));
        assert_eq!(refused(2.9, 9.99), Some(Err(Filtered::MinAtr)));
    }

    #[test]
    fn multiples_are_above_zero() {
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-25, 1e7] {
            assert_eq!(Multiple::new(number), None, "{number}");
        }
    }
}
