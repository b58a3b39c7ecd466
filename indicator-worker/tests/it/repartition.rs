//! Changes of the number of partitions: whatever interrupts them, the signals over all partitions are those
//! of a sequential pass, and states and histories are the same bytes in another place.

use std::time::Duration;

use crate::bench::SOON;
use crate::layouts::{Layouts, Snapshot, key};
use candlewire_testkit::eventually;
use candlewire_testkit::ports::free_port;
use candlewire_testkit::wait::PATIENCE;
use tokio::time::sleep;

const SEED: u64 = 20_261_124;

/// Up to 65 ms, and more often short than long: a move may be over soon.
fn any_while(random: &mut fastrand::Rng) -> Duration {
    let most = 1 << random.u32(8..17);
    Duration::from_micros(random.u64(0..most))
}

/// What a refusal says, which must not have changed anything.
async fn refused(layouts: &Layouts, count: u16, before: &Snapshot) -> String {
    let finished = layouts.program(count).arg("repartition").run_to_end(PATIENCE).await.unwrap();
    assert_eq!(finished.status.code(), Some(64), "{}", finished.stdout);
    assert_eq!(&layouts.snapshot().await, before);
    finished.stderr.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn data_moves_to_more_and_to_fewer_partitions_and_back() {
    let mut layouts = Layouts::start(4, 20, 200).await;
    layouts.publish(20).await;
    layouts.process().await;
    for count in [7, 3, 4] {
        // Unread when the data moves, and a part of it by a producer that was early to change.
        layouts.publish_garbage().await;
        layouts.publish_across(20, count).await;
        layouts.notify().await;
        let (before, from) = (layouts.expiries().await, layouts.count);
        let told = layouts.repartition(count).await;
        assert!(told.contains(&format!(" from {from} to {count} partitions: ")), "{told}");
        // The candle without a time, too, is its series'.
        assert!(told.contains(&format!("401 unread candles, {from} unreadable entries, in ")), "{told}");
        assert_eq!(layouts.expiries().await, before);
        assert!(before.values().any(|at| *at > 0));

        layouts.process().await;
        layouts.check(0).await;
        layouts.publish(20).await;
        layouts.process().await;
        layouts.check(0).await;
        let series = layouts.names().next().unwrap();
        let shown = layouts.program(count).arg("show").arg(series).run_to_end(PATIENCE).await.unwrap();
        assert!(shown.stdout.contains("history      "), "{}{}", shown.stdout, shown.stderr);
        assert!(layouts.repartition(count).await.contains("nothing to move"));
    }
}

#[tokio::test]
async fn a_move_that_is_killed_or_stopped_anywhere_is_finished_by_the_next() {
    let mut layouts = Layouts::start(4, 30, 290).await;
    layouts.publish(50).await;
    layouts.process().await;
    let mut random = fastrand::Rng::with_seed(SEED);
    let (mut killed, mut stopped) = (0, 0);
    for count in [7, 3, 4, 11, 2, 4] {
        layouts.publish_garbage().await;
        layouts.publish_across(40, count).await;
        layouts.notify().await;
        for run in 0..8 {
            let mut program = layouts.program(count).arg("repartition").spawn().unwrap();
            let begun = program.wait_for_line(|line| line.contains("moving from"), PATIENCE).await;
            if begun.is_err() {
                break;
            }
            sleep(any_while(&mut random)).await;
            let ended = if run % 2 == 1 { program.interrupt(SOON).await.unwrap() } else { program.kill().unwrap() };
            // It may have been through when it was killed.
            if ended.success() || layouts.layout().await == count.to_string() {
                break;
            }
            killed += usize::from(ended.code().is_none());
            stopped += usize::from(ended.code() == Some(130));
            let other = layouts.program(count + 1).arg("repartition").run_to_end(PATIENCE).await.unwrap();
            let way_out = format!("finish that with redis.partitions = {count} and `indicator-worker repartition`");
            assert!(other.status.code() == Some(64) && other.stderr.contains(&way_out), "{}", other.stderr);
        }
        layouts.repartition(count).await;
        layouts.process().await;
    }
    layouts.check(8).await;
    assert!(killed > 3 && stopped > 1, "{killed} killed, {stopped} stopped by ctrl-c (seed {SEED})");
}

/// Until data moves, a run that dies has changed nothing that matters, and one that is refused nothing at all.
#[tokio::test]
async fn a_move_that_dies_while_it_begins_is_finished_or_called_off() {
    let mut layouts = Layouts::start(4, 5, 80).await;
    layouts.publish(40).await;
    layouts.process().await;
    layouts.notify().await;
    let mut random = fastrand::Rng::with_seed(SEED);
    for count in [3, 4, 3, 4, 3, 4] {
        let mut program = layouts.program(count).arg("repartition").spawn().unwrap();
        sleep(Duration::from_micros(random.u64(5_000..40_000))).await;
        program.kill().unwrap();
        layouts.repartition(count).await;
        layouts.check(0).await;
    }
    // Announced by a run that died then, while signals came in: there is a way back.
    let mut connection = layouts.bench.connection().await;
    let mark = ["cw:meta", "partitions", "4>3"];
    redis::cmd("HSET").arg(&mark).exec_async(&mut connection).await.unwrap();
    let mut add = redis::cmd("XADD");
    add.arg(key(3, "signals")).arg("*").arg("series").arg("of nobody");
    let added: String = add.query_async(&mut connection).await.unwrap();
    let refused = layouts.program(3).arg("repartition").run_to_end(PATIENCE).await.unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(refused.stderr.contains("cw:{3}:signals is to vanish"), "{}", refused.stderr);
    redis::cmd("XDEL").arg(key(3, "signals")).arg(added).exec_async(&mut connection).await.unwrap();
    layouts.publish(40).await;
    layouts.process().await;
    layouts.check(0).await;
}

#[tokio::test]
async fn a_frozen_move_that_another_has_finished_changes_nothing() {
    let mut layouts = Layouts::start(4, 30, 170).await;
    layouts.publish(50).await;
    layouts.process().await;
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut late = 0;
    for count in [9, 4, 7] {
        layouts.publish(40).await;
        layouts.notify().await;
        let mut frozen = layouts.program(count).arg("repartition").spawn().unwrap();
        frozen.wait_for_line(|line| line.contains("moving from"), PATIENCE).await.unwrap();
        sleep(any_while(&mut random)).await;
        frozen.pause().unwrap();
        layouts.repartition(count).await;
        layouts.process().await;
        let before = layouts.snapshot().await;
        frozen.resume().unwrap();
        let ended = frozen.wait(SOON).await.unwrap();
        late += usize::from(ended.code() == Some(64));
        assert_eq!(layouts.snapshot().await, before);
    }
    layouts.check(0).await;
    assert!(late > 0, "no run was frozen in its middle (seed {SEED})");
}

#[tokio::test]
async fn a_worker_that_slept_through_a_move_changes_nothing() {
    let mut layouts = Layouts::start(4, 20, 200).await;
    layouts.publish(40).await;
    let mut zombie = layouts.worker();
    layouts.wait_settled().await;
    zombie.pause().unwrap();
    layouts.publish(20).await;
    let held = layouts.program(7).arg("repartition").run_to_end(PATIENCE).await.unwrap();
    assert_eq!(held.status.code(), Some(64));
    assert!(held.stderr.contains("stop all workers") && held.stderr.contains("nothing was changed"), "{}", held.stderr);
    // Its leases run out.
    let moved = eventually(PATIENCE, async || {
        let run = layouts.program(7).arg("repartition").run_to_end(PATIENCE).await.unwrap();
        if run.status.success() { Ok(()) } else { Err(run.stderr) }
    });
    moved.await.unwrap();
    layouts.count = 7;
    let worker = layouts.worker();
    layouts.wait_settled().await;
    zombie.resume().unwrap();
    assert_eq!(zombie.wait(SOON).await.unwrap().code(), Some(64), "{:?}", zombie.lines());
    layouts.publish(20).await;
    layouts.wait_settled().await;
    layouts.check(0).await;
    drop(worker);
}

#[tokio::test]
async fn a_worker_that_lives_is_named() {
    let mut layouts = Layouts::start(4, 5, 60).await;
    layouts.publish(20).await;
    let worker = layouts.worker();
    let started = worker.wait_for_line(|line| line.contains(" starts: "), PATIENCE).await.unwrap();
    let id = started.split("worker ").nth(1).unwrap().split(' ').next().unwrap();
    layouts.wait_settled().await;
    let refused = layouts.program(7).arg("repartition").run_to_end(PATIENCE).await.unwrap();
    assert_eq!(refused.status.code(), Some(64));
    assert!(refused.stderr.contains(&format!("worker {id} holds partition 0, for another ")), "{}", refused.stderr);
    layouts.publish(40).await;
    layouts.wait_settled().await;
    layouts.check(0).await;
}

#[tokio::test]
async fn unfinished_signals_of_a_vanishing_partition_are_kept() {
    let mut layouts = Layouts::start(4, 20, 60).await;
    layouts.publish(60).await;
    layouts.process().await;
    let before = layouts.snapshot().await;
    let told = refused(&layouts, 3, &before).await;
    for part in ["cw:{3}:signals is to vanish", "group notifier has read none", "redis.partitions = 4", "XGROUP CREATE"]
    {
        assert!(told.contains(part), "{told}");
    }

    let mut connection = layouts.bench.connection().await;
    for command in ["CREATE cw:{3}:signals notifier 0", "CREATE cw:{3}:signals mine $"] {
        redis::cmd("XGROUP").arg(command.split(' ').collect::<Vec<_>>()).exec_async(&mut connection).await.unwrap();
    }
    let before = layouts.snapshot().await;
    let told = refused(&layouts, 3, &before).await;
    assert!(told.contains("group notifier has ") && told.contains(" entries to read and 0 to acknowledge"), "{told}");

    layouts.notify().await;
    redis::cmd("XADD").arg(key(3, "signals")).arg("*").arg("a").arg("b").exec_async(&mut connection).await.unwrap();
    layouts.notify().await;
    let before = layouts.snapshot().await;
    let told = refused(&layouts, 3, &before).await;
    assert!(told.contains("group mine has ") && told.contains("XGROUP DESTROY"), "{told}");
    // More partitions take nothing from anybody.
    assert!(layouts.repartition(5).await.contains("moved "));
}

#[tokio::test]
async fn there_may_be_nothing_to_move() {
    let layouts = Layouts::start(4, 1, 10).await;
    let empty = layouts.program(7).arg("repartition").run_to_end(PATIENCE).await.unwrap();
    assert_eq!((empty.status.code(), &*empty.stdout), (Some(0), "there is no cw:meta: nothing to move\n"));
    assert!(layouts.snapshot().await.is_empty());
    let away = format!("redis://127.0.0.1:{}/0", free_port().unwrap());
    let away = layouts.program(7).arg("repartition").env("REDIS_URL", away).run_to_end(PATIENCE).await.unwrap();
    assert_eq!(away.status.code(), Some(69), "{}", away.stderr);
}
