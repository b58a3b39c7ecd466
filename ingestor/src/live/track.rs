//! One series of a source: its sequence, and where its candles go.

use std::sync::Arc;

use candlewire_common::candle::ClosedCandle;
use candlewire_common::series::Series;
use candlewire_common::time::UnixMillis;

use crate::live::derived::Derived;
use crate::live::metrics::SeriesMetrics;
use crate::live::minute::VenueTotals;
use crate::live::outbox::{Outbox, Rewind};
use crate::live::sequence::Sequence;
use crate::venue::Subscription;

/// One series of a source.
#[derive(Debug)]
pub struct Track {
    /// Its name.
    pub series: Series,
    /// Its name at the venue.
    pub subscription: Subscription,
    /// Which candles go out.
    pub sequence: Sequence,
    /// Longer candles that are built from it.
    pub derived: Vec<Derived>,
    /// The connection that carries it; none of a series that is built.
    pub connection: Option<usize>,
    /// What is counted.
    pub metrics: SeriesMetrics,
    outbox: Arc<Outbox>,
    /// Its number in the outbox.
    sender: usize,
}

impl Track {
    /// A series whose candles go to `outbox`, as its `sender`.
    pub fn new(
        series: Series,
        subscription: Subscription,
        sequence: Sequence,
        outbox: Arc<Outbox>,
        sender: usize,
        totals: VenueTotals,
    ) -> Self {
        let metrics = SeriesMetrics::new(&series, totals);
        Self { series, subscription, sequence, derived: Vec::new(), connection: None, metrics, outbox, sender }
    }

    /// Hands a candle on; answers with longer candles that end with it, by their series' numbers.
    pub fn publish(&mut self, candle: ClosedCandle) -> Vec<(usize, ClosedCandle)> {
        self.outbox.put(self.sender, candle);
        let built = |derived: &mut Derived| {
            let series = derived.series;
            derived.push(&candle).into_iter().map(move |candle| (series, candle)).collect::<Vec<_>>()
        };
        self.derived.iter_mut().flat_map(built).collect()
    }

    /// Notes that candles up to `last` were passed over.
    pub fn pass_over(&mut self, last: UnixMillis) {
        for derived in &mut self.derived {
            derived.resume(last);
        }
    }

    /// Begins anew where its candles were not taken or were lost; answers with whether it did.
    pub fn take_rewind(&mut self, now: UnixMillis) -> bool {
        let Some(Rewind { held }) = self.outbox.take_rewind(self.sender) else { return false };
        let series = &self.series;
        let start = held.map_or_else(|| "anew".to_owned(), |held| format!("after {}", held.rfc3339()));
        tracing::debug!(series = %series, "{series} begins {start}");
        self.sequence.resume(held, now);
        if let Some(held) = held {
            for derived in &mut self.derived {
                derived.resume(held);
            }
        }
        true
    }

    /// Where its candles wait.
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }
}
