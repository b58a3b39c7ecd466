//! The state of one series: what every further candle is judged and computed on.

use std::cmp::Ordering;
use std::sync::Arc;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::indicator::{Indicator, IndicatorSpec, Line, Output, Reading, Sample, Units, Window};
use candlewire_common::series::Series;
use candlewire_common::strategy::Filtered;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use super::history::{History, HistoryCandle};
use super::opened::Opened;
use super::plan::{SeriesPlan, Value};
use super::state_codec::SavedState;
use super::strategy_state::{Found, Values, decide, direction};
use super::track::Track;

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
    /// Whether its sums hold numbers of as many digits as the series has.
    fits: bool,
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
    pub(super) units: Units,
    pub(super) slots: Vec<Slot>,
    window: Window,
    pub(super) opened: Opened,
    /// How fast stands to slow, for each strategy.
    orders: Vec<Option<Ordering>>,
    /// The last values of each exported line.
    pub(super) tracks: Vec<Track>,
    timeframe: Timeframe,
}

/// What is known of the candles before a state is restored.
#[derive(Clone, Copy)]
enum Past<'a> {
    /// The end of the history.
    Tail,
    /// All of the history.
    Whole(&'a History),
    /// The history is lost.
    Lost,
}

impl SeriesState {
    /// The state of a series that has no candles.
    pub fn new(series: &Series, plan: Arc<SeriesPlan>) -> Self {
        Self {
            progress: None,
            units: Units::default(),
            slots: plan.indicators.iter().map(|spec| Slot::new(Indicator::new(*spec), 0)).collect(),
            window: Window::new(&plan.needs),
            opened: Opened::default(),
            orders: vec![None; plan.strategies.len()],
            tracks: vec![Track::default(); plan.exports.len()],
            timeframe: series.timeframe(),
            plan,
        }
    }

    /// Rebuilds the state by replaying the history. What a recursive average can't know, because the
    /// history does not reach back far enough, is withheld until it no longer matters.
    pub fn rebuild(series: &Series, plan: Arc<SeriesPlan>, history: &History) -> Self {
        let mut state = Self::new(series, plan);
        for (slot, spec) in state.slots.iter_mut().zip(&state.plan.indicators) {
            slot.withheld = withheld(*spec, history.complete);
        }
        for past in &history.candles {
            // Nothing is found twice: what these candles had to say was said when they came.
            let _ = state.step(&past.candle, |_, _| ());
        }
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
        let past = full.unwrap_or(tail);
        for HistoryCandle { candle, .. } in &past.candles {
            state.window.push(&Sample::new(candle, saved.units)?);
        }
        state.fill(saved, full.map_or(Past::Tail, Past::Whole), past.candles.len())?;
        Some(state)
    }

    /// Restores what can be restored of a saved state whose history has lost its end: what was applied
    /// stays applied, averages that need no more of the past than the last close go on, the others warm again.
    pub fn salvage(series: &Series, plan: Arc<SeriesPlan>, saved: &SavedState) -> Option<Self> {
        let mut state = Self::with_progress(series, plan, saved);
        state.window.push_close(saved.close, saved.units.price.scale);
        state.fill(saved, Past::Lost, 1)?;
        Some(state)
    }

    fn with_progress(series: &Series, plan: Arc<SeriesPlan>, saved: &SavedState) -> Self {
        Self {
            progress: Some(saved.progress),
            units: saved.units,
            opened: saved.opened.clone(),
            ..Self::new(series, plan)
        }
    }

