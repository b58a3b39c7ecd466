//! Crossings: how two lines stood before a candle, and how they stand after it.
//!
//! Pine's rule: a buy when fast is above slow now and was not before; a sell when it is below now and
//! was not before. Nothing on the first candle on which both have a value.

use std::cmp::Ordering;

use candlewire_common::candle::Origin;
use candlewire_common::decimal::Decimal;
use candlewire_common::series::Series;
use candlewire_common::signal::{Direction, Signal, SignalId};
use candlewire_common::strategy::{Filtered, Levels};
use candlewire_common::time::{UnixMicros, UnixMillis};

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

/// The candle that crossed, as its signal tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Occasion<'a> {
    /// The candle's series.
    pub series: &'a Series,
    /// Its open time.
    pub open_time: UnixMillis,
    /// Its close, in its own text.
    pub price: &'a str,
    /// How it came to be known.
    pub origin: Origin,
    /// When it was published.
    pub candle_us: UnixMicros,
    /// When the signal was found.
    pub emitted_us: UnixMicros,
}

impl Crossing {
    /// The signal that tells of this crossing.
    pub fn signal(&self, strategy: &str, on: Occasion<'_>) -> Signal {
        Signal {
            id: SignalId::derive(strategy, on.series, on.open_time, self.direction),
            strategy: strategy.to_owned(),
            series: on.series.clone(),
            direction: self.direction,
            open_time: on.open_time,
            price: on.price.to_owned(),
            fast: self.fast,
            slow: self.slow,
            atr: self.atr,
            stop_loss: self.levels.stop_loss,
            take_profit: self.levels.take_profit,
            risk_reward: self.levels.risk_reward,
            origin: on.origin,
            candle_us: on.candle_us,
            emitted_us: on.emitted_us,
        }
    }
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
