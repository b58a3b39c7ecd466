//! The gauges that nothing in particular changes: what waits for Redis, and whether markets are open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::metrics::table;
use metrics::Gauge;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::live::outbox::Outbox;
use crate::venue::profile::Hours;

const EVERY: Duration = Duration::from_secs(1);

/// What is looked at each second.
#[derive(Debug)]
pub struct Gauges {
    buffer: Gauge,
    outboxes: Vec<Arc<Outbox>>,
    markets: Vec<(Hours, Gauge)>,
    clock: Clock,
}

impl Gauges {
    /// Makes the gauges of these outboxes and of the markets of these venues.
    pub fn new(outboxes: Vec<Arc<Outbox>>, venues: &BTreeMap<&'static str, Hours>, clock: Clock) -> Self {
        let market = |(venue, hours): (&&str, &Hours)| (*hours, table::MARKET_OPENED.gauge(&[venue]));
        let gauges = Self {
            buffer: table::PUBLISH_BUFFER.gauge(&[]),
            outboxes,
            markets: venues.iter().map(market).collect(),
            clock,
        };
        gauges.set();
        gauges
    }

    /// Sets them until `stop`.
    ///
    /// # Errors
    ///
    /// None; the signature is that of a supervised task.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        loop {
            self.set();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    fn set(&self) {
        self.buffer.set(self.outboxes.iter().map(|outbox| outbox.waiting()).sum::<usize>() as f64);
        let now = self.clock.now();
        for (hours, gauge) in &self.markets {
            gauge.set(hours.open_since(now).map_or(f64::NAN, |opened| opened.0 as f64 / 1_000.0));
        }
    }
}
