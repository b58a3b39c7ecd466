//! A range that begins before the candles that REST has: its old part is built of trades.
//!
//! Candles are asked for first and held back until the old part is through. So the two parts meet at the oldest
//! candle that Kraken really had, however long the trades take, and no trade is read that a candle has told already.

use std::collections::HashSet;

use candlewire_common::time::UnixMillis;

use super::candles::Candles;
use super::{Kraken, REACH, rest, trades};
use crate::venue::answer::{Failure, Request, Row};
use crate::venue::pager::Pager;
use crate::venue::{Span, Subscription, Venue};

const HOUR_MS: i64 = 3_600_000;
/// How far back a price is looked for.
const BACK_MAX_MS: i64 = 7 * 24 * HOUR_MS;
const NS_PER_MS: i64 = 1_000_000;

/// A walk from trades to candles.
#[derive(Debug)]
pub(super) struct DeepPager {
    subscription: Subscription,
    span: Span,
    now: UnixMillis,
    stage: Stage,
    /// The candles that REST had, which come last.
    newer: Vec<Row>,
}

#[derive(Debug)]
enum Stage {
    /// Candles of this range are to be asked for.
    Newer(Span),
    /// Trades are to be asked for.
    Older(Box<Trades>),
    Through,
}

/// How far the trades were read.
#[derive(Debug)]
struct Trades {
    candles: Candles,
    /// After which time the next ones are asked for.
    cursor_ns: i64,
    /// How long before the range they begin.
    back_ms: i64,
    /// The numbers of those of the last answer: the next repeats some.
    seen: HashSet<u64>,
    /// Whether the next answer is the first.
    is_first: bool,
}

impl DeepPager {
    /// Begins a walk through `span`, whose candles are closed if they ended by `now`.
    pub(super) fn new(subscription: Subscription, span: Span, now: UnixMillis) -> Self {
        let stage = Stage::Through;
        let mut pager = Self { subscription, span, now, stage, newer: Vec::new() };
        let reach_ms = pager.subscription.timeframe.millis().saturating_mul(i64::from(REACH));
        let reached = UnixMillis(now.0.saturating_sub(reach_ms)).max(span.first);
        if reached <= span.last {
            pager.stage = Stage::Newer(Span { first: reached, last: span.last });
        } else {
            pager.begin_older();
        }
        pager
    }

    /// Goes on to the trades before the oldest candle there is.
    fn begin_older(&mut self) {
        let timeframe_ms = self.subscription.timeframe.millis();
        self.stage = self.older(HOUR_MS.max(timeframe_ms.saturating_mul(10)));
    }

    /// Begins with the trades from so long before the range on.
    fn older(&self, back_ms: i64) -> Stage {
        let Span { first, last } = self.span;
        let end = self.subscription.timeframe.close_time(last).min(self.now);
        let end = self.newer.first().map_or(end, |row| row.open_time.min(end));
        let candles = Candles::new(self.subscription.timeframe, first, end);
        if candles.is_through() {
            return Stage::Through;
        }
        let cursor_ns = first.0.saturating_sub(back_ms).max(0).saturating_mul(NS_PER_MS);
        Stage::Older(Box::new(Trades { candles, cursor_ns, back_ms, seen: HashSet::new(), is_first: true }))
    }

    fn take_trades(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure> {
        let Stage::Older(trades) = &mut self.stage else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        let is_last = trades.take(trades::page(body)?, &mut rows);
        if let Some(back_ms) = trades.farther_back() {
            self.stage = self.older(back_ms);
            return Ok(Vec::new());
        }
        trades.is_first = false;
        if is_last {
            self.stage = Stage::Through;
        }
        Ok(rows)
    }
}

impl Trades {
    /// Takes an answer; tells whether it is the last one.
    fn take(&mut self, page: trades::Page, rows: &mut Vec<Row>) -> bool {
        let is_full = page.trades.len() >= trades::TRADES_MAX;
        let ids = page.trades.iter().map(|trade| trade.id).collect();
        let seen = std::mem::replace(&mut self.seen, ids);
        let mut is_news = false;
        for trade in page.trades.into_iter().filter(|trade| !seen.contains(&trade.id)) {
            is_news = true;
            self.candles.take(trade, rows);
        }
        if !is_news && !is_full {
            // No trade since. A short answer with news proves less: it may have been cut for another reason.
            self.candles.whole_until(UnixMillis(i64::MAX), rows);
            return true;
        }
        self.candles.whole_until(UnixMillis(page.last_ns / NS_PER_MS), rows);
        // The last trade's nanosecond is asked for again: the answer may have ended among several of it. But where
        // a whole answer happened within one, the next would be the same.
        let stuck_ns = self.cursor_ns.saturating_add(i64::from(is_full));
        self.cursor_ns = page.last_ns.saturating_sub(1).max(stuck_ns);
        self.candles.is_through()
    }

