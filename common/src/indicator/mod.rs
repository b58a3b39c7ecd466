//! Averages and the other indicators: a candle in, a value out.
//!
//! Owns what can be configured ([`IndicatorSpec`], [`Line`]) and the states' one interface ([`Indicator`]).
//! Each indicator lives in a file of its own with its formula, seeding, first value and source, and has a line in
//! `registry.rs`. Nothing here knows a clock, I/O, series or strategies.
//!
//! There are two families. Averages over a window are ratios of whole ticks: they neither drift nor round, and
//! what they need of the past is the series' one shared [`Window`], so that nothing of them is stored. Recursive
//! averages depend on every candle before; they are `f64`s, kept by their raw bits.

mod adx;
mod alma;
mod arguments;
mod atr;
mod bbands;
mod bytes;
mod cascade;
mod dema;
mod ema;
mod hma;
mod kama;
mod kernel;
mod lsma;
mod macd;
mod reading;
mod registry;
mod rma;
mod rolling;
mod rsi;
mod sample;
mod seeded;
mod sma;
mod spec;
mod t3;
#[cfg(test)]
mod table;
mod tema;
mod trima;
mod true_range;
mod vwma;
mod window;
mod wma;
mod zlema;

pub use arguments::{PERIOD_MAX, Source};
pub use kernel::Unit;
pub use reading::Reading;
pub use sample::{Digits, Finer, Sample, Units};
pub use spec::{IndicatorSpec, Line, Listing, Output};
pub use window::{Needs, Window};

use bytes::Bytes;
use registry::State;

/// A configured indicator and its state.
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator(State);

impl Indicator {
    /// Starts an indicator that has seen nothing.
    pub fn new(spec: IndicatorSpec) -> Self {
        Self(spec.name.start(&spec.arguments))
    }

    /// Starts an indicator that has seen nothing but the window's candles. `scale` is the decimals of its prices.
    pub fn over(spec: IndicatorSpec, window: &Window, scale: u8) -> Self {
        let mut indicator = Self::new(spec);
        let needs = spec.needs();
        let mut past = Window::new(&needs);
        for back in (1..=window.rows(&needs)).rev() {
            let sample = window.sample(back, scale);
            indicator.step(&sample, &past);
            past.push(&sample);
        }
        indicator
    }

    /// Restores an indicator from [`Indicator::save`]'s bytes and the window it stood beside, bit for bit.
    /// `None` where the bytes are not this indicator's. The window must hold what the indicator needs, or all
    /// the candles there were.
    pub fn restore(spec: IndicatorSpec, bytes: &[u8], window: &Window, scale: u8) -> Option<Self> {
        let mut indicator = Self::over(spec, window, scale);
        let mut bytes = Bytes(bytes);
        indicator.0.load(&mut bytes)?;
        bytes.0.is_empty().then_some(indicator)
    }

    /// Appends what the window can't give back.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
    }

    /// Takes in the next candle. `past` holds those before it.
    #[inline]
    pub fn step(&mut self, sample: &Sample, past: &Window) {
        self.0.step(sample, past);
    }

    /// A value after the last candle; `None` while warming up. `scale` is the decimals of the series' prices.
    #[inline]
    pub fn reading(&self, output: Output, scale: u8) -> Option<Reading> {
        self.0.reading(output.0, scale)
    }

    /// Follows a change of the series' units.
    pub fn rescale(&mut self, finer: Finer) {
        self.0.rescale(finer);
    }
}
