//! Alerts: what a recipient is told.
//!
//! An alert is a signal on its way to people, or the marked imitation of one that `notifier test`
//! sends. How it looks is each channel's own.

use candlewire_common::candle::Origin;
use candlewire_common::series::Series;
use candlewire_common::signal::{Direction, Signal};
use candlewire_common::time::{UnixMicros, UnixMillis};

/// Whether an alert stands for a crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Signal,
    Test,
}

/// What a recipient is told.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    purpose: Purpose,
    /// The crossing; of a test alert one that never was.
    pub(crate) signal: Signal,
}

impl Alert {
    /// Announces a crossing.
    pub(crate) fn of(signal: Signal) -> Self {
        Self { purpose: Purpose::Signal, signal }
    }

    /// Imitates a crossing, marked as a test. Its instrument does not exist, so that a receiver that
    /// overlooks the mark has nothing to trade.
    pub(crate) fn test(now: UnixMicros) -> Option<Self> {
        let series: Series = "test:TEST:1m".parse().ok()?;
        let minute = 60_000;
        let open_time = UnixMillis(now.millis().0.div_euclid(minute) * minute - minute);
        let signal = Signal {
            id: format!("test_{}", uuid::Uuid::new_v4().simple()).parse().ok()?,
            strategy: "test".to_owned(),
            series,
            direction: Direction::Buy,
            open_time,
            price: "100.25".to_owned(),
            fast: 100.5,
            slow: 99.75,
            atr: Some(1.25),
            stop_loss: Some(97.75),
            take_profit: Some(104.0),
            risk_reward: Some(1.5),
            origin: Origin::Live,
            candle_us: now,
            emitted_us: now,
        };
        Some(Self { purpose: Purpose::Test, signal })
    }

    /// Whether this is the imitation.
    pub(crate) fn is_test(&self) -> bool {
        self.purpose == Purpose::Test
    }

    /// The event's name: `signal.buy`, `signal.sell` or `test`.
    pub(crate) fn event(&self) -> &'static str {
        match (self.purpose, self.signal.direction) {
            (Purpose::Test, _) => "test",
            (Purpose::Signal, Direction::Buy) => "signal.buy",
            (Purpose::Signal, Direction::Sell) => "signal.sell",
        }
    }
}
