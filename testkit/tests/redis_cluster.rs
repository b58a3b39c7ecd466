//! A private Redis Cluster forms, redirects, replaces its masters and moves its slots.

use std::collections::BTreeSet;

use candlewire_testkit::redis_cluster::SlotMigration;
use candlewire_testkit::redis_server::{AppendOnly, RedisOptions};
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{ClusterOptions, RedisCluster};
use redis::aio::MultiplexedConnection;
use redis::{AsyncTypedCommands, ErrorKind, RedisResult, ServerErrorKind, cmd};

/// Kinds of the refusals that send a client elsewhere.
const MOVED: ErrorKind = ErrorKind::Server(ServerErrorKind::Moved);
const ASK: ErrorKind = ErrorKind::Server(ServerErrorKind::Ask);

/// How many keys two nodes have.
async fn sizes(one: &mut MultiplexedConnection, two: &mut MultiplexedConnection) -> RedisResult<(u64, u64)> {
    let size = cmd("DBSIZE");
    Ok((size.query_async(one).await?, size.query_async(two).await?))
}

#[tokio::test]
async fn keys_are_spread_over_the_masters_and_other_nodes_redirect() {
    let cluster = RedisCluster::start(ClusterOptions::default()).await.unwrap();
    assert_eq!((cluster.node_count(), cluster.urls().len()), (6, 6));
    let mut masters = BTreeSet::new();
    for number in 0..12 {
        let key = format!("key{number}");
        let slot = cluster.slot_of(&key).await.unwrap();
        let master = cluster.master_of(slot).await.unwrap();
        masters.insert(master);
        for node in 0..cluster.node_count() {
            let set = cluster.connection(node).await.unwrap().set(&key, "value").await;
            if node == master {
                set.unwrap();
            } else {
                let error = set.unwrap_err();
                assert_eq!(error.kind(), MOVED, "node {node}");
                let address = format!("127.0.0.1:{}", cluster.port(master));
                assert_eq!(error.redirect_node(), Some((address.as_str(), slot)), "node {node}");
            }
        }
    }
    assert_eq!(masters.len(), 3, "{masters:?}");
}

#[tokio::test]
async fn killed_master_is_replaced_and_comes_back_as_a_replica() {
    let server = RedisOptions { append_only: AppendOnly::Always, ..RedisOptions::default() };
    let mut cluster = RedisCluster::start(ClusterOptions { server, ..ClusterOptions::default() }).await.unwrap();
    let slot = cluster.slot_of("kept").await.unwrap();
    let old = cluster.master_of(slot).await.unwrap();
    let mut connection = cluster.connection(old).await.unwrap();
    connection.set("kept", "yes").await.unwrap();
    let copies: u32 = cmd("WAIT").arg(1).arg(5_000).query_async(&mut connection).await.unwrap();
    assert_eq!(copies, 1);

    cluster.kill(old).unwrap();
    assert_eq!(cluster.master_of(slot).await.unwrap(), old, "nobody else can have noticed yet");
    let new = cluster.promoted(slot, old).await.unwrap();
    assert_ne!(new, old);
    let mut connection = cluster.connection(new).await.unwrap();
    assert_eq!(connection.get("kept").await.unwrap().as_deref(), Some("yes"));
    connection.set("{kept}added", "yes").await.unwrap();

    cluster.restart(old).await.unwrap();
    cluster.settled().await.unwrap();
    assert_eq!(cluster.master_of(slot).await.unwrap(), new);
    assert_eq!(cluster.replicas_of(new).await.unwrap(), [old]);
    let mut connection = cluster.connection(old).await.unwrap();
    cmd("READONLY").exec_async(&mut connection).await.unwrap();
    assert_eq!(connection.get("{kept}added").await.unwrap().as_deref(), Some("yes"));
}

#[tokio::test]
async fn paused_master_is_replaced_and_follows_once_resumed() {
    let mut cluster = RedisCluster::start(ClusterOptions::default()).await.unwrap();
    let old = cluster.master_of(0).await.unwrap();
    cluster.pause(old).unwrap();
    let new = cluster.promoted(0, old).await.unwrap();
    cluster.resume(old).unwrap();
    cluster.settled().await.unwrap();
    assert_eq!(cluster.master_of(0).await.unwrap(), new);
    assert_eq!(cluster.replicas_of(new).await.unwrap(), [old]);
}

