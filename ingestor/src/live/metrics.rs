//! What the live engine counts. The handles are made once, at zero.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::metrics::{Latency, table};
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;
use candlewire_common::timeframe::Timeframe;
use metrics::{Counter, Gauge};

use crate::discard::DiscardMetrics;
use crate::live::minute::VenueTotals;
use crate::live::outbox::Sender;
use crate::rest::walk::Requested;

/// What is counted of a venue.
#[derive(Clone, Debug)]
pub struct VenueMetrics {
    /// 1 while all its connections stand.
    pub up: Gauge,
    /// Connections that came back.
    pub reconnects: Counter,
    /// Candles that are not published.
    pub discarded: DiscardMetrics,
    /// Series of which no candle comes.
    pub stale: Gauge,
    requests: [Counter; Requested::ALL.len()],
}

impl VenueMetrics {
    /// The handles of one venue.
    pub fn new(venue: &str) -> Self {
        let metrics = Self {
            up: table::SOURCE_UP.gauge(&[venue]),
            reconnects: table::SOURCE_RECONNECTS.counter(&[venue]),
            discarded: DiscardMetrics::new(),
            stale: table::STALE_SERIES.gauge(&[venue]),
            requests: Requested::ALL.map(|outcome| table::REST_REQUESTS.counter(&[venue, outcome.as_str()])),
        };
        metrics.up.set(0.0);
        metrics.stale.set(0.0);
        metrics
    }

    /// Counts a request.
    pub fn requested(&self, outcome: Requested) {
        for (known, counter) in Requested::ALL.iter().zip(&self.requests) {
            if *known == outcome {
                counter.increment(1);
            }
        }
    }
}

/// What is counted of one timeframe of a venue.
#[derive(Clone, Debug)]
pub struct SeriesMetrics {
    /// Bars and rows, before any check.
    pub received: Counter,
    fetched: Counter,
    gaps: Counter,
    backfilled: Counter,
    totals: VenueTotals,
}

impl SeriesMetrics {
    /// The handles of a series' timeframe. What is counted is summed up in `totals`, too.
    pub fn new(series: &Series, totals: VenueTotals) -> Self {
        let labels = [series.venue(), series.timeframe().as_str()];
        Self {
            totals,
            received: table::CANDLES_RECEIVED.counter(&labels),
            fetched: table::CANDLES_FETCHED.counter(&labels),
            gaps: table::GAPS.counter(&labels),
            backfilled: table::BACKFILLED_CANDLES.counter(&labels),
        }
    }

    /// Counts rows of REST.
    pub fn fetched(&self, count: usize) {
        let count = count as u64;
        self.received.increment(count);
        self.fetched.increment(count);
        self.totals.fetched(count);
    }

    /// Counts a gap.
    pub fn gap(&self) {
        self.gaps.increment(1);
        self.totals.gap();
    }

    /// Counts a candle that was learned from REST.
    pub fn backfilled(&self) {
        self.backfilled.increment(1);
        self.totals.used();
    }
}

/// What is counted when a candle is in the stream.
#[derive(Clone, Debug)]
pub struct SentMetrics {
    timeframe: Timeframe,
    live_for: Duration,
    published: Counter,
    close_to_publish: Latency,
    totals: VenueTotals,
    last_close: Arc<LastClose>,
}

/// When the newest candle of a venue's timeframe closed, whatever its symbol.
#[derive(Debug)]
pub struct LastClose {
    gauge: Gauge,
    newest_ms: AtomicI64,
}

impl LastClose {
    /// The handle of a series' timeframe, without a value.
    pub fn new(series: &Series) -> Self {
        let gauge = table::LAST_CLOSE.gauge(&[series.venue(), series.timeframe().as_str()]);
        gauge.set(f64::NAN);
        Self { gauge, newest_ms: AtomicI64::new(0) }
    }

    fn closed(&self, end: UnixMillis) {
        if self.newest_ms.fetch_max(end.0, Ordering::Relaxed) < end.0 {
            self.gauge.set(Duration::from_millis(u64::try_from(end.0).unwrap_or(0)).as_secs_f64());
        }
    }
}

impl SentMetrics {
    /// The handles of a sender's series.
    pub fn new(sender: &Sender, last_close: Arc<LastClose>, totals: VenueTotals) -> Self {
        let timeframe = sender.series.timeframe();
        let labels = [sender.series.venue(), timeframe.as_str()];
        table::TIMEFRAME.gauge(&[timeframe.as_str()]).set(timeframe.duration().as_secs_f64());
        Self {
            timeframe,
            live_for: sender.live_for,
            published: table::CANDLES_PUBLISHED.counter(&labels),
            close_to_publish: Latency::new(table::CLOSE_TO_PUBLISH.histogram(&labels), "close_to_publish"),
            totals,
            last_close,
        }
    }

    /// Counts a candle that Redis has acknowledged for the first time.
    pub fn published(&self, candle: &ClosedCandle, now: UnixMillis) {
        self.published.increment(1);
        self.totals.published();
        let end = self.timeframe.close_time(candle.open_time());
        if now <= end.after(self.live_for) {
            // The venue's clock may be ahead of this one: then it took no time.
            self.close_to_publish.record_millis(end, now);
        }
        self.last_close.closed(end);
    }
}
