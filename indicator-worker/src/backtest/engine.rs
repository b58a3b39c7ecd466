//! The worker's core over candles in memory: a candle in, what each strategy finds on it out.
//!
//! The only part of a backtest that knows how the core is driven. The higher timeframes that conditions look at are
//! built from the series' own candles, as a venue would have. It keeps nothing but the core's own state and looks at no
//! result.

use std::sync::Arc;

use candlewire_common::aggregate::{Aggregator, NotAMultiple};
use candlewire_common::candle::{ClosedCandle, Origin};
use candlewire_common::candle_entry::Unusable;
use candlewire_common::config::Config;
use candlewire_common::series::Series;
use candlewire_common::signal::Signal;
use candlewire_common::strategy::Filtered;
use candlewire_common::time::{UnixMicros, UnixMillis};
use candlewire_common::timeframe::Timeframe;

use crate::core::{Found, NotApplied, Occasion, Plans, SeriesPlan, SeriesState};

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
    /// When the first candle opened.
    began: Option<UnixMillis>,
    higher: Vec<Higher>,
}

/// A higher timeframe that conditions look at.
#[derive(Debug)]
struct Higher {
    timeframe: Timeframe,
    candles: Aggregator,
    state: SeriesState,
}

impl Engine {
    /// Makes the state of a series that has no candles, for the strategies of `config`.
    ///
    /// # Errors
    ///
    /// [`NotAMultiple`] where a condition looks at a timeframe that can't be built from the series' own.
    pub(super) fn new(config: &Config, series: &Series) -> Result<Self, NotAMultiple> {
        let mut plans = Plans::new(config);
        let plan = plans.plan(series);
        let higher = plan.elsewhere.iter().map(|&timeframe| {
            let candles = Aggregator::new(series.timeframe(), timeframe)?;
            let series = series.with_timeframe(timeframe);
            Ok(Higher { timeframe, candles, state: SeriesState::new(&series, plans.plan(&series)) })
        });
        let higher = higher.collect::<Result<_, _>>()?;
        Ok(Self { series: series.clone(), state: SeriesState::new(series, plan.clone()), began: None, plan, higher })
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

    /// Takes in the next candle, and tells `found` what each strategy (by its place) found. A higher candle of which
    /// the beginning is not there is none: nobody else has such a one.
    ///
    /// # Errors
    ///
    /// Why the candle can't be computed with; it finds nothing.
    pub(super) fn step(&mut self, candle: &ClosedCandle, mut found: impl FnMut(usize, Finding)) -> Result<(), String> {
        let mut outcomes = Vec::new();
        self.state.step(candle, |place, outcome| outcomes.push((place, outcome))).map_err(reason)?;
        let began = *self.began.get_or_insert(candle.open_time());
        for Higher { candles, state, .. } in &mut self.higher {
            let closed = candles.push(candle).map_err(|error| error.to_string())?;
            for closed in closed.filter(|closed| closed.open_time() >= began) {
                state.step(&closed, |_, _| ()).map_err(reason)?;
            }
        }
        let elsewhere =
            |wanted| self.higher.iter().find(|higher| higher.timeframe == wanted).map(|higher| &higher.state);
        for (place, outcome) in outcomes {
            let finding = match self.state.judge(place, outcome, elsewhere) {
                Found::Filtered(reason) => Finding::Filtered(reason.as_str()),
                Found::Crossing(crossing) => {
                    let strategy = &self.plan.strategies[place].name;
                    let price = candle.close().to_string();
                    Finding::Signal(Box::new(crossing.signal(strategy, self.occasion(candle, &price))))
                }
            };
            found(place, finding);
        }
        Ok(())
    }

    /// As a worker would tell of it, had the candle come and been computed the moment it closed.
    fn occasion<'a>(&'a self, candle: &ClosedCandle, price: &'a str) -> Occasion<'a> {
        let open_time = candle.open_time();
        let closed = UnixMicros(self.series.timeframe().close_time(open_time).0.saturating_mul(1_000));
        let (candle_us, emitted_us) = (closed, closed);
        Occasion { series: &self.series, open_time, price, origin: Origin::Replay, candle_us, emitted_us }
    }
}

fn reason(reason: NotApplied) -> String {
    match reason {
        NotApplied::Precision => Unusable::Precision.to_string(),
        // Files are sorted and have each open time once.
        NotApplied::Duplicate | NotApplied::Late => "it does not follow the candle before it".to_owned(),
    }
}
