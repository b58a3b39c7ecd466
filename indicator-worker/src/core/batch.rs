//! One batch of decoded entries, applied to the states of their series.

use std::collections::HashMap;
use std::hash::BuildHasher;

use candlewire_common::candle_entry::{CandleEntry, OhlcvText, Unusable};
use candlewire_common::series::Series;
use candlewire_common::signal::Signal;
use candlewire_common::strategy::Filtered;
use candlewire_common::time::{UnixMicros, UnixMillis};

use super::series_state::{NotApplied, SeriesState};
use super::strategy_state::{Found, Occasion};

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its candle is part of the state now.
    Applied,
    /// Its candle had been applied before.
    Duplicate,
    /// Its candle is older than the last one and was never seen.
    Late,
    /// It can't be used.
    Invalid,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 4] = [Self::Applied, Self::Duplicate, Self::Late, Self::Invalid];

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Invalid => "invalid",
        }
    }
}

/// A candle that became part of its series: the history's next entry.
#[derive(Clone, Copy, Debug)]
pub struct Applied<'a> {
    /// The candle's series.
    pub series: &'a Series,
    /// The candle's open time.
    pub open_time: UnixMillis,
    /// Its numbers as they were written.
    pub text: OhlcvText<'a>,
}

/// The clock, as the core is handed it.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub UnixMicros);

/// Everything a batch changes, to be committed as a whole.
#[derive(Debug, Default)]
pub struct BatchEffects<'a> {
    /// Candles for the histories, in stream order.
    pub applied: Vec<Applied<'a>>,
    /// Each series whose state changed, with the text of its last close.
    pub touched: Vec<(&'a Series, &'a str)>,
    /// Signals, in the order they were found.
    pub signals: Vec<Signal>,
    /// Entries that can't be used, by their place in the batch.
    pub dead: Vec<(usize, Unusable)>,
    /// Crossings that a filter held back, with their strategy.
    pub filtered: Vec<(String, Filtered)>,
    /// What became of the entries, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; 4],
}

/// Applies decoded entries in stream order. `states` holds the state of every series in the batch.
pub fn apply<'a, H: BuildHasher>(
    states: &mut HashMap<Series, SeriesState, H>,
    decoded: &'a [Result<CandleEntry<'a>, Unusable>],
    moment: Moment,
) -> BatchEffects<'a> {
    let mut effects = BatchEffects::default();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, entry) in decoded.iter().enumerate() {
        let outcome = match entry {
            Err(unusable) => {
                effects.dead.push((at, unusable.clone()));
                Outcome::Invalid
            }
            Ok(entry) => match apply_one(states, entry, moment, &mut effects) {
                Ok(()) => {
                    let next = effects.touched.len();
                    let place = *places.entry(entry.series.as_str()).or_insert(next);
                    match effects.touched.get_mut(place) {
                        Some((_, close)) => *close = entry.text.close,
                        None => effects.touched.push((&entry.series, entry.text.close)),
                    }
                    Outcome::Applied
                }
                Err(NotApplied::Duplicate) => Outcome::Duplicate,
                Err(NotApplied::Late) => Outcome::Late,
                Err(NotApplied::Precision) => {
                    effects.dead.push((at, Unusable::Precision));
                    Outcome::Invalid
                }
            },
        };
        effects.outcomes[outcome as usize] += 1;
    }
    effects
}

fn apply_one<'a, H: BuildHasher>(
    states: &mut HashMap<Series, SeriesState, H>,
    entry: &'a CandleEntry<'a>,
    moment: Moment,
    effects: &mut BatchEffects<'a>,
) -> Result<(), NotApplied> {
    // The caller loaded every series of the batch, and those that their conditions look at.
    let Some(state) = states.get_mut(&entry.series) else { return Err(NotApplied::Late) };
    let mut found = Vec::new();
    state.step(&entry.candle, |place, outcome| found.push((place, outcome)))?;
    if let (false, Some(state)) = (found.is_empty(), states.get(&entry.series)) {
        let elsewhere = |timeframe| states.get(&entry.series.with_timeframe(timeframe));
        let on = Occasion {
            series: &entry.series,
            open_time: entry.candle.open_time(),
            price: entry.text.close,
            origin: entry.origin,
            candle_us: entry.sent,
            emitted_us: moment.0,
        };
        for (place, outcome) in found {
            let strategy = &state.plan().strategies[place].name;
            match state.judge(place, outcome, elsewhere) {
                Found::Filtered(reason) => effects.filtered.push((strategy.clone(), reason)),
                Found::Crossing(crossing) => effects.signals.push(crossing.signal(strategy, on)),
            }
        }
    }
    effects.applied.push(Applied { series: &entry.series, open_time: entry.candle.open_time(), text: entry.text });
    Ok(())
}
