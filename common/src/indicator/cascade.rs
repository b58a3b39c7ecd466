//! A recursive average of a price, and further ones behind it, each the average of the one before.
//!
//! What the family of the exponential average shares: how candles are taken in, saved and restored. What is made of
//! the averages is each indicator's own.

use super::arguments::{Arguments, Source};
use super::bytes::Bytes;
use super::kernel::Weight;
use super::sample::{Finer, Sample};
use super::seeded::{SeededByTicks, SeededByValues, Smoothing};

/// A first average and `FURTHER` others in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cascade<const FURTHER: usize> {
    source: Source,
    by: Smoothing,
    first: SeededByTicks,
    further: [SeededByValues; FURTHER],
}

/// What the sums that seed a cascade grow to.
pub(super) fn weight(arguments: &Arguments) -> Weight {
    Weight::of_prices(i128::from(arguments.period()) * arguments.source.divisor())
}

impl<const FURTHER: usize> Cascade<FURTHER> {
    pub(super) fn new(source: Source, by: Smoothing) -> Self {
        Self { source, by, first: SeededByTicks::new(), further: [SeededByValues::new(); FURTHER] }
    }

    #[inline]
    pub(super) fn step(&mut self, sample: &Sample) {
        self.first.step_price(self.by, self.source, sample);
        let mut before = self.first.get();
        for average in &mut self.further {
            let Some(value) = before else { return };
            average.step_value(self.by, value);
            before = average.get();
        }
    }

    /// The first average, where it has a value.
    #[inline]
    pub(super) fn first(&self) -> Option<f64> {
        self.first.get()
    }

    /// The others.
    #[inline]
    pub(super) fn further(&self) -> [Option<f64>; FURTHER] {
        self.further.map(SeededByValues::get)
    }

    pub(super) fn rescale(&mut self, finer: Finer) {
        self.first.rescale(finer.price);
    }

    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.first.save(out);
        for average in self.further {
            average.save(out);
        }
    }

    pub(super) fn load(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.first.load(self.by, bytes)?;
        self.further.iter_mut().try_for_each(|average| average.load(self.by, bytes))
    }
}