    /// Where to begin instead, if the first answer did not tell the price before the range.
    fn farther_back(&self) -> Option<i64> {
        let is_wanted = self.is_first && self.candles.lacks_price() && self.back_ms < BACK_MAX_MS;
        is_wanted.then(|| self.back_ms.saturating_mul(4).min(BACK_MAX_MS))
    }
}

impl Pager for DeepPager {
    fn request(&self) -> Option<Request> {
        match &self.stage {
            Stage::Newer(span) => Some(Kraken.page_request(&self.subscription, *span)),
            Stage::Older(older) => Some(trades::request(&self.subscription.symbol, older.cursor_ns)),
            Stage::Through => None,
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<Vec<Row>, Failure> {
        let mut rows = match &self.stage {
            Stage::Newer(span) => {
                self.newer = rest::rows(body)?;
                self.newer.retain(|row| row.open_time >= span.first);
                self.newer.dedup_by_key(|row| row.open_time);
                self.begin_older();
                Vec::new()
            }
            Stage::Older(_) => self.take_trades(body)?,
            Stage::Through => Vec::new(),
        };
        if matches!(self.stage, Stage::Through) {
            rows.append(&mut self.newer);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use candlewire_common::timeframe::Timeframe;
    use proptest::prelude::*;

    use super::*;
    use crate::venue::answer::RowState;
    use crate::venue::kraken::trades::Trade;

    const MINUTE_MS: i64 = 60_000;
    const NOW_MS: i64 = 29_380_000 * MINUTE_MS;

    fn minutes_ago(minutes: i64) -> UnixMillis {
        UnixMillis(NOW_MS - minutes * MINUTE_MS)
    }

    fn pager(first: i64, last: i64) -> Option<Box<dyn Pager>> {
        let subscription = Subscription { symbol: "BTC/USD".parse().unwrap(), timeframe: Timeframe::M1 };
        let span = Span { first: minutes_ago(first), last: minutes_ago(last) };
        Kraken.deep_pager(&subscription, span, UnixMillis(NOW_MS))
    }

    /// What Kraken answers: its trades by time and price, and the newest candles it still has.
    struct Exchange {
        trades: Vec<(i64, u32)>,
        candles: i64,
        page: usize,
        repeats: bool,
    }

    impl Exchange {
        fn answer(&self, path: &str) -> String {
            let since = path.split("since=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
            let since: i64 = since.parse().unwrap();
            if path.starts_with("/0/public/OHLC?pair=XBTUSD&interval=1&") {
                let row = |minute: i64| format!(r#"[{},"9","9","9","9","0","1",1]"#, minutes_ago(minute).0 / 1_000);
                let later = |minute: &i64| minutes_ago(*minute).0 / 1_000 > since;
                let rows: Vec<_> = (0..self.candles).rev().filter(later).map(row).collect();
                let last = minutes_ago(1).0 / 1_000;
                return format!(r#"{{"error":[],"result":{{"X":[{}],"last":{last}}}}}"#, rows.join(","));
            }
            let is_asked = |ns: i64| if self.repeats { ns >= since } else { ns > since };
            let trades = self.trades.iter().enumerate().filter(|(_, (ms, _))| is_asked(ms * NS_PER_MS));
            let trades: Vec<_> = trades.take(self.page).collect();
            let last = trades.last().map_or(since, |(_, (ms, _))| ms * NS_PER_MS);
            let row = |(id, (ms, price)): &(usize, &(i64, u32))| {
                format!(r#"["{price}","0.5",{}.{:03},"b","m","",{id}]"#, ms / 1_000, ms % 1_000)
            };
            let trades: Vec<_> = trades.iter().map(row).collect();
            format!(r#"{{"error":[],"result":{{"X":[{}],"last":"{last}"}}}}"#, trades.join(","))
        }

        /// The rows and the number of requests.
        fn walk(&self, mut pager: Box<dyn Pager>) -> (Vec<Row>, usize) {
            let (mut rows, mut requests) = (Vec::new(), 0);
            while let Some(request) = pager.request() {
                assert!(pager.take(b"{}").is_err(), "an answer that can't be read is asked for again");
                assert_eq!(pager.request(), Some(request.clone()));
                rows.append(&mut pager.take(self.answer(&request.path).as_bytes()).unwrap());
                requests += 1;
                assert!(requests < 10_000, "no end");
            }
            (rows, requests)
        }
    }

    fn told(rows: &[Row]) -> Vec<(i64, String, String, RowState)> {
        let row = |row: &Row| {
            let volume = row.bar.volume.to_f64().to_string();
            ((NOW_MS - row.open_time.0) / MINUTE_MS, row.bar.close.to_string(), volume, row.state)
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn only_what_candles_do_not_reach_is_deep() {
        assert!(pager(715, 1).is_none());
        assert!(pager(716, 1).is_some());
    }

    #[test]
    fn trades_lead_up_to_the_oldest_candle_there_is() {
        let trades =
            vec![(minutes_ago(1_002).0, 3), (minutes_ago(1_000).0 + 5, 4), (minutes_ago(900).0, 5), (NOW_MS, 6)];
        let exchange = Exchange { trades, candles: 700, page: 1_000, repeats: true };
        let (rows, requests) = exchange.walk(pager(1_001, 2).unwrap());
        let minutes: Vec<_> = rows.iter().map(|row| (NOW_MS - row.open_time.0) / MINUTE_MS).collect();
        assert_eq!((minutes, requests), ((0..=1_001).rev().collect(), 2));
        let told = told(&rows);
        for (at, minute, close, volume, state) in [
            (0, 1_001, "3", "0", RowState::Closed),
            (1, 1_000, "4", "0.5", RowState::Closed),
            (2, 999, "4", "0", RowState::Closed),
            (301, 700, "5", "0", RowState::Closed),
            (302, 699, "9", "1", RowState::Closed),
            (1_001, 0, "9", "1", RowState::Forming),
        ] {
            assert_eq!(told[at], (minute, close.to_owned(), volume.to_owned(), state));
        }
    }

    #[test]
    fn a_candle_that_an_answer_repeats_comes_once() {
        let mut pager = pager(716, 714).unwrap();
        let row = |minute| format!(r#"[{},"9","9","9","9","0","1",1]"#, minutes_ago(minute).0 / 1_000);
        let (older, newer) = (row(715), row(714));
        let body = format!(r#"{{"result":{{"X":[{older},{older},{newer}],"last":0}}}}"#);
        assert!(pager.take(body.as_bytes()).is_ok_and(|rows| rows.is_empty()));
        let mut rows = Vec::new();
        while pager.request().is_some() {
            rows.append(&mut pager.take(br#"{"result":{"X":[],"last":"0"}}"#).unwrap());
        }
        assert_eq!(rows.iter().map(|row| row.open_time).collect::<Vec<_>>(), [minutes_ago(715), minutes_ago(714)]);
    }

    #[test]
    fn a_price_is_looked_for_a_week_back() {
        let first = 20_000;
        for (trade, requests, rows) in [(first + 9_000, 7, 10), (first + 11_000, 7, 0)] {
            let exchange =
                Exchange { trades: vec![(minutes_ago(trade).0, 3)], candles: 1, page: 1_000, repeats: false };
            let walked = exchange.walk(pager(first, first - 9).unwrap());
            assert_eq!((walked.0.len(), walked.1 <= requests), (rows, true), "{trade}");
        }
    }

    #[test]
    fn an_answer_of_one_nanosecond_is_no_end() {
        let crowd = vec![(minutes_ago(1_000).0, 3); trades::TRADES_MAX + 1];
        let exchange = Exchange { trades: crowd, candles: 700, page: trades::TRADES_MAX, repeats: true };
        let (rows, _) = exchange.walk(pager(1_000, 990).unwrap());
        assert_eq!(rows.len(), 11);
    }

    proptest! {
        #[test]
        fn any_paging_gives_the_candles_of_the_trades(
            gaps in prop::collection::vec((0_i64..300_000, 1_u32..9), 0..120),
            page in 3_usize..40,
            repeats: bool,
        ) {
            let mut time = minutes_ago(1_010).0;
            let trades = gaps.into_iter().map(|(gap, price)| { time += gap; (time, price) });
            // More trades of one moment than an answer has room for can't be told apart.
            let mut trades: Vec<_> = trades.collect();
            trades.dedup_by_key(|(time, _)| *time);
            let trades: Vec<_> = trades.into_iter().flat_map(|(time, price)| [(time, price), (time, price + 1)]).collect();
            let (first, last) = (minutes_ago(1_000), minutes_ago(800));
            let mut direct = Candles::new(Timeframe::M1, first, last.after(Timeframe::M1.duration()));
            let mut expected = Vec::new();
            for (time, price) in &trades {
                let (price, volume) = (price.to_string().parse().unwrap(), "0.5".parse().unwrap());
                direct.take(Trade { time: UnixMillis(*time), price, volume, id: 0 }, &mut expected);
            }
            direct.whole_until(UnixMillis(NOW_MS), &mut expected);
            let exchange = Exchange { trades, candles: 1, page, repeats };
            let (rows, _) = exchange.walk(pager(1_000, 800).unwrap());
            prop_assert_eq!(told(&rows), told(&expected));
        }
    }
}
