//! Candles that a venue does not have, built from shorter ones that it has.

use std::sync::Arc;

use candlewire_common::aggregate::Aggregator;
use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use crate::live::grid::Grid;
use crate::venue::answer::{Failure, Request, Row, RowState};
use crate::venue::pager::Pager;
use crate::venue::profile::Week;
use crate::venue::{Span, Subscription, Venue, pager};

/// A walk through shorter candles that brings longer ones. One whose end lies after the last shorter candle comes
/// only once a later candle shows that it is over: the venue may be behind. To see a later one it walks on beyond the
/// range where the venue leaves candles out, so that longer ones after the range may come, too.
///
/// A shorter candle that is none spoils the longer one: that comes with its numbers, so that whoever takes it says what is
/// wrong.
pub struct BuiltPager {
    inner: Box<dyn Pager>,
    aggregator: Aggregator,
    grid: Grid,
    spoilt: Option<UnixMillis>,
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
        let aggregator = Aggregator::new(base, wanted.timeframe).ok()?.skipping_empty();
        let mut last = UnixMillis(wanted.timeframe.close_time(span.last).0 - base.millis());
        if venue.profile().omits_empty {
            // The last shorter candle may be one that is left out: then a later one shows that the longer is over.
            let later = last.after(base.duration() * (venue.profile().rows_max / 2));
            last = later.min(UnixMillis(now.0.saturating_sub(base.millis()))).max(last);
        }
        let shorter = Subscription { symbol: wanted.symbol.clone(), timeframe: base };
        let inner = pager(venue, &shorter, Span { first: span.first, last }, now);
        Some(Self { inner, aggregator, grid: Grid::new(wanted.timeframe, Week::Monday), spoilt: None })
    }
}

impl Pager for BuiltPager {
    fn request(&self) -> Option<Request> {
        self.inner.request()
    }

    fn take(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure> {
        let mut built = Vec::new();
        for row in self.inner.take(body)? {
            // What is not over is left to the next question.
            if row.state == RowState::Forming {
                break;
            }
            let Ok(candle) = ClosedCandle::new(row.open_time, row.bar, row.open_time) else {
                let whole = self.grid.floor(row.open_time);
                if self.spoilt.replace(whole) != Some(whole) {
                    built.push(Row { open_time: whole, ..row });
                }
                continue;
            };
            if let Ok(closed) = self.aggregator.push(&candle) {
                let whole =
                    |closed: ClosedCandle| Row { open_time: closed.open_time(), bar: closed.bar(), state: row.state };
                let spoilt = self.spoilt;
                built.extend(closed.map(whole).filter(|row| Some(row.open_time) != spoilt));
            }
        }
        Ok(built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::coinbase::Coinbase;

    const MINUTE_MS: i64 = 60_000;
    /// A multiple of three minutes.
    const BEGIN: i64 = 30_000_000 * MINUTE_MS;

    /// A walk through three candles of three minutes, of which these minutes have trades; the high of one is impossible.
    fn walk(minutes: &[i64], spoilt: Option<i64>, now: i64) -> Vec<(i64, bool)> {
        let wanted = Subscription { symbol: "BTC-USD".parse().unwrap(), timeframe: Timeframe::M3 };
        let span = Span { first: UnixMillis(BEGIN), last: UnixMillis(BEGIN + 6 * MINUTE_MS) };
        let venue: Arc<dyn Venue> = Arc::new(Coinbase);
        let mut pager = BuiltPager::new(&venue, &wanted, span, UnixMillis(BEGIN + now * MINUTE_MS)).unwrap();
        let request = pager.request().unwrap().path;
        let end: i64 = request.split("end=").nth(1).and_then(|rest| rest.split('&').next()).unwrap().parse().unwrap();
        let row = |minute: &i64| {
            let (start, high) = (BEGIN / 1_000 + minute * 60, if spoilt == Some(*minute) { 1 } else { 9 });
            let candle =
                format!(r#"{{"start":"{start}","low":"2","high":"{high}","open":"3","close":"4","volume":"1"}}"#);
            (start <= end).then_some(candle)
        };
        let rows: Vec<String> = minutes.iter().rev().filter_map(row).collect();
        let body = format!(r#"{{"candles":[{}]}}"#, rows.join(","));
        let built = pager.take(body.as_bytes()).unwrap();
        let is_candle = |row: &Row| ClosedCandle::new(row.open_time, row.bar, row.open_time).is_ok();
        built.iter().map(|row| ((row.open_time.0 - BEGIN) / MINUTE_MS, is_candle(row))).collect()
    }

    #[test]
    fn an_impossible_candle_spoils_the_longer_one_and_no_other() {
        for minute in [3, 4, 5] {
            let rows = walk(&[0, 1, 3, 4, 5, 6, 7, 8], Some(minute), 9);
            assert_eq!((rows.len(), rows.contains(&(3, false))), (3, true), "{minute}: {rows:?}");
            assert!(rows.contains(&(0, true)) && rows.contains(&(6, true)), "{minute}: {rows:?}");
        }
    }

    #[test]
    fn a_later_candle_shows_that_the_last_one_is_over() {
        assert_eq!(walk(&[0, 4, 6, 7], None, 9), [(0, true), (3, true)]);
        assert_eq!(walk(&[0, 4, 6, 7, 11], None, 15), [(0, true), (3, true), (6, true), (9, true)]);
        assert_eq!(walk(&[0, 4, 6, 7, 10], None, 15), [(0, true), (3, true), (6, true)]);
    }
}
