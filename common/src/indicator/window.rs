//! The shared window: what the indicators of a series read of its past candles, in whole ticks.
//!
//! It is a function of the tail of the series' history and is not stored anywhere else. Numbers are
//! kept as 64-bit ones as long as they fit, which is all but always, and as 128-bit ones beyond.

use super::arguments::Source;
use super::sample::{Field, Finer, Sample};
use crate::decimal::Decimal;

/// How many past candles are read of each field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs([u16; Field::COUNT]);

impl Needs {
    /// Nothing.
    pub const NONE: Self = Self([0; Field::COUNT]);

    /// These, and `candles` of a source.
    #[must_use]
    pub fn source(self, source: Source, candles: u16) -> Self {
        self.field(Field::of(source), candles)
    }

    /// These, and `candles` of the volume.
    pub(super) fn volume(self, candles: u16) -> Self {
        self.field(Field::VOLUME, candles)
    }

    fn field(mut self, field: Field, candles: u16) -> Self {
        let own = &mut self.0[field.index()];
        *own = candles.max(*own);
        self
    }

    /// What either needs.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Field::all().fold(self, |needs, field| needs.field(field, other.0[field.index()]))
    }

    /// How many past candles must be known.
    pub fn candles(self) -> usize {
        self.0.into_iter().max().unwrap_or(0).into()
    }
}

/// The last candles of a series, as far as its indicators look back.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    columns: Box<[Column]>,
    /// The place of each field's column; beyond the last where none is kept.
    places: [u8; Field::COUNT],
}

/// A ring of one field's last ticks. It is as long as a power of two, and what was never written is zero.
#[derive(Clone, Debug)]
struct Column {
    field: Field,
    ring: Ring,
    /// Where the next one goes, counted on and on.
    next: usize,
    /// How many are known, of those that are needed.
    len: usize,
    needed: usize,
}

#[derive(Clone, Debug)]
enum Ring {
    Narrow(Box<[i64]>),
    Wide(Box<[i128]>),
}

impl Window {
    /// Makes an empty window.
    pub fn new(needs: &Needs) -> Self {
        let (mut columns, mut places) = (Vec::new(), [u8::MAX; Field::COUNT]);
        for (field, place) in Field::all().zip(&mut places) {
            let needed = usize::from(needs.0[field.index()]);
            if needed > 0 {
                *place = u8::try_from(columns.len()).unwrap_or(u8::MAX);
                columns.push(Column::new(field, needed));
            }
        }
        Self { columns: columns.into(), places }
    }

    /// Whether as much is known as is needed.
    pub fn covers(&self, needs: &Needs) -> bool {
        Field::all().all(|field| self.column(field).map_or(0, |column| column.len) >= needs.0[field.index()].into())
    }

    /// The ticks of a source `back` candles ago: 1 is the newest.
    pub fn price(&self, source: Source, back: usize) -> Option<i128> {
        self.back(Field::of(source), back)
    }

    /// The ticks of a field `back` candles ago: 1 is the newest.
    pub(super) fn back(&self, field: Field, back: usize) -> Option<i128> {
        self.column(field)?.back(back)
    }

    /// Adds the newest candle and lets the oldest go.
    #[inline]
    pub fn push(&mut self, sample: &Sample) {
        for column in &mut self.columns {
            match (sample.narrow(column.field), &mut column.ring) {
                (Some(ticks), Ring::Narrow(ring)) => ring[column.next & (ring.len() - 1)] = ticks,
                _ => column.write_wide(sample.ticks(column.field)),
            }
            column.advance();
        }
    }

    /// Adds a candle of which only the close is known, in ticks of `10^-scale`.
    pub fn push_close(&mut self, close: Decimal, scale: u8) {
        if let (Some(ticks), Some(column)) = (close.ticks(scale), self.columns.get_mut(self.place(Source::Close))) {
            column.write_wide(ticks);
            column.advance();
        }
    }

    /// Follows a change of the series' units.
    pub fn rescale(&mut self, finer: Finer) {
        for column in &mut self.columns {
            column.rescale(finer.of(column.field));
        }
    }

    /// The sample `back` candles ago, as far as it is kept.
    pub(super) fn sample(&self, back: usize, scale: u8) -> Sample {
        let mut ticks = [0; Field::COUNT];
        for (field, ticks) in Field::all().zip(&mut ticks) {
            *ticks = self.back(field, back).unwrap_or_default();
        }
        Sample::partial(ticks, scale)
    }

    /// Of how many of the last candles everything that is needed is known.
    pub(super) fn rows(&self, needs: &Needs) -> usize {
        let needed = Field::all().map(|field| (needs.0[field.index()], self.column(field)));
        let rows = needed.filter(|(need, _)| *need > 0);
        rows.map(|(need, column)| column.map_or(0, |column| column.len.min(need.into()))).min().unwrap_or(0)
    }

    fn place(&self, source: Source) -> usize {
        self.places[Field::of(source).index()].into()
    }

    #[inline]
    fn column(&self, field: Field) -> Option<&Column> {
        self.columns.get(usize::from(self.places[field.index()]))
    }
}

