//! Walking through a range of candles, page by page.
//!
//! Owns the cutting of a range into pages, and the order: rows come out in open-time order across pages. It sends
//! nothing; whoever does gives each answer back, and asks for the next request until there is none.

use std::sync::Arc;

use candlewire_common::time::UnixMillis;

use crate::venue::answer::{Failure, Request, Row};
use crate::venue::{Span, Subscription, Venue};

/// A walk through a range of candles.
pub trait Pager: Send {
    /// The next request; the same again until its answer was taken. `None`: the range is through.
    fn request(&self) -> Option<Request>;

    /// Takes the body of a successful answer. Rows come in open-time order, also across answers, each candle once;
    /// those after the range, which only the last answer brings, tell that the venue has come so far.
    ///
    /// # Errors
    ///
    /// [`Failure`]; the request stays the next.
    fn take(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure>;
}

/// A walk through what a venue gives for any range, oldest page first.
#[derive(Debug)]
pub struct RangePager {
    venue: Arc<dyn Venue>,
    subscription: Subscription,
    /// What is still to be asked for, in this order; the first is at most a page.
    spans: Vec<Span>,
    /// Rows that wait for older ones.
    held: Vec<Row>,
    last: UnixMillis,
}

impl RangePager {
    /// Begins at the first of `span`.
    pub fn new(venue: Arc<dyn Venue>, subscription: Subscription, span: Span) -> Self {
        let mut pager = Self { venue, subscription, spans: Vec::new(), held: Vec::new(), last: span.last };
        pager.push(span);
        pager
    }

    /// Puts a range before all others, cut to a page.
    fn push(&mut self, span: Span) {
        let timeframe = self.subscription.timeframe.duration();
        let page_last = span.first.after(timeframe * (self.venue.profile().rows_max - 1));
        if page_last < span.last {
            self.spans.push(Span { first: page_last.after(timeframe), last: span.last });
        }
        self.spans.push(Span { first: span.first, last: page_last.min(span.last) });
    }

    /// What a page leaves out at its beginning: a venue that gives the newest rows first may give fewer than
    /// were asked for.
    fn missing_front(&self, span: Span, rows: &[Row]) -> Option<Span> {
        let oldest = rows.first().filter(|row| row.open_time <= span.last)?;
        let last = UnixMillis(oldest.open_time.0 - self.subscription.timeframe.millis());
        let is_cut = !self.venue.profile().omits_empty && span.first <= last;
        is_cut.then_some(Span { first: span.first, last })
    }
}

impl Pager for RangePager {
    fn request(&self) -> Option<Request> {
        self.spans.last().map(|span| self.venue.page_request(&self.subscription, *span))
    }

    fn take(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure> {
        let Some(span) = self.spans.last().copied() else { return Ok(Vec::new()) };
        let mut rows = self.venue.read_page(&self.subscription, body)?;
        self.spans.pop();
        let is_over = self.spans.is_empty() && self.held.is_empty();
        let end = if is_over && span.last == self.last { UnixMillis(i64::MAX) } else { span.last };
        rows.retain(|row| (span.first..=end).contains(&row.open_time));
        rows.dedup_by_key(|row| row.open_time);
        if let Some(front) = self.missing_front(span, &rows) {
            self.held.splice(0..0, rows);
            self.push(front);
            return Ok(Vec::new());
        }
        if let Some(next) = self.spans.pop() {
            self.push(next);
        }
        let mut held = std::mem::take(&mut self.held);
        rows.append(&mut held);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venue::binance::Binance;

    const MINUTE_MS: i64 = 60_000;

    #[test]
    fn a_long_range_is_cut_into_pages_of_at_most_rows_max() {
        let subscription = Subscription { symbol: "BTCUSDT".parse().unwrap(), timeframe: "1m".parse().unwrap() };
        let span = Span { first: UnixMillis(0), last: UnixMillis(2_500 * MINUTE_MS) };
        let mut pager = RangePager::new(Arc::new(Binance), subscription, span);
        for (first, last) in [(0, 999), (1_000, 1_999), (2_000, 2_500)] {
            let times = format!("startTime={}&endTime={}&", first * MINUTE_MS, last * MINUTE_MS);
            assert!(pager.request().is_some_and(|request| request.path.contains(&times)), "{times}");
            let row = |minute: i64| format!(r#"[{},"1","1","1","1","1"]"#, minute * MINUTE_MS);
            let body = format!("[{}]", (first..=last).map(row).collect::<Vec<_>>().join(","));
            assert_eq!(pager.take(body.as_bytes()).map(|rows| rows.len()), Ok(body.matches("],[").count() + 1));
        }
        assert_eq!(pager.request(), None);
    }

    #[test]
    fn a_candle_that_an_answer_repeats_comes_once() {
        let subscription = Subscription { symbol: "BTCUSDT".parse().unwrap(), timeframe: "1m".parse().unwrap() };
        let span = Span { first: UnixMillis(MINUTE_MS), last: UnixMillis(2 * MINUTE_MS) };
        let mut pager = RangePager::new(Arc::new(Binance), subscription, span);
        let rows = pager.take(b"[[120000,1,1,1,1,1],[60000,1,1,1,1,1],[60000,2,2,2,2,2]]").unwrap();
        assert_eq!(rows.iter().map(|row| row.open_time.0).collect::<Vec<_>>(), [MINUTE_MS, 2 * MINUTE_MS]);
    }
}
