//! Dead letters: what is kept of an alert, and sending it again.

use super::*;

async fn give_up(bench: &Bench, queue: &Queue, in_doubt: bool) -> Result<()> {
    let job = bench.take_one(queue).await?;
    let dead = Settlement::Dead { answer: "503".to_owned(), attempts: 5, in_doubt, disables: false };
    ensure!(queue.settle(&job, &dead, &Experience::Nothing).await?);
    Ok(())
}

#[tokio::test]
async fn they_are_read_and_put_back_with_their_ids_as_if_never_tried() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    let letters = DeadLetters::new(bench.keys(), bench.link.clone(), "desk");
    ensure!(letters.redrive().await? == 0 && letters.read(None).await? == (Vec::new(), None));
    // More than are read at once.
    let ids = bench.enqueue_many(230, "desk").await?;
    for at in 0..ids.len() {
        give_up(&bench, &queue, at == 0).await?;
    }
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let (some, last) = letters.read(after).await?;
        read.extend(some);
        after = last;
        if after.is_none() {
            break;
        }
    }
    ensure!(read.iter().map(|letter| letter.id.clone()).collect::<Vec<_>>() == ids);
    let letter = &read[0];
    ensure!((letter.attempts, letter.answer.as_str(), letter.in_doubt) == (5, "503", true), "{letter:?}");
    ensure!(letter.signal.is_ok() && !read[1].in_doubt);

    ensure!(letters.redrive().await? == 230);
    ensure!(bench.ask::<u64>("XLEN", bench.keys().dead("desk")).await? == 0);
    for (at, id) in ids.iter().enumerate() {
        let job = bench.take_one(&queue).await?;
        ensure!(job.id == *id && job.is_redriven && job.attempts == 0 && job.in_doubt == (at == 0), "{job:?}");
        let signal = job.signal.clone()?;
        ensure!(signal == Signal { id: id.parse()?, ..sample::signal() }, "{signal:?}");
        // What is put back may be put off, and is still not too old.
        let again = Settlement::Again { delay: DAY, attempts: 1, in_doubt: false };
        ensure!(queue.settle(&job, &again, &Experience::Nothing).await?);
    }
    let stored: String = redis::cmd("HGET")
        .arg(bench.keys().jobs("desk"))
        .arg(&ids[0])
        .query_async(&mut bench.server.connection().await?)
        .await?;
    ensure!(stored.contains("\"redriven\":true"), "{stored}");
    Ok(())
}

#[tokio::test]
async fn an_alert_that_others_still_wait_for_is_counted_right() -> Result<()> {
    let bench = Bench::start().await?;
    let (one, two) = (bench.queue("one", "")?, bench.queue("two", "")?);
    bench.enqueue(&["one", "two"]).await?;
    give_up(&bench, &one, false).await?;
    ensure!(DeadLetters::new(bench.keys(), bench.link.clone(), "one").redrive().await? == 1);
    let alert = bench.keys().alert(sample::signal().id.as_str());
    for queue in [&two, &one] {
        ensure!(bench.ask::<bool>("EXISTS", alert.clone()).await?, "gone too early");
        let job = bench.take_one(queue).await?;
        ensure!(queue.settle(&job, &Settlement::Delivered, &Experience::Accepted).await?);
    }
    ensure!(!bench.ask::<bool>("EXISTS", alert).await?, "left behind");
    Ok(())
}

#[tokio::test]
async fn what_is_no_alert_stays_and_stops_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    let mut add = redis::cmd("XADD");
    add.arg(bench.keys().dead("desk")).arg("*").arg("note").arg("by hand");
    add.exec_async(&mut bench.server.connection().await?).await?;
    bench.enqueue(&["desk"]).await?;
    give_up(&bench, &queue, false).await?;
    ensure!(DeadLetters::new(bench.keys(), bench.link.clone(), "desk").redrive().await? == 1);
    ensure!(bench.ask::<u64>("XLEN", bench.keys().dead("desk")).await? == 1);
    Ok(())
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_goes() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    let mut connection = bench.server.connection().await?;
    for id in ["1-0", "2-0"] {
        redis::cmd("XADD")
            .arg(bench.keys().dead("desk"))
            .arg(id)
            .arg("id")
            .arg("sig_0")
            .exec_async(&mut connection)
            .await?;
    }
    bench.enqueue(&["desk"]).await?;
    let letters = async || bench.ask::<u64>("XLEN", bench.keys().dead("desk")).await;
    queue.trim_dead().await?;
    ensure!(letters().await? == 0);
    redis::cmd("XADD")
        .arg(bench.keys().dead("desk"))
        .arg("*")
        .arg("id")
        .arg("sig_1")
        .exec_async(&mut connection)
        .await?;
    give_up(&bench, &queue, false).await?;
    queue.trim_dead().await?;
    ensure!(letters().await? == 2);
    Ok(())
}
