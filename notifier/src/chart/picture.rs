//! The picture of a crossing: a chart in, PNG bytes out.
//!
//! Pure. Candles stand side by side whatever time lies between them, as venues draw them; a gap is a faint upright line.
//! The sizes are made for a phone, on which the picture is a third as large.

use candlewire_common::signal::Direction;
use plotters::style::RGBColor;

use super::axis::{self, Range};
use super::canvas::{Anchor, Area, Canvas, DrawError, HEIGHT, Pen, Place, WIDTH};
use super::clip::runs;
use super::model::{Bar, Chart, Level, LevelKind, Role};
use crate::text::moment;

const GROUND: RGBColor = RGBColor(0x13, 0x17, 0x22);
const GRID: RGBColor = RGBColor(0x23, 0x28, 0x36);
const BAND: RGBColor = RGBColor(0x22, 0x2a, 0x3d);
const GAP: RGBColor = RGBColor(0x30, 0x37, 0x4a);
const RIM: RGBColor = RGBColor(0x3d, 0x44, 0x57);
const TEXT: RGBColor = RGBColor(0xe6, 0xe9, 0xf0);
const FAINT: RGBColor = RGBColor(0x98, 0xa0, 0xb3);
const UP: RGBColor = RGBColor(0x2e, 0xbd, 0x85);
const DOWN: RGBColor = RGBColor(0xf6, 0x46, 0x5d);
const FAST: RGBColor = RGBColor(0xff, 0xb7, 0x4d);
const SLOW: RGBColor = RGBColor(0x4d, 0xa3, 0xff);
const STOP: RGBColor = RGBColor(0xff, 0x7a, 0x8a);
const TARGET: RGBColor = RGBColor(0x5f, 0xd9, 0xa8);

const TITLE_SIZE: f32 = 27.0;
const LEGEND_SIZE: f32 = 19.0;
const LABEL_SIZE: f32 = 18.0;
const MARGIN: f64 = 16.0;
/// What the times are in.
const UTC: &str = "UTC";
/// The room that two labels need, from middle to middle.
const LABEL_HEIGHT: f64 = 22.0;
/// The widest a candle and the space beside it become.
const SLOTS_MIN: usize = 30;
/// Slots that stay empty behind the last candle.
const SLOTS_AHEAD: usize = 3;

/// A part of the picture.
type Layer = fn(&Frame, &mut Canvas, &Chart) -> Result<(), DrawError>;

/// What is drawn, the lowest first.
pub(super) const LAYERS: [Layer; 8] = [
    Frame::header,
    Frame::grid,
    Frame::levels,
    Frame::candles,
    Frame::traces,
    Frame::level_names,
    Frame::mark,
    Frame::last_price,
];

/// Draws a chart.
///
/// # Errors
///
/// [`DrawError`].
pub(super) fn draw(chart: &Chart) -> Result<Vec<u8>, DrawError> {
    draw_layers(chart, LAYERS)
}

/// Draws some of a chart.
pub(super) fn draw_layers(chart: &Chart, layers: impl IntoIterator<Item = Layer>) -> Result<Vec<u8>, DrawError> {
    let mut canvas = Canvas::new(GROUND)?;
    let frame = Frame::of(chart, &canvas);
    layers.into_iter().try_for_each(|layer| layer(&frame, &mut canvas, chart))?;
    canvas.encode()
}

/// Where everything is.
pub(super) struct Frame {
    plot: Area,
    range: Range,
    /// From the middle of a candle to that of the next.
    slot: f64,
    bars: usize,
    labels: Vec<f64>,
    decimals: usize,
}

impl Frame {
    fn of(chart: &Chart, canvas: &Canvas) -> Self {
        let range = Range::of(chart);
        let (labels, decimals) = range.labels();
        let last = chart.bars.last().map(|bar| axis::price(bar.close, decimals.max(chart.decimals())));
        let texts = labels.iter().map(|price| axis::price(*price, decimals)).chain(last);
        let widest =
            texts.map(|text| canvas.measure(&text, LABEL_SIZE)).fold(canvas.measure(UTC, LABEL_SIZE), f64::max);
        let right = f64::from(WIDTH) - widest - 22.0;
        let plot = Area { left: MARGIN, top: 92.0, right, bottom: f64::from(HEIGHT) - 40.0 };
        let slots = chart.bars.len().max(SLOTS_MIN) + SLOTS_AHEAD;
        let slot = (plot.right - plot.left) / count(slots);
        Self { plot, range, slot, bars: chart.bars.len(), labels, decimals }
    }

    /// The middle of a candle.
    fn x(&self, at: usize) -> f64 {
        self.plot.right - (count(self.bars - at.min(self.bars) + SLOTS_AHEAD) - 0.5) * self.slot
    }

    fn y(&self, price: f64) -> f64 {
        let place = self.range.place(price).clamp(-1.0, 2.0);
        self.plot.bottom - place * (self.plot.bottom - self.plot.top)
    }

