//! What a picture of a crossing shows: candles, the strategy's averages, its stop and target.
//!
//! Pure. The averages are the product's own, computed by the code that the workers run, and a line is shown only
//! where it ends at the value that the signal tells: a picture never contradicts its alert. Where things are on
//! the picture, and in which colour, is not decided here.

use candlewire_common::candle::ClosedCandle;
use candlewire_common::decimal::Decimal;
use candlewire_common::indicator::{Indicator, IndicatorSpec, Line, Output, Reading, Sample, Unit, Units, Window};
use candlewire_common::signal::{Direction, Signal};
use candlewire_common::strategy::Strategy;
use candlewire_common::time::UnixMillis;

use super::NoPicture;
use crate::text::{grouped, plain};

/// How many candles are shown.
pub(super) const SHOWN: usize = 100;
/// Fewer candles than this are no picture.
const SHOWN_MIN: usize = 2;
/// The most decimals that prices are shown with.
const SCALE_MAX: u8 = 10;
/// How far a line may end from the signal's value, in parts of the price: recursive averages that were seeded at
/// different candles agree in 8 digits.
const TOLERANCE: f64 = 1e-6;

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chart {
    /// Instrument and timeframe.
    pub(super) instrument: String,
    /// The strategy's name, without control characters.
    pub(super) strategy: String,
    /// Which way it crossed.
    pub(super) direction: Direction,
    /// The price of the crossing, for people.
    pub(super) price: String,
    /// When the candle that crossed closed.
    pub(super) closed: UnixMillis,
    /// Its length, in milliseconds.
    pub(super) step: i64,
    /// The decimals of the prices.
    pub(super) scale: u8,
    /// The candles, oldest first; the last one crossed. At least two.
    pub(super) bars: Vec<Bar>,
    /// Whether the last of them closed at the crossing's price: else that is not marked.
    pub(super) has_price: bool,
    /// The averages.
    pub(super) traces: Vec<Trace>,
    /// Stop and target.
    pub(super) levels: Vec<Level>,
}

/// A candle. All its numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) open_time: UnixMillis,
    pub(super) open: f64,
    pub(super) high: f64,
    pub(super) low: f64,
    pub(super) close: f64,
}

/// A line over the candles.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trace {
    /// Which of the strategy's two it is.
    pub(super) role: Role,
    /// As it is configured.
    pub(super) name: String,
    /// A value for each candle, where it has one.
    pub(super) values: Vec<Option<f64>>,
}

/// A line's part in the crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It crosses.
    Fast,
    /// It is crossed.
    Slow,
}

/// A price to mark across the candles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Level {
    pub(super) kind: LevelKind,
    pub(super) value: f64,
}

/// What a marked price means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LevelKind {
    Stop,
    Target,
}

impl LevelKind {
    /// What it is called in alerts, too.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Target => "target",
        }
    }
}

/// How many candles a picture of this strategy's crossings is made of: those shown, and what the averages need
/// to have settled before the first of them.
pub(super) fn reach(strategy: Option<&Strategy>) -> usize {
    let lines = strategy.into_iter().flat_map(|strategy| [strategy.fast, strategy.slow]);
    let settling = lines.filter(|line| is_drawn(*line)).filter_map(Line::indicator).map(IndicatorSpec::settling).max();
    SHOWN + settling.unwrap_or(0)
}

impl Chart {
    /// Lays out the crossing of a signal on the last candles of its series, oldest first. Where the strategy is not
    /// known, there are candles without lines.
    ///
    /// # Errors
    ///
    /// [`NoPicture::NotInHistory`] where the last candle is not the one that crossed, [`NoPicture::TooFew`] where it
    /// is alone.
    pub(super) fn new(
        signal: &Signal,
        strategy: Option<&Strategy>,
        candles: &[ClosedCandle],
    ) -> Result<Self, NoPicture> {
        let Some(last) = candles.last().filter(|last| last.open_time() == signal.open_time) else {
            return Err(NoPicture::NotInHistory);
        };
        if candles.len() < SHOWN_MIN {
            return Err(NoPicture::TooFew);
        }
        let hidden = candles.len().saturating_sub(SHOWN);
        let ends = [(Role::Fast, signal.fast), (Role::Slow, signal.slow)];
        let traces = ends.into_iter().filter_map(|(role, end)| Trace::of(role, strategy?, candles, end));
        let levels = [(LevelKind::Stop, signal.stop_loss), (LevelKind::Target, signal.take_profit)];
        let levels = levels.into_iter().filter_map(|(kind, value)| Some(Level { kind, value: value? }));
        let shown = &candles[hidden..];
        Ok(Self {
            instrument: format!("{} {}", signal.series.symbol(), signal.series.timeframe()),
            strategy: plain(&signal.strategy),
            direction: signal.direction,
            price: grouped(&plain(&signal.price)),
            closed: signal.close_time(),
            step: signal.series.timeframe().millis(),
            scale: shown.iter().map(ClosedCandle::price_scale).max().unwrap_or(0),
            has_price: signal.price.parse().is_ok_and(|price: Decimal| is_same(price, last.close())),
            bars: shown.iter().map(Bar::of).collect(),
            traces: traces.collect(),
            levels: levels.collect(),
        })
    }
}

