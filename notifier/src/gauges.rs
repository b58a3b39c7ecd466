//! The gauges of the queues, refreshed every few seconds.

use std::sync::Arc;
use std::time::Duration;

use candlewire_common::metrics::table;
use metrics::Gauge;
use redis::RedisError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::queue::{DisabledNote, QueueKeys};
use crate::recipient::Recipient;

const EVERY: Duration = Duration::from_secs(2);

/// The gauges of one recipient.
struct Gauges {
    recipient: Arc<Recipient>,
    depth: Gauge,
    oldest_due: Gauge,
    dead: Gauge,
    disabled: Gauge,
}

/// What Redis says about one recipient: depth, head with its time, dead letters, note.
type Seen = (u64, Vec<(String, f64)>, u64, Option<String>);

/// Makes the gauges, and refreshes them until `stop`. While Redis is away they keep their values.
pub(crate) async fn run(recipients: Vec<Arc<Recipient>>, keys: QueueKeys, link: Arc<Link>, stop: CancellationToken) {
    let all: Vec<Gauges> = recipients.into_iter().map(Gauges::new).collect();
    loop {
        if let Ok(seen) = look(&all, &keys, &link).await {
            for (gauges, seen) in all.iter().zip(seen) {
                gauges.set(seen);
            }
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn look(all: &[Gauges], keys: &QueueKeys, link: &Link) -> Result<Vec<Seen>, RedisError> {
    let mut seen = Vec::with_capacity(all.len());
    for chunk in all.chunks(100) {
        let mut commands = redis::pipe();
        for gauges in chunk {
            let name = gauges.recipient.name();
            commands.cmd("ZCARD").arg(keys.due(name));
            commands.cmd("ZRANGE").arg(keys.due(name)).arg(0).arg(0).arg("WITHSCORES");
            commands.cmd("XLEN").arg(keys.dead(name));
            commands.cmd("HGET").arg(keys.disabled()).arg(name);
        }
        let mut answers = link.run_all::<Vec<redis::Value>>(&commands).await?.into_iter();
        while let (Some(depth), Some(head), Some(dead), Some(note)) =
            (answers.next(), answers.next(), answers.next(), answers.next())
        {
            seen.push((
                redis::from_redis_value(depth)?,
                redis::from_redis_value(head)?,
                redis::from_redis_value(dead)?,
                redis::from_redis_value(note)?,
            ));
        }
    }
    Ok(seen)
}

impl Gauges {
    fn new(recipient: Arc<Recipient>) -> Self {
        let labels = [recipient.name()];
        let gauges = Self {
            depth: table::DELIVERY_QUEUE_DEPTH.gauge(&labels),
            oldest_due: table::DELIVERY_OLDEST_DUE.gauge(&labels),
            dead: table::DEAD_ALERTS.gauge(&labels),
            disabled: table::RECIPIENT_DISABLED.gauge(&labels),
            recipient,
        };
        gauges.set((0, Vec::new(), 0, None));
        gauges
    }

    fn set(&self, (depth, head, dead, note): Seen) {
        self.depth.set(depth as f64);
        self.oldest_due.set(head.first().map_or(f64::NAN, |(_, due_ms)| due_ms / 1_000.0));
        self.dead.set(dead as f64);
        let note: Option<DisabledNote> = note.and_then(|note| serde_json::from_str(&note).ok());
        let is_disabled = note.is_some_and(|note| note.fingerprint == self.recipient.fingerprint);
        self.disabled.set(if is_disabled { 1.0 } else { 0.0 });
    }
}