    /// Restores the indicators beside the window, which holds as many candles as are known.
    fn fill(&mut self, saved: &SavedState, past: Past<'_>, known: usize) -> Option<()> {
        let plan = self.plan.clone();
        // Of a lost history the close alone is known, which is never all of a candle.
        let is_all = !matches!(past, Past::Lost) && known as u64 >= saved.candles();
        for (slot, spec) in self.slots.iter_mut().zip(&plan.indicators) {
            let is_covered = is_all || self.window.covers(&spec.needs());
            let restored = if is_covered { saved.slot(*spec, &self.window) } else { None };
            *slot = match (restored, past) {
                (Some(slot), _) => slot,
                // Only the whole history can tell how it must warm again.
                (None, Past::Tail) => return None,
                (None, Past::Whole(history)) => warm(*spec, history, saved, |_, _| ())?,
                (None, Past::Lost) => {
                    Slot::new(Indicator::over(*spec, &self.window, saved.units.price.scale), withheld(*spec, false))
                }
            };
            slot.fits = spec.fits(self.units);
        }
        for (at, strategy) in plan.strategies.iter().enumerate() {
            self.orders[at] = self.order(strategy.fast, strategy.slow);
        }
        for (at, (line, value)) in plan.exports.iter().enumerate() {
            self.tracks[at] = match (saved.track(*line), past) {
                (Some(track), _) => track,
                (None, Past::Tail) => return None,
                (None, Past::Whole(history)) => self.retrace(*line, *value, history, saved)?,
                (None, Past::Lost) => self.retrace(*line, *value, &History::default(), saved)?,
            };
        }
        Some(())
    }

    /// Finds the last values of a line that nobody looked at until now, from the history; the newest is the state's own.
    fn retrace(&self, line: Line, value: Value, history: &History, saved: &SavedState) -> Option<Track> {
        let mut track = Track::default();
        let mut remember = |open_time, reading| {
            if open_time < saved.last() {
                track.push(self.timeframe.close_time(open_time), reading);
            }
        };
        let scale = saved.units.price.scale;
        match line {
            Line::Indicator(spec, output) => {
                warm(spec, history, saved, |open_time, slot| remember(open_time, slot.reading(output, scale)))?;
            }
            Line::Price(source) => {
                for past in &history.candles {
                    let sample = Sample::new(&past.candle, saved.units)?;
                    remember(past.candle.open_time(), Some(sample.reading(source)));
                }
            }
        }
        track.push(self.timeframe.close_time(saved.last()), self.reading(value));
        Some(track)
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
            slot.step(&sample, &self.window);
        }
        self.window.push(&sample);
        self.opened.push(open_time, self.timeframe.duration());
        self.progress = Some(match self.progress {
            None => Progress { genesis: open_time, last: open_time, candles: 1 },
            Some(progress) => Progress { last: open_time, candles: progress.candles + 1, ..progress },
        });
        let plan = self.plan.clone();
        for (at, strategy) in plan.strategies.iter().enumerate() {
            let now = self.order(strategy.fast, strategy.slow);
            let before = std::mem::replace(&mut self.orders[at], now);
            let Some(direction) = direction(before, now) else { continue };
            let Some((fast, slow)) = self.reading(strategy.fast).zip(self.reading(strategy.slow)) else { continue };
            let atr = strategy.risk.as_ref().and_then(|(place, _)| self.value(*place, Output::MAIN));
            let values = Values { fast: fast.to_f64(), slow: slow.to_f64(), atr, price: candle.close() };
            if let Some(outcome) = decide(strategy, direction, values) {
                found(at, outcome);
            }
        }
        for (at, (_, value)) in plan.exports.iter().enumerate() {
            let reading = self.reading(*value);
            self.tracks[at].push(self.timeframe.close_time(open_time), reading);
        }
        Ok(())
    }

    /// Judges what a strategy found on the last candle by its conditions. `elsewhere` answers with the state of
    /// the same instrument's series of another timeframe, of which the value is read as of this candle's open
    /// time: what it sees could be known then, and does not depend on which series was published first.
    pub fn judge<'a>(&self, at: usize, found: Found, elsewhere: impl Fn(Timeframe) -> Option<&'a Self>) -> Found {
        let (Some(strategy), Some(opened)) = (self.plan.strategies.get(at), self.last()) else { return found };
        let read = |value| match value {
            Value::Elsewhere(line, timeframe) => elsewhere(timeframe)?.as_of(line, opened),
            own => self.reading(own),
        };
        let holds = strategy.when.iter().all(|condition| {
            let sides = read(condition.left).zip(read(condition.right));
            sides.is_some_and(|(left, right)| condition.comparison.holds(left.compare(right)))
        });
        match found {
            Found::Crossing(_) if !holds => Found::Filtered(Filtered::When),
            found => found,
        }
    }

    /// The value of an exported line when the last candle had closed by `time`.
    fn as_of(&self, line: Line, time: UnixMillis) -> Option<Reading> {
        let at = self.plan.exports.iter().position(|(exported, _)| *exported == line)?;
        self.tracks[at].as_of(time)
    }

    /// The open time of the last candle.
    pub fn last(&self) -> Option<UnixMillis> {
        self.progress.map(|progress| progress.last)
    }

    /// Whether every indicator has a value.
    pub fn is_ready(&self) -> bool {
        (0..self.slots.len()).all(|place| self.value(place, Output::MAIN).is_some())
    }

    /// The plan the state was made for.
    pub fn plan(&self) -> &SeriesPlan {
        &self.plan
    }

    /// A value of the indicator at a place of the plan.
    pub(super) fn value(&self, place: usize, output: Output) -> Option<f64> {
        self.reading(Value::Indicator(place, output)).map(Reading::to_f64)
    }

    /// What a value of the plan is after the last candle. Other timeframes are not asked here.
    fn reading(&self, value: Value) -> Option<Reading> {
        let scale = self.units.price.scale;
        match value {
            Value::Number(number) => Some(number.into()),
            Value::Price(source) => {
                let numerator = self.window.price(source, 1)?;
                Some(Reading::Exact { numerator, denominator: source.divisor(), scale })
            }
            Value::Indicator(place, output) => self.slots.get(place)?.reading(output, scale),
            Value::Elsewhere(..) => None,
        }
    }

    fn order(&self, fast: Value, slow: Value) -> Option<Ordering> {
        self.reading(fast).zip(self.reading(slow)).map(|(fast, slow)| fast.compare(slow))
    }

    fn refusal(&self, open_time: UnixMillis) -> Option<NotApplied> {
        let Progress { genesis, last, .. } = self.progress.filter(|progress| open_time <= progress.last)?;
        let seen = open_time == last
            || self.opened.contains(open_time, self.timeframe.duration()).unwrap_or(open_time >= genesis);
        Some(if seen { NotApplied::Duplicate } else { NotApplied::Late })
    }

    /// Expresses a candle in the series' units, made finer first where it shows more decimals.
    fn sample(&mut self, candle: &ClosedCandle) -> Result<Sample, NotApplied> {
        let units = self.units.with(candle).ok_or(NotApplied::Precision)?;
        let sample = Sample::new(candle, units).ok_or(NotApplied::Precision)?;
        if units == self.units {
            return Ok(sample);
        }
        if let Some(finer) = units.finer_than(self.units) {
            self.window.rescale(finer);
            self.slots.iter_mut().for_each(|slot| slot.indicator.rescale(finer));
        }
        self.units = units;
        for (slot, spec) in self.slots.iter_mut().zip(&self.plan.indicators) {
            slot.fits = spec.fits(units);
        }
        Ok(sample)
    }
}