    /// A price as near as the plot shows.
    fn y_within(&self, price: f64, margin: f64) -> f64 {
        self.y(price).clamp(self.plot.top + margin, self.plot.bottom - margin)
    }

    /// Instrument, strategy, side and price; below, the averages by their colours, and the time.
    fn header(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        let (price, side) = (canvas.fitted(&chart.price, TITLE_SIZE, 300.0), side(chart.direction));
        let instrument = canvas.fitted(&chart.instrument, TITLE_SIZE, 420.0);
        let parts = |strategy: String| {
            [
                (instrument.clone(), TEXT),
                (format!(" · {strategy} · "), FAINT),
                (side.to_owned(), side_colour(chart.direction)),
                (format!(" {price}"), TEXT),
            ]
        };
        let rest: f64 = parts(String::new()).iter().map(|(text, _)| canvas.measure(text, TITLE_SIZE)).sum();
        let room = f64::from(WIDTH) - 2.0 * self.plot.left - rest;
        let mut at = Place { x: self.plot.left, y: 28.0 };
        for (text, colour) in parts(canvas.fitted(&chart.strategy, TITLE_SIZE, room)) {
            canvas.write(&text, at, Anchor::Left, Pen { size: TITLE_SIZE, colour })?;
            at.x += canvas.measure(&text, TITLE_SIZE);
        }
        let mut at = Place { x: self.plot.left, y: 66.0 };
        for trace in &chart.traces {
            let colour = trace_colour(trace.role);
            canvas.fill(Area { left: at.x, top: at.y - 2.0, right: at.x + 24.0, bottom: at.y + 2.0 }, colour)?;
            let text = canvas.fitted(&trace.name, LEGEND_SIZE, 240.0);
            at.x += 32.0;
            canvas.write(&text, at, Anchor::Left, Pen { size: LEGEND_SIZE, colour })?;
            at.x += canvas.measure(&text, LEGEND_SIZE) + 28.0;
        }
        let pen = Pen { size: LEGEND_SIZE, colour: FAINT };
        canvas.write(&moment(chart.closed), Place { x: f64::from(WIDTH) - 12.0, y: at.y }, Anchor::Right, pen)
    }

    fn grid(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        let Area { left, top, right, bottom } = self.plot;
        let pen = Pen { size: LABEL_SIZE, colour: FAINT };
        let (last, half) = (self.x(self.bars.saturating_sub(1)), self.slot * 0.5);
        canvas.fill(Area { left: last - half, top, right: last + half, bottom }, BAND)?;
        let taken =
            chart.bars.last().filter(|_| chart.has_price).map(|bar| self.y_within(bar.close, LABEL_HEIGHT / 2.0));
        let mut written = String::new();
        for price in &self.labels {
            let y = self.y(*price);
            canvas.fill(Area { left, top: y, right, bottom: y + 1.0 }, GRID)?;
            let text = axis::price(*price, self.decimals);
            // Numbers that are long need an exponent, and may look alike then.
            if taken.is_none_or(|taken| (taken - y).abs() >= LABEL_HEIGHT) && text != written {
                canvas.write(&text, Place { x: right + 10.0, y }, Anchor::Left, pen)?;
                written = text;
            }
        }
        canvas.write(UTC, Place { x: f64::from(WIDTH) - 12.0, y: bottom + 20.0 }, Anchor::Right, pen)?;
        let mut free = 0.0;
        for (at, text) in axis::times(chart) {
            let (x, half) = (self.x(at), canvas.measure(&text, LABEL_SIZE) / 2.0);
            canvas.fill(Area { left: x, top, right: x + 1.0, bottom }, GRID)?;
            if x - half > free && x + half < right {
                canvas.write(&text, Place { x, y: bottom + 20.0 }, Anchor::Middle, pen)?;
                free = x + half + 14.0;
            }
        }
        canvas.fill(Area { left, top: bottom, right, bottom: bottom + 1.0 }, RIM)?;
        canvas.fill(Area { left: right, top, right: right + 1.0, bottom: bottom + 1.0 }, RIM)?;
        for (at, pair) in chart.bars.windows(2).enumerate() {
            if pair[1].open_time.0.saturating_sub(pair[0].open_time.0) > chart.step {
                let x = self.x(at) + half;
                canvas.fill(Area { left: x - 0.5, top, right: x + 0.5, bottom }, GAP)?;
            }
        }
        Ok(())
    }

    fn candles(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        // Whole pixels on either side of a whole place: so all candles look alike.
        let (body, wick) = ((self.slot * 0.375).floor().max(1.0), 1.0);
        for (at, bar) in chart.bars.iter().enumerate() {
            let (x, colour) = (self.x(at).round(), colour(bar));
            let upright = |half: f64, from: f64, to: f64| {
                let (top, bottom) = (self.y(from.max(to)), self.y(from.min(to)));
                // A price that did not move is a line.
                let thin = (1.5 - (bottom - top)).max(0.0) / 2.0;
                Area { left: x - half, top: top - thin, right: x + half, bottom: bottom + thin }
            };
            canvas.fill(upright(wick, bar.high, bar.low), colour)?;
            canvas.fill(upright(body, bar.open, bar.close), colour)?;
        }
        Ok(())
    }

