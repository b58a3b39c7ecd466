//! Sharing: several workers, each with its part, whoever comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::bench::{Bench, PARTITIONS, SOON, waves};
use crate::support::strategy;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, RedisOptions, eventually};
use redis::Value;

async fn bench(lease: &str) -> Bench {
    let bench = Bench::start(RedisOptions::default(), &strategy("cross", "sma(2)", "sma(3)")).await;
    bench.set_lease(lease);
    bench
}

/// The name under which a worker shows in the consumer groups.
async fn name(worker: &Program) -> String {
    let line = worker.wait_for_line(|line| line.contains(" starts: "), PATIENCE).await.unwrap();
    let from = line.find("worker ").unwrap() + "worker ".len();
    line[from..].split(' ').next().unwrap().to_owned()
}

/// Who owns which partition, as any program that knows Redis Streams sees it.
async fn owners(bench: &Bench) -> BTreeMap<String, BTreeSet<u16>> {
    let mut connection = bench.connection().await;
    let mut owners: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let mut info = redis::cmd("XINFO");
        info.arg("CONSUMERS").arg(format!("cw:{{{partition}}}:candles")).arg("indicator-workers");
        let Ok(consumers) = info.query_async::<Vec<BTreeMap<String, Value>>>(&mut connection).await else { continue };
        for consumer in consumers {
            let name: String = redis::from_redis_value_ref(&consumer["name"]).unwrap();
            owners.entry(name).or_default().insert(partition);
        }
    }
    owners
}

/// Waits until these workers and no others own all partitions, in shares of these sizes, whoever has which.
async fn wait_shared(
    bench: &Bench,
    workers: &[&str],
    sizes: &[usize],
    deadline: Duration,
) -> BTreeMap<String, BTreeSet<u16>> {
    let shared = eventually(deadline, async || {
        let owners = owners(bench).await;
        let mut found: Vec<usize> = owners.values().map(BTreeSet::len).collect();
        found.sort_unstable();
        let are_these = owners.len() == workers.len() && workers.iter().all(|worker| owners.contains_key(*worker));
        if are_these && found == sizes { Ok(owners) } else { Err(format!("{owners:?}")) }
    });
    shared.await.unwrap()
}

#[tokio::test]
async fn shares_are_even_and_only_what_must_moves() {
    let bench = bench("2s").await;
    let first = bench.worker();
    let a = name(&first).await;
    let alone = wait_shared(&bench, &[&a], &[4], PATIENCE).await;
    let mut second = bench.worker();
    let b = name(&second).await;
    let two = wait_shared(&bench, &[&a, &b], &[2, 2], SOON).await;
    assert!(two[&a].is_subset(&alone[&a]));
    let mut third = bench.worker();
    let c = name(&third).await;
    let three = wait_shared(&bench, &[&a, &b, &c], &[1, 1, 2], SOON).await;
    assert!(three[&a].is_subset(&two[&a]) && three[&b].is_subset(&two[&b]), "{two:?} {three:?}");

    // One leaves in order, one dies: the others share what it had and keep what they have.
    assert!(second.terminate(SOON).await.unwrap().success());
    let two = wait_shared(&bench, &[&a, &c], &[2, 2], SOON).await;
    assert!(three[&a].is_subset(&two[&a]) && three[&c].is_subset(&two[&c]), "{three:?} {two:?}");
    third.kill().unwrap();
    wait_shared(&bench, &[&a], &[4], SOON).await;
    drop(first);
}

/// With a lease that outlives the test, only a hand-over can move a partition.
#[tokio::test]
async fn a_share_is_handed_over_without_waiting_for_the_lease() {
    let bench = bench("5m").await;
    let (ticks, series) = (waves(40, 1), "csv:S1:1m");
    let mut first = bench.worker();
    bench.publish(series, &ticks[..20]).await;
    bench.wait_settled(series).await;
    let second = bench.worker();
    let (a, b) = (name(&first).await, name(&second).await);
    wait_shared(&bench, &[&a, &b], &[2, 2], SOON).await;
    assert!(first.terminate(SOON).await.unwrap().success());
    wait_shared(&bench, &[&b], &[4], SOON).await;
    bench.publish(series, &ticks[20..]).await;
    bench.wait_settled(series).await;
    assert_eq!(bench.hash(series).await["candles"], b"40");
    // Whoever left in order holds nothing and is not waited for.
    let mut connection = bench.connection().await;
    let living: Vec<String> = redis::cmd("HKEYS").arg("cw:workers").query_async(&mut connection).await.unwrap();
    assert_eq!(living, [b]);
}