#[tokio::test]
async fn replica_takes_over_on_request_and_hands_back() {
    let cluster = RedisCluster::start(ClusterOptions::default()).await.unwrap();
    let old = cluster.master_of(0).await.unwrap();
    let new = cluster.replicas_of(old).await.unwrap()[0];
    cluster.failover(old).await.unwrap_err();
    cluster.failover(new).await.unwrap();
    assert_eq!(cluster.master_of(0).await.unwrap(), new);
    cluster.settled().await.unwrap();
    cluster.failover(old).await.unwrap();
    assert_eq!(cluster.master_of(0).await.unwrap(), old);
}

#[tokio::test]
async fn migrated_slot_takes_its_keys_along() {
    let cluster = RedisCluster::start(ClusterOptions::default()).await.unwrap();
    let slot = cluster.slot_of("{tag}").await.unwrap();
    let from = cluster.master_of(slot).await.unwrap();
    let other_slot = if slot < 8192 { 16_383 } else { 0 };
    let to = cluster.master_of(other_slot).await.unwrap();
    let (mut old, mut new) = (cluster.connection(from).await.unwrap(), cluster.connection(to).await.unwrap());
    for number in 0..150 {
        old.set(format!("{{tag}}{number}"), number).await.unwrap();
    }
    let migration = SlotMigration { slot, from, to };

    cluster.begin_migration(migration).await.unwrap();
    assert_eq!(cluster.migrate_keys(migration, 20).await.unwrap(), 20);
    assert_eq!(sizes(&mut old, &mut new).await.unwrap(), (130, 20));
    assert_eq!(old.get("{tag}nowhere").await.unwrap_err().kind(), ASK);
    assert_eq!(new.get("{tag}nowhere").await.unwrap_err().kind(), MOVED);
    assert_eq!(cluster.master_of(slot).await.unwrap(), from);
    while cluster.migrate_keys(migration, 100).await.unwrap() > 0 {}
    cluster.finish_migration(migration).await.unwrap();
    assert_eq!(sizes(&mut old, &mut new).await.unwrap(), (0, 150));
    assert_eq!(old.get("{tag}7").await.unwrap_err().kind(), MOVED);
    assert_eq!(new.get("{tag}7").await.unwrap().as_deref(), Some("7"));
    assert_eq!(cluster.master_of(slot).await.unwrap(), to);
    cluster.settled().await.unwrap();

    cluster.migrate_slot(SlotMigration { slot, from: to, to: from }).await.unwrap();
    assert_eq!(sizes(&mut old, &mut new).await.unwrap(), (150, 0));
}

#[tokio::test]
async fn master_without_the_replicas_it_needs_refuses_writes() {
    let options = ClusterOptions { min_replicas_to_write: 1, ..ClusterOptions::default() };
    let mut cluster = RedisCluster::start(options).await.unwrap();
    let master = cluster.master_of(cluster.slot_of("key").await.unwrap()).await.unwrap();
    let mut connection = cluster.connection(master).await.unwrap();
    connection.set("key", "one").await.unwrap();

    for replica in cluster.replicas_of(master).await.unwrap() {
        cluster.kill(replica).unwrap();
    }
    let refused = eventually(PATIENCE, async || match connection.set("key", "two").await {
        Err(error) if error.code() == Some("NOREPLICAS") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    refused.await.unwrap();
}

#[tokio::test]
async fn second_replica_keeps_a_promoted_master_writable() {
    let options = ClusterOptions { replicas_each: 2, min_replicas_to_write: 1, ..ClusterOptions::default() };
    let mut cluster = RedisCluster::start(options).await.unwrap();
    let slot = cluster.slot_of("key").await.unwrap();
    let old = cluster.master_of(slot).await.unwrap();
    assert_eq!(cluster.replicas_of(old).await.unwrap().len(), 2);
    cluster.kill(old).unwrap();
    let new = cluster.promoted(slot, old).await.unwrap();
    cluster.settled().await.unwrap();
    cluster.connection(new).await.unwrap().set("key", "value").await.unwrap();
}
