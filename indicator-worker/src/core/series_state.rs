//! The state of one series: what every further candle is judged and computed on.

use std::cmp::Ordering;
use std::sync::Arc;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Indicator, IndicatorSpec, Reading, Sample, Window};
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;

use super::history::{History, HistoryCandle};
use super::opened::Opened;
use super::plan::SeriesPlan;
use super::state_codec::SavedState;
use super::strategy_state::{Found, Values, decide};

/// Digits before the point and decimals that a series' ticks may have together.
const DIGITS_MAX: u8 = 34;

/// Why a candle changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// It was applied before.
    Duplicate,
    /// It is older than the last applied one and was never seen.
    Late,
    /// Its prices can't be held in exact ticks beside the others of the series.
    Precision,
}

/// An indicator of the plan, and for how long its value is still withheld.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slot {
    pub(super) indicator: Indicator,
    /// Candles until a recursive average that was seeded in the middle of the series has 8 digits.
    pub(super) withheld: u32,
}

/// What is known of the candles applied so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) genesis: UnixMillis,
    pub(super) last: UnixMillis,
    pub(super) candles: u64,
}

/// The state of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesState {
    pub(super) plan: Arc<SeriesPlan>,
    pub(super) progress: Option<Progress>,
    pub(super) scale: u8,
    pub(super) whole_digits: u8,
    pub(super) slots: Vec<Slot>,
    window: Window,
    pub(super) opened: Opened,
    /// How fast stands to slow, for each strategy.
    orders: Vec<Option<Ordering>>,
    timeframe: candlewire_common::timeframe::Timeframe,
}

impl SeriesState {
    /// The state of a series that has no candles.
    pub fn new(series: &Series, plan: Arc<SeriesPlan>) -> Self {
        let fresh = |spec: &IndicatorSpec| Slot { indicator: Indicator::new(*spec), withheld: 0 };
        Self {
            progress: None,
            scale: 0,
            whole_digits: 0,
            slots: plan.indicators.iter().map(fresh).collect(),
            window: Window::new(plan.window),
            opened: Opened::default(),
            orders: vec![None; plan.strategies.len()],
            timeframe: series.timeframe(),
            plan,
        }
    }

    /// Rebuilds the state by replaying the history. What a recursive average can't know, because the
    /// history does not reach back far enough, is withheld until it no longer matters.
    pub fn rebuild(series: &Series, plan: Arc<SeriesPlan>, history: &History) -> Self {
        let mut state = Self::new(series, plan);
        for past in &history.candles {
            // Nothing is found twice: what these candles had to say was said when they came.
            let _ = state.step(&past.candle, |_, _| ());
        }
        for (slot, spec) in state.slots.iter_mut().zip(&state.plan.indicators) {
            slot.withheld = withheld(*spec, history.candles.len(), history.complete);
        }
        state.compare_all();
        state
    }

    /// Restores a saved state beside the tail of the history; indicators that it does not hold are
    /// warmed from `full`, the whole history. `None` where the two do not fit together.
    pub fn restore(
        series: &Series,
        plan: Arc<SeriesPlan>,
        saved: &SavedState,
        tail: &History,
        full: Option<&History>,
    ) -> Option<Self> {
        if tail.newest() != Some(saved.progress.last) {
            return None;
        }
        let mut state = Self::with_progress(series, plan, saved);
        for HistoryCandle { candle, .. } in &full.unwrap_or(tail).candles {
            state.window.push(candle.close().ticks(saved.scale)?);
        }
        // Fewer closes than the window reads, though there were more: only the whole history can tell
        // whether the window family must warm again.
        let reach = state.window.len() as u64;
        if reach < state.plan.window as u64 && reach < saved.progress.candles && full.is_none() {
            return None;
        }
        state.fill_slots(saved, full)?;
        Some(state)
    }

    /// Restores what can be restored of a saved state whose history has lost its end: what was applied
    /// stays applied, recursive averages go on, window averages warm again from the last close.
    pub fn salvage(series: &Series, plan: Arc<SeriesPlan>, saved: &SavedState) -> Option<Self> {
        let mut state = Self::with_progress(series, plan, saved);
        state.window.push(saved.close.ticks(saved.scale)?);
        state.fill_slots(saved, Some(&History::default()))?;
        Some(state)
    }

    fn with_progress(series: &Series, plan: Arc<SeriesPlan>, saved: &SavedState) -> Self {
        Self {
            progress: Some(saved.progress),
            scale: saved.scale,
            whole_digits: saved.whole_digits,
            opened: saved.opened.clone(),
            ..Self::new(series, plan)
        }
    }

    fn fill_slots(&mut self, saved: &SavedState, full: Option<&History>) -> Option<()> {
        for (slot, spec) in self.slots.iter_mut().zip(&self.plan.indicators) {
            *slot = match (saved.slot(*spec, &self.window), full) {
                (Some(slot), _) => slot,
                (None, Some(history)) => warm(*spec, history, saved)?,
                (None, None) => return None,
            };
        }
        self.compare_all();
        Some(())
    }

