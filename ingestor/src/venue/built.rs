//! Candles that a venue does not have, built from shorter ones that it has.

use std::sync::Arc;

use candlewire_common::aggregate::Aggregator;
use candlewire_common::candle::ClosedCandle;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;

use crate::grid::Grid;
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
    base: Timeframe,
    wanted: Timeframe,
    /// The last longer candle that was told.
    told: Option<UnixMillis>,
    /// The last longer candle that is spoilt, and the row that stands for it until its turn.
    spoilt: Option<(UnixMillis, Option<Row>)>,
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
        Some(Self { inner, aggregator, base, wanted: wanted.timeframe, told: None, spoilt: None })
    }

    /// The shorter candle of a row. One beside the grid is none: it would count for a candle that is out already.
    fn shorter(&self, row: &Row) -> Option<ClosedCandle> {
        let is_on_grid = Grid::new(self.base, Week::Monday).holds(row.open_time);
        ClosedCandle::new(row.open_time, row.bar, row.open_time).ok().filter(|_| is_on_grid)
    }

    /// Notes that a shorter candle is none; answers with a row that stands for an earlier one.
    fn spoil(&mut self, row: Row) -> Option<Row> {
        let whole = Grid::new(self.wanted, Week::Monday).floor(row.open_time);
        if self.told >= Some(whole) || self.spoilt.is_some_and(|(spoilt, _)| spoilt == whole) {
            return None;
        }
        let earlier = self.spoilt.replace((whole, Some(Row { open_time: whole, ..row })))?.1;
        self.tell(earlier.as_ref());
        earlier
    }

    /// The row that stands for a spoilt candle, once the walk has come beyond it.
    fn due(&mut self, open_time: UnixMillis) -> Option<Row> {
        let (spoilt, row) = self.spoilt.as_mut()?;
        let due = if self.wanted.close_time(*spoilt) <= open_time { row.take() } else { None };
        self.tell(due.as_ref());
        due
    }

    fn tell(&mut self, row: Option<&Row>) {
        self.told = self.told.max(row.map(|row| row.open_time));
    }

    /// The longer candles that are over with this shorter one.
    fn push(&mut self, candle: &ClosedCandle, state: RowState) -> Vec<Row> {
        let (told, spoilt) = (self.told, self.spoilt.map(|(spoilt, _)| spoilt));
        let Ok(closed) = self.aggregator.push(candle) else { return Vec::new() };
        let whole = |closed: ClosedCandle| Row { open_time: closed.open_time(), bar: closed.bar(), state };
        let is_new = |row: &Row| Some(row.open_time) > told && Some(row.open_time) != spoilt;
        let rows: Vec<Row> = closed.map(whole).filter(is_new).collect();
        self.tell(rows.last());
        rows
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
            match self.shorter(&row) {
                Some(candle) => {
                    let earlier = self.push(&candle, row.state);
                    built.extend(self.due(row.open_time).into_iter().chain(earlier));
                }
                None => built.extend(self.spoil(row)),
            }
        }
        if self.inner.request().is_none() {
            built.extend(self.due(UnixMillis(i64::MAX)));
        }
        built.sort_by_key(|row| row.open_time);
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
    fn what_comes_after_an_impossible_minute_comes_in_its_turn() {
        let mut answer = minutes(3..8);
        answer.push((8 * MINUTE, "2"));
        answer.extend(minutes(9..11));
        assert_eq!(built(&[&answer, &minutes(303..311)]), [3, 6, 9, 303, 306]);
    }
}
