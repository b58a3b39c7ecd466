//! Candles that a venue does not have, built from shorter ones that it has.

use std::sync::Arc;

use candlewire_common::aggregate::Aggregator;
use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::pager::Pager;
use crate::venue::{Span, Subscription, Venue, pager};

/// A walk through shorter candles that brings longer ones. One whose end lies after the last shorter candle comes
/// only once a later candle shows that it is over: the venue may be behind. To see a later one it walks on beyond the
/// range where the venue leaves candles out, so that longer ones after the range may come, too.
pub struct BuiltPager {
    inner: Box<dyn Pager>,
    aggregator: Aggregator,
}

/// The longest timeframe that a venue has and that `wanted` is a multiple of.
pub fn base_of(venue: &dyn Venue, wanted: Timeframe) -> Option<Timeframe> {
    let is_base = |base: &Timeframe| venue.timeframe_name(*base).is_some() && Aggregator::new(*base, wanted).is_ok();
    Timeframe::ALL.into_iter().rev().find(is_base)
}

impl BuiltPager {
    /// Begins at the first of `span`; `None` where the venue has nothing that these candles could be built of.
    pub fn new(venue: &Arc<dyn Venue>, wanted: &Subscription, span: Span, now: UnixMillis) -> Option<Self> {
        let base = base_of(venue.as_ref(), wanted.timeframe)?;
        let aggregator = Aggregator::new(base, wanted.timeframe).ok()?;
        let mut last = UnixMillis(wanted.timeframe.close_time(span.last).0 - base.millis());
        if venue.profile().omits_empty {
            // The last shorter candle may be one that is left out: then a later one shows that the longer is over.
            let later = last.after(base.duration() * (venue.profile().rows_max / 2));
            last = later.min(UnixMillis(now.0.saturating_sub(base.millis()))).max(last);
        }
        let shorter = Subscription { symbol: wanted.symbol.clone(), timeframe: base };
        let inner = pager(venue, &shorter, Span { first: span.first, last }, now);
        Some(Self { inner, aggregator })
    }
}

impl Pager for BuiltPager {
    fn request(&self) -> Option<Request> {
        self.inner.request()
    }

    fn take(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure> {
        let mut built = Vec::new();
        for row in self.inner.take(body)? {
            // What is no candle, or not over, is left to the next question.
            let Ok(candle) = ClosedCandle::new(row.open_time, row.bar, row.open_time) else { break };
            if row.state == RowState::Forming {
                break;
            }
            if let Ok(closed) = self.aggregator.push(&candle) {
                let whole =
                    |closed: ClosedCandle| Row { open_time: closed.open_time(), bar: closed.bar(), state: row.state };
                built.extend(closed.map(whole));
            }
        }
        Ok(built)
    }
}