/// What a worker holds while it waits out a fault is handed over too, should it be told to stop then.
#[tokio::test]
async fn a_share_is_handed_over_in_the_middle_of_a_fault() {
    let bench = bench("5m").await;
    let (mut first, second) = (bench.worker(), bench.worker());
    let (a, b) = (name(&first).await, name(&second).await);
    wait_shared(&bench, &[&a, &b], &[2, 2], SOON).await;
    let mut connection = bench.connection().await;
    for _ in 0..3 {
        let kill = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
        redis::cmd("CLIENT").arg(&kill).exec_async(&mut connection).await.unwrap();
    }
    assert!(first.terminate(SOON).await.unwrap().success());
    wait_shared(&bench, &[&b], &[4], SOON).await;
    drop(second);
}

/// With a lease that outlives the test, a partition that is given to another worker waits for ever.
#[tokio::test]
async fn a_short_outage_moves_no_partition() {
    let options = RedisOptions { append_only: AppendOnly::Always, ..RedisOptions::default() };
    let mut bench = Bench::start(options, &strategy("cross", "sma(2)", "sma(3)")).await;
    bench.set_lease("5m");
    let workers = [bench.worker(), bench.worker(), bench.worker()];
    let names = [name(&workers[0]).await, name(&workers[1]).await, name(&workers[2]).await];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = wait_shared(&bench, &names, &[1, 1, 2], SOON).await;
    for from in [0, 20, 40] {
        bench.redis.kill().unwrap();
        bench.redis.restart().await.unwrap();
        for series in ["csv:S0:1m", "csv:S1:1m", "csv:S2:1m", "csv:S3:1m", "csv:S4:1m", "csv:S5:1m"] {
            bench.publish(series, &waves(60, 1)[from..from + 20]).await;
            bench.wait_settled(series).await;
        }
    }
    assert_eq!(wait_shared(&bench, &names, &[1, 1, 2], SOON).await, before);
}

#[tokio::test]
async fn a_worker_does_not_outlive_the_layout_it_knows() {
    let bench = bench("1s").await;
    let mut worker = bench.worker();
    let a = name(&worker).await;
    wait_shared(&bench, &[&a], &[4], PATIENCE).await;
    let mut connection = bench.connection().await;
    // A flush is no change of the layout: it is written again.
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    let written = eventually(SOON, async || {
        let found: Option<String> =
            redis::cmd("HGET").arg("cw:meta").arg("partitions").query_async(&mut connection).await.unwrap();
        found.ok_or("no layout")
    });
    assert_eq!(written.await.unwrap(), "4");
    wait_shared(&bench, &[&a], &[4], SOON).await;

    redis::cmd("HSET").arg("cw:meta").arg("partitions").arg("24").exec_async(&mut connection).await.unwrap();
    let status = worker.wait(SOON).await.unwrap();
    assert_eq!(status.code(), Some(64));
    let line = worker.lines().pop().unwrap();
    assert!(line.contains("partitions 24") && line.contains("repartition"), "{line}");
}

#[tokio::test]
async fn a_worker_without_partitions_is_ready() {
    let bench = bench("1s").await;
    bench.set_partitions(1);
    let first = bench.worker();
    first.wait_for_line(|line| line.contains("1 of 1 partitions are to be ours"), PATIENCE).await.unwrap();
    let second = bench.worker();
    second.wait_for_line(|line| line.contains("0 of 1 partitions are to be ours"), PATIENCE).await.unwrap();
    let line = second.wait_for_line(|line| line.contains("metrics at"), PATIENCE).await.unwrap();
    let from = line.find("http://").unwrap() + "http://".len();
    let address = line[from..].split('/').next().unwrap().parse().unwrap();
    let ready = eventually(SOON, async || {
        match candlewire_testkit::HttpPage::fetch(address, "/readyz").await.map_err(|error| error.to_string())? {
            page if page.status == 200 => Ok(()),
            page => Err(format!("{page:?}")),
        }
    });
    ready.await.unwrap();
    drop(first);
}
