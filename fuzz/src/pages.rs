//! Walks through a range: a digit for the venue, a letter from `b` to `o` for the timeframe, a digit for the range, then
//! the answers, a line each. Once they are used up, the venue has no more candles.

use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use ingestor::venue::built::base_of;
use ingestor::venue::pager::Pager;
use ingestor::venue::{Span, Subscription, any_pager};

use super::subject::{self, Subject};

/// Where ranges begin, or a little earlier, where the timeframe's grid has a candle: 2023-11-15.
const FIRST_MS: i64 = 1_700_006_400_000;
/// Ranges that need several pages, and ones that lie too far back for candles.
const RANGES: [Range; 4] = [
    Range { pages: false, deep: false },
    Range { pages: true, deep: false },
    Range { pages: false, deep: true },
    Range { pages: true, deep: true },
];
/// The fewest candles of a page, on any venue.
const PAGE_MIN: i64 = 100;
/// Requests beyond those that the range needs: a price before it is looked for a few times.
const EXTRA: usize = 16;

#[derive(Clone, Copy)]
struct Range {
    pages: bool,
    deep: bool,
}

/// Walks to the end; tells how many rows came.
///
/// # Panics
///
/// Where there is no end, or a row comes out of order.
pub fn run(input: &[u8]) -> usize {
    let Some((subject, [timeframe, range, answers @ ..])) = subject::chosen(input) else { return 0 };
    let timeframe = Timeframe::ALL[usize::from(*timeframe) % Timeframe::ALL.len()];
    let range = RANGES[usize::from(*range) % RANGES.len()];
    let span = span(subject, timeframe, range);
    let end = timeframe.close_time(span.last);
    let now = if range.deep { end.after(timeframe.duration() * 3_000) } else { end };
    let subscription = Subscription { symbol: subject.subscriptions[0].symbol.clone(), timeframe };
    let Some(pager) = any_pager(&subject.venue, &subscription, span, now) else { return 0 };
    let base = base_of(subject.venue.as_ref(), timeframe).unwrap_or(timeframe);
    let base = if subject.venue.timeframe_name(timeframe).is_some() { timeframe } else { base };
    let needed = (end.0 - span.first.0) / base.millis() / PAGE_MIN;
    walk(pager, span, answers, subject.nothing, usize::try_from(needed).unwrap_or_default() + EXTRA)
}

fn span(subject: &Subject, timeframe: Timeframe, range: Range) -> Span {
    let profile = subject.venue.profile();
    let origin = profile.week.origin(timeframe);
    let first = UnixMillis(FIRST_MS - (FIRST_MS - origin.0).rem_euclid(timeframe.millis()));
    let candles = if range.pages { profile.rows_max * 5 / 2 } else { 5 };
    Span { first, last: first.after(timeframe.duration() * (candles - 1)) }
}

/// Each answer costs a request at most; without answers, `needed` are enough.
fn walk(mut pager: Box<dyn Pager>, span: Span, answers: &[u8], nothing: &[u8], needed: usize) -> usize {
    let mut lines = answers.split(|byte| *byte == b'\n');
    let requests_max = lines.clone().count() + needed;
    let (mut newest, mut rows_total, mut requests) = (None, 0, 0);
    while let Some(request) = pager.request() {
        requests += 1;
        assert!(requests <= requests_max, "no end after {requests} requests, now {}", request.path);
        let Ok(rows) = pager.take(lines.next().unwrap_or(nothing)) else {
            assert_eq!(pager.request(), Some(request), "a request stays the next until it is answered");
            continue;
        };
        rows_total += rows.len();
        for row in rows {
            assert!(newest < Some(row.open_time), "{} does not follow {newest:?}", row.open_time);
            assert!(row.open_time >= span.first, "{} lies before the range", row.open_time);
            let is_last = pager.request().is_none();
            assert!(row.open_time <= span.last || is_last, "{} lies after the range", row.open_time);
            newest = Some(row.open_time);
        }
    }
    rows_total
}
