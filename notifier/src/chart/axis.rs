//! The scales of a picture: which prices and times are on it, and how they are written.
//!
//! Pure, and total: no price is too large, too small or too flat for a scale.

use chrono::{DateTime, Datelike, Utc};

use super::model::Chart;
use crate::text::grouped;

/// The most labels of the price axis.
const PRICES_MAX: u32 = 9;
/// The most labels of the time axis.
const TIMES_MAX: usize = 6;
/// How far lines and levels may widen the range of the candles, in parts of it, on either side: what is farther away
/// would flatten them.
const WIDENED_MAX: f64 = 0.75;
/// What is kept free above and below, in parts of the range.
const PADDING: f64 = 0.08;
/// By how many steps a label may be beyond the edge: what floats are off.
const ROUNDING: f64 = 1e-9;
/// Numbers with more decimals than this are written with an exponent.
const DECIMALS_MAX: usize = 12;
/// Numbers from here on are written with an exponent.
const LARGE: f64 = 1e12;

/// The prices from the lower to the upper edge. Never empty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Range {
    /// The prices that a chart shows.
    pub(super) fn of(chart: &Chart) -> Self {
        let low = chart.bars.iter().map(|bar| bar.low).fold(f64::INFINITY, f64::min);
        let high = chart.bars.iter().map(|bar| bar.high).fold(f64::NEG_INFINITY, f64::max);
        let size = low.abs().max(high.abs());
        let (mut low, mut high) = if high - low > size * 1e-9 {
            (low, high)
        } else {
            // Prices that do not move have a range as wide as those that hardly do.
            let room = if size > 0.0 { size * 1e-3 } else { 1.0 };
            (low - room, high + room)
        };
        let room = (high - low) * WIDENED_MAX;
        let within = low - room..=high + room;
        let lines = chart.traces.iter().flat_map(|trace| trace.values.iter().copied().flatten());
        for value in lines.chain(chart.levels.iter().map(|level| level.value)).filter(|value| within.contains(value)) {
            low = low.min(value);
            high = high.max(value);
        }
        let padding = (high - low) * PADDING;
        Self { low: low - padding, high: high + padding }
    }

    /// Where a price is, from 0 at the lower edge to 1 at the upper one; beyond for others.
    pub(super) fn place(self, price: f64) -> f64 {
        (price - self.low) / (self.high - self.low)
    }

    /// Round prices to label, and the decimals they are written with.
    pub(super) fn labels(self) -> (Vec<f64>, usize) {
        let raw = (self.high - self.low) / 8.0;
        let power = raw.log10().floor();
        let step = [1.0, 2.0, 5.0, 10.0].map(|part| part * 10_f64.powf(power)).into_iter().find(|step| *step >= raw);
        let step = step.unwrap_or(raw);
        let decimals = (0..=24_u8).find(|decimals| step * 10_f64.powi(i32::from(*decimals)) > 0.99).unwrap_or(24);
        let first = (self.low / step - ROUNDING).ceil();
        let labels = (0..PRICES_MAX).map(|at| (first + f64::from(at)) * step);
        (labels.take_while(|price| *price <= self.high + step * ROUNDING).collect(), usize::from(decimals))
    }
}

/// A price as it is written.
pub(super) fn price(value: f64, decimals: usize) -> String {
    if value.abs() >= LARGE || decimals > DECIMALS_MAX {
        return format!("{value:.4e}");
    }
    let text = format!("{value:.decimals$}");
    // A rounding error beside zero is no negative price.
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    grouped(if is_zero { text.trim_start_matches('-') } else { &text })
}

/// A stretch of time between labels.
#[derive(Clone, Copy, Debug)]
enum Stride {
    Seconds(i64),
    Months(i32),
}

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const STRIDES: [Stride; 26] = [
    Stride::Seconds(1),
    Stride::Seconds(5),
    Stride::Seconds(15),
    Stride::Seconds(30),
    Stride::Seconds(MINUTE),
    Stride::Seconds(5 * MINUTE),
    Stride::Seconds(15 * MINUTE),
    Stride::Seconds(30 * MINUTE),
    Stride::Seconds(HOUR),
    Stride::Seconds(2 * HOUR),
    Stride::Seconds(4 * HOUR),
    Stride::Seconds(6 * HOUR),
    Stride::Seconds(12 * HOUR),
    Stride::Seconds(DAY),
    Stride::Seconds(2 * DAY),
    Stride::Seconds(4 * DAY),
    Stride::Seconds(7 * DAY),
    Stride::Seconds(14 * DAY),
    Stride::Months(1),
    Stride::Months(2),
    Stride::Months(3),
    Stride::Months(6),
    Stride::Months(12),
    Stride::Months(24),
    Stride::Months(60),
    Stride::Months(240),
];

impl Stride {
    /// Which stretch a moment is in.
    fn stretch(self, moment: DateTime<Utc>) -> i64 {
        match self {
            Self::Seconds(seconds) => moment.timestamp().div_euclid(seconds),
            Self::Months(months) => {
                let month = i32::try_from(moment.month0()).unwrap_or(0);
                moment.year().saturating_mul(12).saturating_add(month).div_euclid(months).into()
            }
        }
    }

    fn is_no_shorter_than(self, step_ms: i64) -> bool {
        match self {
            Self::Seconds(seconds) => seconds.saturating_mul(1_000) >= step_ms,
            Self::Months(_) => true,
        }
    }

    /// Whether a stretch begins at just this moment.
    fn begins(self, moment: DateTime<Utc>) -> bool {
        let before = DateTime::from_timestamp(moment.timestamp().saturating_sub(1), 0);
        before.is_some_and(|before| self.stretch(before) != self.stretch(moment))
    }

    /// How a moment is written that begins a stretch. `is_day` where it is the first of its day.
    fn format(self, is_day: bool) -> &'static str {
        match self {
            Self::Months(12..) => "%Y",
            Self::Months(_) => "%b %Y",
            Self::Seconds(DAY..) => "%b %-d",
            Self::Seconds(_) if is_day => "%b %-d",
            Self::Seconds(MINUTE..) => "%H:%M",
            Self::Seconds(_) => "%H:%M:%S",
        }
    }
}

/// The candles to label with their time, and what is written: the first of each stretch, of the shortest stretches
/// that make few enough labels.
pub(super) fn times(chart: &Chart) -> Vec<(usize, String)> {
    let moments: Vec<Option<DateTime<Utc>>> =
        chart.bars.iter().map(|bar| DateTime::from_timestamp_millis(bar.open_time.0)).collect();
    let day = Stride::Seconds(DAY);
    let labels = |stride: Stride| -> Vec<(usize, String)> {
        let first = |stride: Stride, at: usize, moment| match at.checked_sub(1).and_then(|before| moments[before]) {
            Some(before) => stride.stretch(before) != stride.stretch(moment),
            None => stride.begins(moment),
        };
        let found = moments.iter().enumerate().filter_map(|(at, moment)| {
            let moment = (*moment)?;
            let text = || moment.format(stride.format(first(day, at, moment))).to_string();
            first(stride, at, moment).then(|| (at, text()))
        });
        found.collect()
    };
    let strides = STRIDES.into_iter().filter(|stride| stride.is_no_shorter_than(chart.step));
    strides.map(labels).find(|labels| labels.len() <= TIMES_MAX).unwrap_or_default()
}