impl Chart {
    /// The decimals that prices are written with: all that they have, within reason.
    pub(super) fn decimals(&self) -> usize {
        usize::from(self.scale.min(SCALE_MAX))
    }
}

impl Bar {
    fn of(candle: &ClosedCandle) -> Self {
        Self {
            open_time: candle.open_time(),
            open: candle.open().to_f64(),
            high: candle.high().to_f64(),
            low: candle.low().to_f64(),
            close: candle.close().to_f64(),
        }
    }
}

impl Trace {
    /// Computes a line over the candles, and keeps what is shown of it; `None` where it has no place on the picture or
    /// does not end at `end`.
    fn of(role: Role, strategy: &Strategy, candles: &[ClosedCandle], end: f64) -> Option<Self> {
        let line = role.line(strategy);
        let mut values = values(line, candles)?;
        let close = candles.last()?.close().to_f64();
        let off = (values.last().copied().flatten()? - end).abs();
        let values = values.split_off(candles.len().saturating_sub(SHOWN));
        (off <= TOLERANCE * close.abs().max(end.abs())).then(|| Self { role, name: name(line, strategy), values })
    }
}

impl Role {
    fn line(self, strategy: &Strategy) -> Line {
        match self {
            Self::Fast => strategy.fast,
            Self::Slow => strategy.slow,
        }
    }
}

/// Whether two decimals are the same number, however they are written.
fn is_same(one: Decimal, other: Decimal) -> bool {
    let scale = one.scale().max(other.scale());
    one.ticks(scale).is_some_and(|ticks| other.ticks(scale) == Some(ticks))
}

/// Whether a line is on the scale of the price.
fn is_drawn(line: Line) -> bool {
    line.unit() == Unit::Price
}

/// The name that the configuration wrote, with the ending that tells which of the indicator's values it is.
fn name(line: Line, strategy: &Strategy) -> String {
    let canonical = line.to_string();
    let written = line.indicator().and_then(|spec| {
        let ending = canonical.strip_prefix(&spec.to_string())?;
        let named = strategy.shown.iter().find(|named| named.spec == spec)?;
        Some(format!("{}{ending}", named.name))
    });
    plain(&written.unwrap_or(canonical))
}

/// A line's value after each candle; `None` where it is not on the price's scale or can't be computed exactly.
fn values(line: Line, candles: &[ClosedCandle]) -> Option<Vec<Option<f64>>> {
    if !is_drawn(line) {
        return None;
    }
    let units = candles.iter().try_fold(Units::default(), Units::with)?;
    let samples = candles.iter().map(|candle| Sample::new(candle, units));
    match line {
        Line::Price(source) => samples.map(|sample| Some(Some(sample?.reading(source).to_f64()))).collect(),
        Line::Indicator(spec, output) => spec.fits(units).then(|| indicated(spec, output, samples, units))?,
    }
}

fn indicated(
    spec: IndicatorSpec,
    output: Output,
    samples: impl Iterator<Item = Option<Sample>>,
    units: Units,
) -> Option<Vec<Option<f64>>> {
    let (mut indicator, mut window) = (Indicator::new(spec), Window::new(&spec.needs()));
    samples
        .map(|sample| {
            let sample = sample?;
            indicator.step(&sample, &window);
            window.push(&sample);
            Some(indicator.reading(output, units.price.scale).map(Reading::to_f64))
        })
        .collect()
}
