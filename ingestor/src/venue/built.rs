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
/// only once a later candle shows that it is over: the venue may be behind.
pub struct BuiltPager {
    inner: Box<dyn Pager>,
    aggregator: Aggregator,
    base: Timeframe,
    wanted: Timeframe,
    /// The shorter candles that were not taken last: one that holds any of them is not whole.
    left_out: Option<Span>,
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
        let last = UnixMillis(wanted.timeframe.close_time(span.last).0 - base.millis());
        let shorter = Subscription { symbol: wanted.symbol.clone(), timeframe: base };
        let inner = pager(venue, &shorter, Span { first: span.first, last }, now);
        Some(Self { inner, aggregator, base, wanted: wanted.timeframe, left_out: None })
    }

    /// The shorter candle of a row. One beside the grid is none: it would count for a candle that is out already.
    fn shorter(&self, row: &Row) -> Option<ClosedCandle> {
        let is_over = row.state != RowState::Forming && row.open_time.0 % self.base.millis() == 0;
        ClosedCandle::new(row.open_time, row.bar, row.open_time).ok().filter(|_| is_over)
    }

    fn is_whole(&self, candle: &ClosedCandle) -> bool {
        let end = self.wanted.close_time(candle.open_time());
        self.left_out.is_none_or(|Span { first, last }| last < candle.open_time() || first >= end)
    }
}

impl Pager for BuiltPager {
    fn request(&self) -> Option<Request> {
        self.inner.request()
    }

    fn take(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure> {
        let mut built = Vec::new();
        let rows = self.inner.take(body)?;
        let last = rows.last().map(|row| row.open_time);
        for row in rows {
            // What is no candle, or not over, is left to the next question, with all that the answer has after it.
            let Some(candle) = self.shorter(&row) else {
                let first = self.left_out.map_or(row.open_time, |left_out| left_out.first);
                self.left_out = last.map(|last| Span { first, last });
                break;
            };
            if let Ok(closed) = self.aggregator.push(&candle) {
                let whole =
                    |closed: ClosedCandle| Row { open_time: closed.open_time(), bar: closed.bar(), state: row.state };
                built.extend(closed.filter(|closed| self.is_whole(closed)).map(whole));
            }
        }
        Ok(built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::coinbase::Coinbase;

    const MINUTE: i64 = 60;

    /// The minutes at which candles of 3 minutes open, built of answers that hold candles by second and price.
    fn built(answers: &[&[(i64, &str)]]) -> Vec<i64> {
        let venue: Arc<dyn Venue> = Arc::new(Coinbase);
        let wanted = Subscription { symbol: "BTC-USD".parse().unwrap(), timeframe: Timeframe::M3 };
        let span = Span { first: UnixMillis(3 * MINUTE * 1_000), last: UnixMillis(999 * MINUTE * 1_000) };
        let mut pager = BuiltPager::new(&venue, &wanted, span, span.last).unwrap();
        let candle = |(second, price): &(i64, &str)| {
            format!(r#"{{"start":{second},"open":1,"high":1,"low":1,"close":{price},"volume":1}}"#)
        };
        let take = |answer: &&[(i64, &str)]| {
            let candles = answer.iter().map(candle).collect::<Vec<_>>().join(",");
            pager.take(format!(r#"{{"candles":[{candles}]}}"#).as_bytes()).unwrap()
        };
        answers.iter().flat_map(take).map(|row| row.open_time.0 / MINUTE / 1_000).collect()
    }

    /// The candles of these minutes.
    fn minutes(minutes: std::ops::Range<i64>) -> Vec<(i64, &'static str)> {
        minutes.map(|minute| (minute * MINUTE, "1")).collect()
    }

    #[test]
    fn a_candle_comes_once_its_last_minute_has_come() {
        assert_eq!(built(&[&minutes(3..11)]), [3, 6]);
    }

    #[test]
    fn a_minute_beside_the_grid_tells_no_candle_again() {
        let mut answer = minutes(3..6);
        answer.push((6 * MINUTE - 1, "1"));
        assert_eq!(built(&[&answer]), [3]);
    }

    #[test]
    fn a_candle_that_lacks_an_impossible_minute_does_not_come() {
        let mut answer = minutes(3..8);
        answer.push((8 * MINUTE, "2"));
        answer.extend(minutes(9..11));
        assert_eq!(built(&[&answer, &minutes(303..311)]), [3, 303, 306]);
    }
}
