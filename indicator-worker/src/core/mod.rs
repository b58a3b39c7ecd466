//! The pure core: candles in, new state and signals out.
//!
//! Nothing here waits, reads a clock or knows Redis. The same code runs in the worker, in the tests
//! against the oracles and in benchmarks. A state after any candle is a function of the series'
//! candles since its genesis alone; a restart, an eviction or a take-over does not show in it.

mod assignment;
mod batch;
mod history;
mod opened;
mod plan;
mod series_state;
mod state_codec;
mod strategy_state;
mod track;

pub use assignment::{Holdings, shares};
pub use batch::{Applied, BatchEffects, Moment, Outcome, apply};
pub use history::{History, HistoryCandle};
pub use plan::{ConditionPlan, Plans, SeriesPlan, ShownField, StrategyPlan, Value};
pub use series_state::{NotApplied, SeriesState};
pub use state_codec::{SavedState, StateFields, has_stale_fields};
pub use strategy_state::{Crossing, Found, Occasion};