    /// Takes in a candle, and tells `found` what each strategy (by its place in the plan) found.
    ///
    /// # Errors
    ///
    /// [`NotApplied`]; the state is as before.
    pub fn step(&mut self, candle: &ClosedCandle, mut found: impl FnMut(usize, Found)) -> Result<(), NotApplied> {
        let open_time = candle.open_time();
        if let Some(reason) = self.refusal(open_time) {
            return Err(reason);
        }
        let sample = self.sample(candle)?;
        for slot in &mut self.slots {
            slot.indicator.step(&sample, &self.window);
            slot.withheld = slot.withheld.saturating_sub(1);
        }
        self.window.push(sample.close());
        self.opened.push(open_time, self.timeframe.duration());
        self.progress = Some(match self.progress {
            None => Progress { genesis: open_time, last: open_time, candles: 1 },
            Some(progress) => Progress { last: open_time, candles: progress.candles + 1, ..progress },
        });
        let plan = self.plan.clone();
        for (at, strategy) in plan.strategies.iter().enumerate() {
            let readings = self.reading(strategy.fast).zip(self.reading(strategy.slow));
            let now = readings.map(|(fast, slow)| fast.compare(slow, self.scale));
            let before = std::mem::replace(&mut self.orders[at], now);
            if super::strategy_state::direction(before, now).is_none() {
                continue;
            }
            let Some((fast, slow)) = readings else { continue };
            let atr = strategy.risk.as_ref().and_then(|(place, _)| self.value(*place));
            let (fast, slow) = (fast.to_f64(self.scale), slow.to_f64(self.scale));
            let values = Values { before, now, fast, slow, atr, price: candle.close() };
            if let Some(outcome) = decide(strategy, values) {
                found(at, outcome);
            }
        }
        Ok(())
    }

    /// The open time of the last candle.
    pub fn last(&self) -> Option<UnixMillis> {
        self.progress.map(|progress| progress.last)
    }

    /// Whether every indicator has a value.
    pub fn is_ready(&self) -> bool {
        (0..self.slots.len()).all(|place| self.reading(place).is_some())
    }

    /// The plan the state was made for.
    pub fn plan(&self) -> &SeriesPlan {
        &self.plan
    }

    /// The value of the indicator at a place of the plan.
    pub(super) fn value(&self, place: usize) -> Option<f64> {
        self.reading(place).map(|reading| reading.to_f64(self.scale))
    }

    fn reading(&self, place: usize) -> Option<Reading> {
        let slot = self.slots.get(place)?;
        slot.indicator.reading().filter(|_| slot.withheld == 0)
    }

    fn refusal(&self, open_time: UnixMillis) -> Option<NotApplied> {
        let Progress { genesis, last, .. } = self.progress.filter(|progress| open_time <= progress.last)?;
        let seen = open_time == last
            || self.opened.contains(open_time, self.timeframe.duration()).unwrap_or(open_time >= genesis);
        Some(if seen { NotApplied::Duplicate } else { NotApplied::Late })
    }

    /// Expresses a candle in the series' ticks, made finer first where it shows more decimals.
    fn sample(&mut self, candle: &ClosedCandle) -> Result<Sample, NotApplied> {
        let scale = self.scale.max(candle.price_scale());
        let whole_digits = self.whole_digits.max(candle.whole_digits());
        if scale.saturating_add(whole_digits) > DIGITS_MAX {
            return Err(NotApplied::Precision);
        }
        let sample = Sample::new(candle, scale).ok_or(NotApplied::Precision)?;
        if scale > self.scale {
            let factor = 10_i128.pow(u32::from(scale - self.scale));
            self.window.rescale(factor);
            self.slots.iter_mut().for_each(|slot| slot.indicator.rescale(factor));
        }
        (self.scale, self.whole_digits) = (scale, whole_digits);
        Ok(sample)
    }

    fn compare_all(&mut self) {
        for at in 0..self.orders.len() {
            let strategy = &self.plan.strategies[at];
            let readings = self.reading(strategy.fast).zip(self.reading(strategy.slow));
            self.orders[at] = readings.map(|(fast, slow)| fast.compare(slow, self.scale));
        }
    }
}

/// Runs one indicator over the history alone.
fn warm(spec: IndicatorSpec, history: &History, saved: &SavedState) -> Option<Slot> {
    let (mut indicator, mut window) = (Indicator::new(spec), Window::new(spec.window()));
    for past in &history.candles {
        let sample = Sample::new(&past.candle, saved.scale)?;
        indicator.step(&sample, &window);
        window.push(sample.close());
    }
    // A history that was lost and began anew looks complete; only the count of candles tells.
    let is_complete = history.complete && history.candles.len() as u64 == saved.candles();
    Some(Slot { indicator, withheld: withheld(spec, history.candles.len(), is_complete) })
}

/// How many candles a value seeded inside of the series must still be kept back.
fn withheld(spec: IndicatorSpec, candles: usize, is_complete: bool) -> u32 {
    if is_complete || !spec.is_recursive() {
        return 0;
    }
    u32::try_from(spec.settling().saturating_sub(candles)).unwrap_or(u32::MAX)
}
