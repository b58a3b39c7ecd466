//! The fence, step by step: what an owner that was replaced between its read and its commit can change.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::candle::{Bar, ClosedCandle, Origin};
use candlewire_common::candle_entry::encode;
use candlewire_common::config::Config;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget};
use candlewire_common::series::{Partition, Series};
use candlewire_common::time::{UnixMicros, UnixMillis};
use candlewire_testkit::{RedisOptions, RedisServer, eventually};
use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;

use super::commit::Committed;
use super::lease::Acquired;
use super::{Leases, PartitionTask, Settings, Share, position, scripts};
use crate::core::Plans;
use crate::metrics::WorkerMetrics;

const P: Partition = Partition(0);

struct Owner {
    task: PartitionTask,
    connection: MultiplexedConnection,
    settings: Arc<Settings>,
}

impl Owner {
    async fn new(redis: &RedisServer, name: &str, ttl: Duration) -> Self {
        let text = format!("[redis]\nurl = \"{}\"\npartitions = 1\n", redis.url());
        let config = Config::from_text(&text, None, &[]).unwrap();
        let settings = Arc::new(Settings {
            target: RedisTarget::new(&config.redis).unwrap(),
            redis: config.redis.clone(),
            cache: config.cache.clone(),
            streams: config.streams,
            batch: 500,
            leases: Leases::new(config.redis.keys.clone(), name, ttl),
            metrics: WorkerMetrics::new(&config.strategies),
        });
        let connection = settings.target.connect(&settings.redis.keys.fence(P), RESPONSE_TIMEOUT).await.unwrap();
        let (_, shares) = watch::channel(Share::from([P]));
        let task = PartitionTask::new(settings.clone(), P, Plans::new(&config), shares);
        Self { task, connection, settings }
    }

    async fn acquire(&mut self) -> Acquired {
        self.settings.leases.acquire(P, &mut self.connection).await.unwrap()
    }
}

async fn publish(redis: &RedisServer, minute: i64) {
    let price = "1.5".parse().unwrap();
    let bar = Bar { open: price, high: price, low: price, close: price, volume: price };
    let candle = ClosedCandle::new(UnixMillis(minute * 60_000), bar, UnixMillis::now()).unwrap();
    let series: Series = "csv:X:1m".parse().unwrap();
    let mut add = redis::cmd("XADD");
    add.arg("cw:{0}:candles").arg("*");
    for (name, value) in encode(&series, &candle, Origin::Live, UnixMicros::now()) {
        add.arg(name).arg(value);
    }
    add.exec_async(&mut redis.connection().await.unwrap()).await.unwrap();
}

/// Everything the owner of a partition writes, to be compared.
async fn written(redis: &RedisServer) -> (Vec<String>, String) {
    let mut connection = redis.connection().await.unwrap();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    keys.sort();
    let stream = "cw:{0}:candles";
    let position = position::read(stream, &mut connection).await.unwrap();
    (keys, format!("{position:?}"))
}

#[tokio::test]
async fn an_owner_replaced_between_read_and_commit_changes_nothing() {
    let redis = RedisServer::start(RedisOptions::default()).await.unwrap();
    publish(&redis, 1).await;
    let mut late = Owner::new(&redis, "late", Duration::from_millis(500)).await;
    let Acquired::Taken { token, .. } = late.acquire().await else { panic!("held by nobody") };
    let stream = late.settings.redis.keys.candles(P);
    position::ensure_group(&stream, "cw:{0}:position", &mut late.connection).await.unwrap();
    let position = position::read(&stream, &mut late.connection).await.unwrap();
    let entries = late.task.read(&token, position, &mut late.connection).await.unwrap().unwrap().entries;
    assert_eq!(entries.len(), 1);

    // Its lease runs out, and another takes the partition.
    let mut next = Owner::new(&redis, "next", Duration::from_mins(1)).await;
    let taken = eventually(Duration::from_secs(10), async || match next.acquire().await {
        Acquired::Taken { cause, .. } => Ok(cause),
        held @ Acquired::Held { .. } => Err(format!("{held:?}")),
    });
    assert_eq!(taken.await.unwrap(), "expired");
    let before = written(&redis).await;

    let position = position.after(entries[0].id, 1);
    let committed = late.task.applier.apply(&entries, position, &mut late.connection).await.unwrap();
    assert_eq!(committed, Committed::Fenced);
    assert_eq!(written(&redis).await, before);
    // Nor can it read on, renew or release what is another's.
    assert!(late.task.read(&token, position, &mut late.connection).await.unwrap().is_none());
    late.settings.leases.release(P, &mut late.connection).await.unwrap();
    assert!(matches!(late.acquire().await, Acquired::Held { holder, .. } if holder == "next"));
}

/// The group's consumers, by their names.
async fn shown(redis: &RedisServer) -> Vec<String> {
    let mut connection = redis.connection().await.unwrap();
    let mut consumers = redis::cmd("XINFO");
    consumers.arg("CONSUMERS").arg("cw:{0}:candles").arg("indicator-workers");
    let found: Vec<HashMap<String, Value>> = consumers.query_async(&mut connection).await.unwrap();
    found.iter().map(|consumer| redis::from_redis_value_ref(&consumer["name"]).unwrap()).collect()
}

#[tokio::test]
async fn an_owner_that_was_replaced_does_not_show_itself_again() {
    let redis = RedisServer::start(RedisOptions::default()).await.unwrap();
    publish(&redis, 1).await;
    let (stream, fence) = ("cw:{0}:candles", "cw:{0}:fence");
    let mut late = Owner::new(&redis, "late", Duration::from_mins(1)).await;
    let Acquired::Taken { token, .. } = late.acquire().await else { panic!("held by nobody") };
    position::ensure_group(stream, "cw:{0}:position", &mut late.connection).await.unwrap();
    position::show_owner(stream, "late", (fence, &token), &mut late.connection).await.unwrap();
    assert_eq!(shown(&redis).await, ["late"]);
    late.settings.leases.release(P, &mut late.connection).await.unwrap();

    let mut next = Owner::new(&redis, "next", Duration::from_mins(1)).await;
    let Acquired::Taken { token: newer, .. } = next.acquire().await else { panic!("still held") };
    position::show_owner(stream, "next", (fence, &newer), &mut next.connection).await.unwrap();
    position::show_owner(stream, "late", (fence, &token), &mut late.connection).await.unwrap();
    assert_eq!(shown(&redis).await, ["next"]);
}

#[tokio::test]
async fn a_released_lease_is_not_renewed_again() {
    let redis = RedisServer::start(RedisOptions::default()).await.unwrap();
    let mut first = Owner::new(&redis, "first", Duration::from_mins(1)).await;
    let Acquired::Taken { token, .. } = first.acquire().await else { panic!("held by nobody") };
    first.settings.leases.release(P, &mut first.connection).await.unwrap();
    // A renewal that was under way when the lease was released.
    let mut renew = redis::cmd("EVAL");
    renew.arg(scripts::RENEW).arg(2).arg("cw:{0}:lease").arg("cw:{0}:fence").arg("first").arg(60_000).arg(&token.0);
    let renewed: u8 = renew.query_async(&mut first.connection).await.unwrap();
    assert_eq!(renewed, 0);
    let mut second = Owner::new(&redis, "second", Duration::from_mins(1)).await;
    let Acquired::Taken { cause, .. } = second.acquire().await else { panic!("still held") };
    assert_eq!(cause, "handed_over");
}
