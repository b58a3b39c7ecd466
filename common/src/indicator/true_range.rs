//! True range: `max(high, close[1]) - min(low, close[1])`, what a candle moved from the close before.

use super::arguments::Source;
use super::sample::Sample;
use super::window::{Values, Window};

/// High, low and close as the true range reads them.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueRange<'a> {
    pub(super) high: Values<'a>,
    pub(super) low: Values<'a>,
    close: Values<'a>,
}

impl<'a> TrueRange<'a> {
    pub(super) fn new(sample: &Sample, past: &'a Window) -> Self {
        let values = |source| Values::of(source, sample, past);
        Self { high: values(Source::High), low: values(Source::Low), close: values(Source::Close) }
    }

    /// In ticks, `candles` ago; `None` where no candle came before that one.
    pub(super) fn ago(self, candles: u16) -> Option<i128> {
        let before = self.close.seen(candles + 1)?;
        Some(self.high.ago(candles).max(before) - self.low.ago(candles).min(before))
    }
}
