//! The gauges of the queues, refreshed every few seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::metrics::table;
use metrics::Gauge;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::audience::{self, Follow};
use crate::link::Link;
use crate::minute::Totals;
use crate::queue::{Gate, QueueKeys, Situation, Survey};

const EVERY: Duration = Duration::from_secs(2);

/// The gauges of one recipient.
struct Gauges {
    depth: Gauge,
    oldest_due: Gauge,
    dead: Gauge,
    disabled: Gauge,
    breaker: Gauge,
}

/// Makes the gauges, and refreshes them and their sums in `totals` until `stop`. While Redis is away they keep their values.
pub(crate) async fn run(follow: Follow, keys: QueueKeys, link: Arc<Link>, totals: Totals, stop: CancellationToken) {
    let survey = Survey { keys: &keys, link: &link };
    let mut all: HashMap<String, Gauges> = HashMap::new();
    loop {
        let audience = audience::now(&follow);
        let recipients: Vec<(&str, &str)> = audience
            .listeners
            .iter()
            .map(|listener| (listener.recipient.name(), listener.recipient.fingerprint.as_str()))
            .collect();
        // A gauge can't go away again.
        all.iter()
            .filter(|(name, _)| !recipients.iter().any(|(known, _)| known == name))
            .for_each(|(_, gauges)| gauges.forget());
        for (name, _) in &recipients {
            all.entry((*name).to_owned()).or_insert_with(|| Gauges::new(name));
        }
        if let Ok(seen) = survey.look(&recipients).await {
            totals.stand(seen.iter().map(|seen| seen.depth).sum(), seen.iter().map(|seen| seen.dead).sum());
            for ((name, _), seen) in recipients.iter().zip(seen) {
                if let Some(gauges) = all.get(*name) {
                    gauges.set(&seen);
                }
            }
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

impl Gauges {
    fn new(name: &str) -> Self {
        let labels = [name];
        let gauges = Self {
            depth: table::DELIVERY_QUEUE_DEPTH.gauge(&labels),
            oldest_due: table::DELIVERY_OLDEST_DUE.gauge(&labels),
            dead: table::DEAD_ALERTS.gauge(&labels),
            disabled: table::RECIPIENT_DISABLED.gauge(&labels),
            breaker: table::BREAKER_OPEN.gauge(&labels),
        };
        for gauge in [&gauges.depth, &gauges.dead, &gauges.disabled, &gauges.breaker] {
            gauge.set(0.0);
        }
        gauges.oldest_due.set(f64::NAN);
        gauges
    }

    fn set(&self, seen: &Situation) {
        let flag = |is_set: bool| if is_set { 1.0 } else { 0.0 };
        self.depth.set(seen.depth as f64);
        self.oldest_due.set(seen.next_due.map_or(f64::NAN, |due| due.0 as f64 / 1_000.0));
        self.dead.set(seen.dead as f64);
        self.disabled.set(flag(matches!(seen.gate, Gate::Disabled { is_former: false, .. })));
        self.breaker.set(flag(matches!(seen.gate, Gate::Open(_) | Gate::HalfOpen)));
    }

    fn forget(&self) {
        for gauge in [&self.depth, &self.oldest_due, &self.dead, &self.disabled, &self.breaker] {
            gauge.set(f64::NAN);
        }
    }
}
