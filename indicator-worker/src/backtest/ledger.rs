//! The book of one strategy: its signals, what they returned, and how they ended.
//!
//! Candles and signals come in order and each is looked at once: what is kept are the signals that no opposite one
//! has ended yet, and sums. It knows nothing of averages, files or output.

use candlewire_common::signal::Direction;

use super::exits::{ExitCounts, ExitLevels, Exits, Range};
use super::returns::{Returns, measured};

/// A signal, as far as its result depends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Opening {
    /// Buy or sell.
    pub(super) direction: Direction,
    /// The price at which it opens.
    pub(super) price: f64,
    /// Where it ends before an opposite signal comes.
    pub(super) levels: ExitLevels,
}

/// The book of one strategy.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    candles: u64,
    buys: u64,
    sells: u64,
    /// Signals with a stop or a target.
    with_exits: u64,
    /// The candles of the first and the last signal.
    ends: Option<(u64, u64)>,
    /// The signals that no opposite one has ended: their direction and prices.
    open: Option<(Direction, Vec<f64>)>,
    /// Signals at a price of zero, whose return can't be told.
    unmeasured: u64,
    returns: Returns,
    exits: Exits,
}

/// What a book says in the end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Balance {
    /// Signals to buy.
    pub(super) buys: u64,
    /// Signals to sell.
    pub(super) sells: u64,
    /// Candles from one signal to the next, on average.
    pub(super) candles_apart: Option<f64>,
    /// What the signals that an opposite one ended returned.
    pub(super) returns: Returns,
    /// Signals that no opposite one ended.
    pub(super) open: u64,
    /// Signals whose return can't be told.
    pub(super) unmeasured: u64,
    /// How signals ended that had a stop or a target; `None` without any.
    pub(super) exits: Option<ExitCounts>,
}

impl Ledger {
    /// Sees the next candle, before the signals on it.
    pub(super) fn candle(&mut self, range: Range) {
        self.candles += 1;
        if let Some((direction, _)) = self.open {
            self.exits.see(direction, range);
        }
    }

    /// Enters a signal on the last candle. One of the other direction ends all that are open, at its own price.
    pub(super) fn signal(&mut self, opening: Opening) {
        let Opening { direction, price, levels } = opening;
        let (first, _) = self.ends.unwrap_or((self.candles, self.candles));
        self.ends = Some((first, self.candles));
        match direction {
            Direction::Buy => self.buys += 1,
            Direction::Sell => self.sells += 1,
        }
        self.with_exits += u64::from(levels != ExitLevels::default());
        if let Some((ended, prices)) = self.open.take_if(|(open, _)| *open != direction) {
            for from in prices {
                match measured(ended, from, price) {
                    Some(value) => self.returns.push(value),
                    None => self.unmeasured += 1,
                }
            }
            self.exits.close();
        }
        self.open.get_or_insert((direction, Vec::new())).1.push(price);
        self.exits.open(direction, levels);
    }

    /// What there is to say after the last candle.
    pub(super) fn balance(&self) -> Balance {
        let gaps = (self.buys + self.sells).saturating_sub(1);
        let apart = self.ends.filter(|_| gaps > 0).map(|(first, last)| (last - first) as f64 / gaps as f64);
        Balance {
            buys: self.buys,
            sells: self.sells,
            candles_apart: apart,
            returns: self.returns,
            open: self.open.as_ref().map_or(0, |(_, prices)| prices.len() as u64),
            unmeasured: self.unmeasured,
            exits: (self.with_exits > 0).then(|| self.exits.counts()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Buy, Sell};

    /// A candle of `low..=high` that closes at `close`, and the direction of a signal on it; stop and target lie 10
    /// and 20 from its close.
    type Step = (f64, f64, f64, Option<Direction>);

    fn balance(steps: &[Step]) -> Balance {
        let mut ledger = Ledger::default();
        for &(low, high, close, direction) in steps {
            ledger.candle(Range { high, low });
            let Some(direction) = direction else { continue };
            let sign = if direction == Buy { 1.0 } else { -1.0 };
            let levels = ExitLevels { stop: Some(close - sign * 10.0), target: Some(close + sign * 20.0) };
            ledger.signal(Opening { direction, price: close, levels });
        }
        ledger.balance()
    }

    #[test]
    fn each_signal_is_measured_to_the_next_opposite_one() {
        let balance = balance(&[
            (95.0, 105.0, 100.0, None),
            (60.0, 140.0, 100.0, Some(Buy)), // stop 90, target 120; its own candle does not count
            (95.0, 111.0, 110.0, Some(Buy)), // stop 100, target 130; ends nothing
            (98.0, 119.0, 118.0, None),      // the second is stopped
            (118.0, 125.0, 121.0, Some(Sell)), // the first has its target; 0.21 and 0.1; stop 131, target 101
            (110.0, 130.9, 112.0, None),
            (105.0, 140.0, 133.1, Some(Buy)), // stopped on the candle that ends it; −0.1
            (130.0, 135.0, 131.0, None),
        ]);
        assert_eq!((balance.buys, balance.sells, balance.open, balance.unmeasured), (3, 1, 1, 0));
        assert_eq!(balance.candles_apart, Some(5.0 / 3.0));
        assert_eq!(balance.exits, Some(ExitCounts { stop: 2, target: 1, neither: 1 }));
        let returns = balance.returns;
        assert_eq!((returns.count(), returns.gains(), returns.losses()), (3, 2, 1));
        assert!((returns.mean().unwrap() - 0.07).abs() < 1e-12);
        assert!((returns.worst_run().compounded() + 0.1).abs() < 1e-12);
    }

    #[test]
    fn without_signals_there_is_nothing_to_say() {
        let balance = balance(&[(1.0, 2.0, 1.0, None)]);
        let nothing = Balance {
            buys: 0,
            sells: 0,
            candles_apart: None,
            returns: Returns::default(),
            open: 0,
            unmeasured: 0,
            exits: None,
        };
        assert_eq!(balance, nothing);
    }

    #[test]
    fn a_price_of_zero_has_no_return_and_one_signal_no_distance() {
        let balance = balance(&[(0.0, 1.0, 0.0, Some(Sell))]);
        assert_eq!((balance.candles_apart, balance.open), (None, 1));
        let balance = self::balance(&[(0.0, 1.0, 0.0, Some(Sell)), (0.0, 9.0, 1.0, Some(Buy))]);
        assert_eq!((balance.returns.count(), balance.unmeasured, balance.open), (0, 1, 1));
    }
}