impl Column {
    fn new(field: Field, needed: usize) -> Self {
        let ring = Ring::Narrow(vec![0; needed.next_power_of_two()].into());
        Self { field, ring, next: 0, len: 0, needed }
    }

    /// The ticks `back` candles ago, at least one; zero where there was no candle.
    #[inline]
    fn ticks(&self, back: usize) -> i128 {
        let at = self.next.wrapping_sub(back);
        match &self.ring {
            Ring::Narrow(ring) => ring[at & (ring.len() - 1)].into(),
            Ring::Wide(ring) => ring[at & (ring.len() - 1)],
        }
    }

    #[inline]
    fn back(&self, back: usize) -> Option<i128> {
        (1..=self.len).contains(&back).then(|| self.ticks(back))
    }

    /// Writes the next ticks of any size.
    fn write_wide(&mut self, ticks: i128) {
        let at = self.next;
        match (&mut self.ring, i64::try_from(ticks)) {
            (Ring::Narrow(ring), Ok(ticks)) => ring[at & (ring.len() - 1)] = ticks,
            (Ring::Narrow(ring), Err(_)) => {
                let mut wide: Box<[i128]> = ring.iter().map(|&ticks| i128::from(ticks)).collect();
                wide[at & (ring.len() - 1)] = ticks;
                self.ring = Ring::Wide(wide);
            }
            (Ring::Wide(ring), _) => ring[at & (ring.len() - 1)] = ticks,
        }
    }

    #[inline]
    fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
        self.len = self.needed.min(self.len + 1);
    }

    fn rescale(&mut self, factor: i128) {
        let finer = |ticks: i128| ticks.wrapping_mul(factor);
        let wide: Box<[i128]> = match &self.ring {
            Ring::Narrow(ring) => ring.iter().map(|&ticks| finer(ticks.into())).collect(),
            Ring::Wide(ring) => ring.iter().map(|&ticks| finer(ticks)).collect(),
        };
        let narrow: Result<Box<[i64]>, _> = wide.iter().map(|ticks| i64::try_from(*ticks)).collect();
        self.ring = narrow.map_or(Ring::Wide(wide), Ring::Narrow);
    }
}

/// Two columns are equal that know the same, wherever it lies.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        let same = |back| self.back(back) == other.back(back);
        (self.field, self.len, self.needed) == (other.field, other.len, other.needed) && (1..=self.len).all(same)
    }
}

/// One field as an indicator reads it: now, and candles ago. What was never seen counts as zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    now: i128,
    column: Option<&'a Column>,
}

impl<'a> Values<'a> {
    #[inline]
    pub(super) fn of(source: Source, sample: &Sample, past: &'a Window) -> Self {
        Self::field(Field::of(source), sample, past)
    }

    #[inline]
    pub(super) fn field(field: Field, sample: &Sample, past: &'a Window) -> Self {
        Self { now: sample.ticks(field), column: past.column(field) }
    }

    /// The ticks now.
    #[inline]
    pub(super) fn now(self) -> i128 {
        self.now
    }

    /// The ticks `candles` ago, not more than the indicator needs: 0 is now.
    #[inline]
    pub(super) fn ago(self, candles: u16) -> i128 {
        match self.column {
            Some(column) if candles > 0 => column.ticks(candles.into()),
            _ if candles > 0 => 0,
            _ => self.now,
        }
    }

    /// The ticks `candles` ago, at least one; `None` where there was none.
    #[inline]
    pub(super) fn seen(self, candles: u16) -> Option<i128> {
        self.column.and_then(|column| column.back(candles.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(close: i128) -> Sample {
        let mut ticks = [0; Field::COUNT];
        ticks[Field::of(Source::Close).index()] = close;
        Sample::partial(ticks, 0)
    }

    fn closes(window: &Window) -> Vec<Option<i128>> {
        (0..=3).map(|back| window.price(Source::Close, back)).collect()
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut window = Window::new(&Needs::NONE.source(Source::Close, 2));
        for close in 1..=3 {
            window.push(&sample(close));
        }
        assert_eq!(closes(&window), [None, Some(3), Some(2), None]);
        assert_eq!(window.price(Source::Open, 1), None);
    }

    #[test]
    fn finer_ticks_than_64_bits_hold_lose_nothing() {
        let mut window = Window::new(&Needs::NONE.source(Source::Close, 3));
        window.push(&sample(123_456_789));
        window.rescale(Finer { price: 10_i128.pow(12), volume: 1 });
        window.push(&sample(7));
        assert_eq!(closes(&window), [None, Some(7), Some(123_456_789_000_000_000_000), None]);
        window.push(&sample(10_i128.pow(29)));
        assert_eq!(window.price(Source::Close, 1), Some(10_i128.pow(29)));
    }

    #[test]
    fn what_is_needed_by_one_or_the_other_is_kept() {
        let needs = Needs::NONE.source(Source::High, 2).and(Needs::NONE.source(Source::High, 1).volume(4));
        assert_eq!(needs, Needs::NONE.source(Source::High, 2).volume(4));
        assert_eq!(needs.candles(), 4);
        let mut window = Window::new(&needs);
        window.push(&sample(1));
        assert!(window.covers(&Needs::NONE.source(Source::High, 1)) && !window.covers(&needs));
    }
}