impl Slot {
    pub(super) fn new(indicator: Indicator, withheld: u32) -> Self {
        Self { indicator, withheld, fits: true }
    }

    fn reading(&self, output: Output, scale: u8) -> Option<Reading> {
        (self.withheld == 0 && self.fits).then(|| self.indicator.reading(output, scale)).flatten()
    }

    fn step(&mut self, sample: &Sample, past: &Window) {
        self.indicator.step(sample, past);
        self.withheld = self.withheld.saturating_sub(1);
    }
}

/// Runs one indicator over the history alone, and tells `after` how it stands after each candle.
fn warm(
    spec: IndicatorSpec,
    history: &History,
    saved: &SavedState,
    mut after: impl FnMut(UnixMillis, &Slot),
) -> Option<Slot> {
    // A history that was lost and began anew looks complete; only the count of candles tells.
    let is_complete = history.complete && history.candles.len() as u64 == saved.candles();
    let mut slot = Slot::new(Indicator::new(spec), withheld(spec, is_complete));
    slot.fits = spec.fits(saved.units);
    let mut window = Window::new(&spec.needs());
    for past in &history.candles {
        let sample = Sample::new(&past.candle, saved.units)?;
        slot.step(&sample, &window);
        window.push(&sample);
        after(past.candle.open_time(), &slot);
    }
    Some(slot)
}

/// For how many candles a value is kept back that is seeded with the next one.
fn withheld(spec: IndicatorSpec, is_complete: bool) -> u32 {
    if is_complete || !spec.is_recursive() { 0 } else { u32::try_from(spec.settling()).unwrap_or(u32::MAX) }
}