    fn traces(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        // The slow one first: what crosses is on top.
        for trace in chart.traces.iter().rev() {
            for run in runs(&trace.values, self.range.low, self.range.high) {
                let place = |(at, price): &(f64, f64)| Place { x: self.x(0) + at * self.slot, y: self.y(*price) };
                canvas.line(&run.iter().map(place).collect::<Vec<_>>(), 2, trace_colour(trace.role))?;
            }
        }
        Ok(())
    }

    fn levels(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        for level in chart.levels.iter().filter(|level| self.is_within(**level)) {
            let from = Place { x: self.plot.left, y: self.y(level.value) };
            canvas.dashes(from, self.plot.right, 5.0, level_colour(level.kind))?;
        }
        Ok(())
    }

    /// Writes what the levels are: on the outer side of each, so that two near ones do not meet.
    fn level_names(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        for level in &chart.levels {
            let is_upper = (level.kind == LevelKind::Target) == (chart.direction == Direction::Buy);
            let beyond = match (self.is_within(*level), level.value > self.range.high) {
                (true, _) => "",
                (false, true) => " ↑",
                (false, false) => " ↓",
            };
            let price = axis::price(level.value, self.decimals.max(chart.decimals()));
            let text = format!("{} {price}{beyond}", level.kind.as_str());
            let half = LABEL_HEIGHT / 2.0;
            let offset = if is_upper { -half - 3.0 } else { half + 3.0 };
            let y = (self.y(level.value) + offset).clamp(self.plot.top + half, self.plot.bottom - half);
            let (left, width) = (self.plot.left + 4.0, canvas.measure(&text, LABEL_SIZE));
            let ground = Area { left: left - 4.0, top: y - half, right: left + width + 4.0, bottom: y + half };
            canvas.fill(ground, GROUND)?;
            let pen = Pen { size: LABEL_SIZE, colour: level_colour(level.kind) };
            canvas.write(&text, Place { x: left, y }, Anchor::Left, pen)?;
        }
        Ok(())
    }

    fn is_within(&self, level: Level) -> bool {
        (self.range.low..=self.range.high).contains(&level.value)
    }

    /// Points at the candle that crossed: from below to buy, from above to sell.
    fn mark(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        let (Some(bar), x) = (chart.bars.last(), self.x(self.bars.saturating_sub(1))) else { return Ok(()) };
        let (price, away) = match chart.direction {
            Direction::Buy => (bar.low, 1.0),
            Direction::Sell => (bar.high, -1.0),
        };
        let tip = self.y_within(price, 26.0) + away * 5.0;
        // Its rim keeps it apart from candles and lines.
        for (rim, colour) in [(3.0, GROUND), (0.0, side_colour(chart.direction))] {
            let (half, height) = (11.0 + rim, 18.0 + rim);
            let corner = |x, y| Place { x, y: tip + away * y };
            canvas.shape(&[corner(x, -rim * 1.4), corner(x + half, height), corner(x - half, height)], colour)?;
        }
        Ok(())
    }

    fn last_price(&self, canvas: &mut Canvas, chart: &Chart) -> Result<(), DrawError> {
        let Some(bar) = chart.bars.last().filter(|_| chart.has_price) else { return Ok(()) };
        let y = self.y_within(bar.close, LABEL_HEIGHT / 2.0);
        let (left, half) = (self.plot.right + 1.0, LABEL_HEIGHT / 2.0 + 2.0);
        canvas.dashes(Place { x: self.x(self.bars - 1), y }, self.plot.right, 2.0, colour(bar))?;
        canvas.fill(Area { left, top: y - half, right: f64::from(WIDTH) - 4.0, bottom: y + half }, colour(bar))?;
        let text = axis::price(bar.close, self.decimals.max(chart.decimals()));
        let pen = Pen { size: LABEL_SIZE, colour: GROUND };
        canvas.write(&text, Place { x: self.plot.right + 10.0, y }, Anchor::Left, pen)
    }
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Buy => "BUY",
        Direction::Sell => "SELL",
    }
}

fn side_colour(direction: Direction) -> RGBColor {
    match direction {
        Direction::Buy => UP,
        Direction::Sell => DOWN,
    }
}

fn colour(bar: &Bar) -> RGBColor {
    if bar.close < bar.open { DOWN } else { UP }
}

fn trace_colour(role: Role) -> RGBColor {
    match role {
        Role::Fast => FAST,
        Role::Slow => SLOW,
    }
}

fn level_colour(kind: LevelKind) -> RGBColor {
    match kind {
        LevelKind::Stop => STOP,
        LevelKind::Target => TARGET,
    }
}

fn count(number: usize) -> f64 {
    number as f64
}
