//! The worker's core over candles in memory: a candle in, what each strategy finds on it out.
//!
//! The only part of a backtest that knows how the core is driven and what its findings are made of. It keeps
//! nothing but the core's own state and looks at no result.

use std::sync::Arc;

use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::candle_entry::Unusable;
use candlewire_common::config::Config;
use candlewire_common::series::Series;
use candlewire_common::signal::{Signal, SignalId};
use candlewire_common::strategy::Filtered;
use candlewire_common::time::UnixMicros;

use crate::core::{Crossing, Found, NotApplied, Plans, SeriesPlan, SeriesState};

/// What a strategy found on a candle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    /// A signal.
    Signal(Box<Signal>),
    /// A crossing that a filter holds back, for this reason.
    Filtered(&'static str),
}

/// The core, from the first candle of a series on.
#[derive(Debug)]
pub(super) struct Engine {
    series: Series,
    plan: Arc<SeriesPlan>,
    state: SeriesState,
}

impl Engine {
    /// Makes the state of a series that has no candles, for the strategies of `config`.
    pub(super) fn new(config: &Config, series: &Series) -> Self {
        let plan = Plans::new(config).plan(series);
        Self { series: series.clone(), state: SeriesState::new(series, plan.clone()), plan }
    }

    /// The names of the strategies, by their places.
    pub(super) fn strategies(&self) -> impl Iterator<Item = &str> {
        self.plan.strategies.iter().map(|strategy| strategy.name.as_str())
    }

    /// Every reason for which a filter may hold a crossing back.
    pub(super) fn reasons() -> impl Iterator<Item = &'static str> {
        Filtered::ALL.into_iter().map(Filtered::as_str)
    }

    /// Whether every average has a value.
    pub(super) fn is_ready(&self) -> bool {
        self.state.is_ready()
    }

    /// Takes in the next candle, and tells `found` what each strategy (by its place) found.
    ///
    /// Whatever else the strategies look at must have come to the state of this candle's close before the candle is
    /// taken in, and this is the place for it.
    ///
    /// # Errors
    ///
    /// Why the candle can't be computed with; the state is as before.
    pub(super) fn step(&mut self, candle: &ClosedCandle, mut found: impl FnMut(usize, Finding)) -> Result<(), String> {
        let Self { series, plan, state } = self;
        let step = state.step(candle, |place, outcome| match outcome {
            Found::Filtered(reason) => found(place, Finding::Filtered(reason.as_str())),
            Found::Crossing(crossing) => {
                let signal = signal(&plan.strategies[place].name, series, candle, &crossing);
                found(place, Finding::Signal(Box::new(signal)));
            }
        });
        step.map_err(|reason| match reason {
            NotApplied::Precision => Unusable::Precision.to_string(),
            // Files are sorted and have each open time once.
            NotApplied::Duplicate | NotApplied::Late => "it does not follow the candle before it".to_owned(),
        })
    }
}

/// The signal that a worker would write, had the candle come and been computed the moment it closed.
fn signal(strategy: &str, series: &Series, candle: &ClosedCandle, crossing: &Crossing) -> Signal {
    let open_time = candle.open_time();
    let closed = UnixMicros(series.timeframe().close_time(open_time).0.saturating_mul(1_000));
    Signal {
        id: SignalId::derive(strategy, series, open_time, crossing.direction),
        strategy: strategy.to_owned(),
        series: series.clone(),
        direction: crossing.direction,
        open_time,
        price: candle.close().to_string(),
        fast: crossing.fast,
        slow: crossing.slow,
        atr: crossing.atr,
        stop_loss: crossing.levels.stop_loss,
        take_profit: crossing.levels.take_profit,
        risk_reward: crossing.levels.risk_reward,
        origin: Origin::Replay,
        candle_us: closed,
        emitted_us: closed,
    }
}
