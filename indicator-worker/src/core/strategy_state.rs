//! Crossings: how two lines stood before a candle, and how they stand after it.
//!
//! Pine's rule: a buy when fast is above slow now and was not before; a sell when it is below now and
//! was not before. Nothing on the first candle on which both have a value.

use std::cmp::Ordering;

use candlewire_common::decimal::Decimal;
use candlewire_common::signal::Direction;
use candlewire_common::strategy::{Filtered, Levels};

use super::plan::StrategyPlan;

/// A crossing that passed the strategy's filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// Buy or sell.
    pub direction: Direction,
    /// The line that crossed.
    pub fast: f64,
    /// The line that was crossed.
    pub slow: f64,
    /// The average true range, where the strategy has one.
    pub atr: Option<f64>,
    /// Stop, target and their ratio, where the strategy asks for them.
    pub levels: Levels,
}

/// What a strategy found on a candle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// A signal.
    Crossing(Crossing),
    /// A crossing that a filter holds back.
    Filtered(Filtered),
}

/// The values that decide on a candle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values {
    pub(super) fast: f64,
    pub(super) slow: f64,
    pub(super) atr: Option<f64>,
    pub(super) price: Decimal,
}

/// The direction of a crossing, if there is one.
pub(super) fn direction(before: Option<Ordering>, now: Option<Ordering>) -> Option<Direction> {
    match (before?, now?) {
        (Ordering::Less | Ordering::Equal, Ordering::Greater) => Some(Direction::Buy),
        (Ordering::Greater | Ordering::Equal, Ordering::Less) => Some(Direction::Sell),
        _ => None,
    }
}

/// Decides whether a strategy has a signal on a candle on which its lines crossed.
pub(super) fn decide(plan: &StrategyPlan, direction: Direction, values: Values) -> Option<Found> {
    let Some((_, risk)) = &plan.risk else {
        let Values { fast, slow, .. } = values;
        return Some(Found::Crossing(Crossing { direction, fast, slow, atr: None, levels: Levels::default() }));
    };
    // While the average true range warms up there is nothing to measure a stop with.
    let atr = values.atr?;
    Some(match risk.admit(atr) {
        Err(filtered) => Found::Filtered(filtered),
        Ok(()) => Found::Crossing(Crossing {
            direction,
            fast: values.fast,
            slow: values.slow,
            atr: Some(atr),
            levels: risk.levels(direction, values.price, atr),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ordering::{Equal, Greater, Less};

    #[test]
    fn a_touch_and_return_fires_and_a_first_candle_never_does() {
        for (before, now, expected) in [
            (None, Some(Greater), None),
            (Some(Less), None, None),
            (Some(Less), Some(Greater), Some(Direction::Buy)),
            (Some(Equal), Some(Greater), Some(Direction::Buy)),
            (Some(Greater), Some(Greater), None),
            (Some(Greater), Some(Equal), None),
            (Some(Less), Some(Equal), None),
            (Some(Greater), Some(Less), Some(Direction::Sell)),
            (Some(Equal), Some(Less), Some(Direction::Sell)),
            (Some(Equal), Some(Equal), None),
        ] {
            assert_eq!(direction(before, now), expected, "{before:?} {now:?}");
        }
    }
}
