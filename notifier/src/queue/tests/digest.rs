//! Bursts that are taken as one.

use super::*;

#[tokio::test]
async fn a_burst_is_taken_at_once_in_its_order() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    let ids = bench.enqueue_many(30, "desk").await?;
    let wanted = |digest_over| Wanted { count: 1, digest_over, is_exclusive: true };
    let single = queue.take(wanted(Some(30)), &HashMap::new()).await?;
    ensure!(single.jobs.len() == 1 && !single.is_digest, "{single:?}");
    let digest = queue.take(wanted(Some(28)), &HashMap::new()).await?;
    let taken: Vec<&str> = digest.jobs.iter().map(|job| job.id.as_str()).collect();
    ensure!(digest.is_digest && taken == ids[1..26], "{taken:?}");
    let rest = queue.take(wanted(Some(4)), &HashMap::new()).await?;
    ensure!(rest.jobs.len() == 1 && !rest.is_digest, "{rest:?}");
    Ok(())
}
