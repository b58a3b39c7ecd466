//! When a recipient is left alone, and when it is tried again.

use super::*;

fn failed() -> Experience {
    Experience::Failed("503".to_owned())
}

fn later(job: &Job) -> Settlement {
    Settlement::Again { delay: Duration::ZERO, attempts: job.attempts + 1, in_doubt: false }
}

/// Fails attempts until the breaker has opened.
async fn open(bench: &Bench, queue: &Queue) -> Result<()> {
    for _ in 0..3 {
        let job = bench.take_one(queue).await?;
        queue.settle(&job, &later(&job), &failed()).await?;
    }
    let gate = bench.situation("desk", "").await?.gate;
    ensure!(matches!(gate, Gate::Open(_)), "{gate:?}");
    Ok(())
}

#[tokio::test]
async fn failures_in_a_row_open_it_and_no_attempt_is_used_up_meanwhile() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    bench.enqueue_many(4, "desk").await?;
    // A success in between starts anew, and so does a refusal: who refuses one alert works.
    for experience in [failed(), failed(), Experience::Accepted, failed(), Experience::Refused("404".to_owned())] {
        let job = bench.take_one(&queue).await?;
        let settlement = if experience == Experience::Accepted { Settlement::Delivered } else { later(&job) };
        queue.settle(&job, &settlement, &experience).await?;
    }
    ensure!(bench.situation("desk", "").await?.gate == Gate::Closed { failures: 0 });
    for _ in 0..3 {
        let job = bench.take_one(&queue).await?;
        queue.settle(&job, &later(&job), &failed()).await?;
    }
    let batch = queue.take(EIGHT, &HashMap::new()).await?;
    ensure!(batch.jobs.is_empty() && batch.next_due.is_some_and(|wait| !wait.is_zero()), "{batch:?}");
    let situation = bench.situation("desk", "").await?;
    ensure!(matches!(situation.gate, Gate::Open(_)) && situation.depth == 3, "{situation:?}");
    ensure!(situation.last_error.is_some_and(|(_, text)| text == "503") && situation.last_success.is_some());
    Ok(())
}

#[tokio::test]
async fn one_look_is_let_through_and_its_outcome_decides() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    bench.enqueue_many(4, "desk").await?;
    open(&bench, &queue).await?;
    let probe = bench.take_one(&queue).await?;
    ensure!(bench.situation("desk", "").await?.gate == Gate::HalfOpen);
    ensure!(queue.take(EIGHT, &HashMap::new()).await?.jobs.is_empty(), "a second attempt was let through");
    queue.settle(&probe, &later(&probe), &failed()).await?;
    // It stays open for longer, though not for ever longer.
    let Gate::Open(until) = bench.situation("desk", "").await?.gate else { anyhow::bail!("closed by a failure") };
    ensure!(until.since(UnixMillis::now()) > Duration::from_millis(210));
    // What was taken together is let through together; one success is enough.
    let mut probes = Vec::new();
    let taken = candlewire_testkit::eventually(candlewire_testkit::wait::PATIENCE, async || {
        queue
            .take(Wanted { count: 2, ..EIGHT }, &HashMap::new())
            .await
            .map_err(|error| error.to_string())
            .and_then(|batch| if batch.jobs.is_empty() { Err("still open".to_owned()) } else { Ok(batch.jobs) })
    });
    probes.extend(taken.await?);
    ensure!(probes.len() == 2 && bench.situation("desk", "").await?.gate == Gate::HalfOpen, "{probes:?}");
    queue.settle(&probes[0], &later(&probes[0]), &failed()).await?;
    ensure!(matches!(bench.situation("desk", "").await?.gate, Gate::Open(_)));
    queue.settle(&probes[1], &Settlement::Delivered, &Experience::Accepted).await?;
    ensure!(bench.situation("desk", "").await?.gate == Gate::Closed { failures: 0 });
    ensure!(queue.take(EIGHT, &HashMap::new()).await?.jobs.len() == 3);
    Ok(())
}

#[tokio::test]
async fn an_attempt_that_was_not_made_or_whose_process_died_does_not_keep_it_open() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    bench.enqueue_many(3, "desk").await?;
    open(&bench, &queue).await?;
    let expired = bench.take_one(&queue).await?;
    queue.settle(&expired, &Settlement::Expired, &Experience::Nothing).await?;
    // The next one goes at once; nobody settles it, and after its lease another one is let through.
    let dies = queue.take(Wanted { count: 1, ..EIGHT }, &HashMap::new()).await?;
    ensure!(dies.jobs.len() == 1, "{dies:?}");
    let refused = bench.take_one(&queue).await?;
    let dead = Settlement::Dead { answer: "404".to_owned(), attempts: 3, in_doubt: false, disables: false };
    queue.settle(&refused, &dead, &Experience::Refused("404".to_owned())).await?;
    // An endpoint that refuses an alert works.
    ensure!(bench.situation("desk", "").await?.gate == Gate::Closed { failures: 0 });
    Ok(())
}

/// The oldest alerts are the first to be looked at, and in an outage they are often too old to be tried.
#[tokio::test]
async fn what_was_not_tried_decides_nothing_while_others_were() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    bench.enqueue_many(6, "desk").await?;
    open(&bench, &queue).await?;
    let taken = candlewire_testkit::eventually(candlewire_testkit::wait::PATIENCE, async || {
        match queue.take(Wanted { count: 3, ..EIGHT }, &HashMap::new()).await {
            Ok(batch) if batch.jobs.len() == 3 => Ok(batch.jobs),
            other => Err(format!("{other:?}")),
        }
    });
    let jobs = taken.await?;
    queue.settle(&jobs[0], &Settlement::Expired, &Experience::Nothing).await?;
    ensure!(bench.situation("desk", "").await?.gate == Gate::HalfOpen);
    queue.settle(&jobs[1], &later(&jobs[1]), &failed()).await?;
    queue.settle(&jobs[2], &later(&jobs[2]), &failed()).await?;
    ensure!(matches!(bench.situation("desk", "").await?.gate, Gate::Open(_)));
    ensure!(queue.take(EIGHT, &HashMap::new()).await?.jobs.is_empty());
    Ok(())
}

#[tokio::test]
async fn enabling_closes_it_and_takes_a_note_away() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    bench.enqueue_many(3, "desk").await?;
    let nothing = enable(&bench.keys(), &bench.link, "desk").await?;
    ensure!(nothing == Enabled { was_disabled: false, was_open: false, waiting: 3 }, "{nothing:?}");
    open(&bench, &queue).await?;
    let opened = enable(&bench.keys(), &bench.link, "desk").await?;
    ensure!(opened == Enabled { was_disabled: false, was_open: true, waiting: 3 }, "{opened:?}");
    let job = bench.take_one(&queue).await?;
    let dead = Settlement::Dead { answer: "410".to_owned(), attempts: 1, in_doubt: false, disables: true };
    queue.settle(&job, &dead, &Experience::Refused("410".to_owned())).await?;
    let held = bench.take_one(&queue).await?;
    queue.settle(&held, &Settlement::Again { delay: DAY, attempts: 0, in_doubt: false }, &Experience::Nothing).await?;
    let enabled = enable(&bench.keys(), &bench.link, "desk").await?;
    ensure!(enabled == Enabled { was_disabled: true, was_open: false, waiting: 2 }, "{enabled:?}");
    let batch = queue.take(EIGHT, &HashMap::new()).await?;
    ensure!(batch.jobs.iter().any(|job| job.id == held.id) && !batch.is_disabled, "{batch:?}");
    Ok(())
}
