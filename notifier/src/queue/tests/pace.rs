//! Windows that all notifiers share.

use candlewire_common::time::UnixMillis;

use super::*;

fn window(count: u32, span_ms: u64) -> Window {
    Window::new(&["telegram", "token", "chat"], count, Duration::from_millis(span_ms))
}

#[tokio::test]
async fn every_window_is_kept_to_by_all_who_share_it() -> Result<()> {
    let bench = Bench::start().await?;
    let (one, other) = (bench.queue("one", "")?, bench.queue("other", "")?);
    // Three within an hour: that many times the short window opens, then no more.
    let windows = [window(1, 100), window(3, 3_600_000)];
    let paces = [one.pace(&windows).context("no pace")?, other.pace(&windows).context("no pace")?];
    let (mut given, mut at) = (Vec::new(), 0);
    while given.len() < 3 {
        at += 1;
        match paces[at % 2].take().await? {
            Permit::Given { next_in } => given.push((tokio::time::Instant::now(), next_in)),
            Permit::Wait(wait) => {
                ensure!(wait <= Duration::from_millis(151), "{wait:?}");
                tokio::time::sleep(wait).await;
            }
        }
    }
    for pair in given.windows(2) {
        ensure!(pair[1].0 - pair[0].0 >= Duration::from_millis(100), "{given:?}");
        ensure!(pair[0].1 > Duration::from_millis(100), "{given:?}");
    }
    ensure!(given[2].1 > Duration::from_mins(59), "{given:?}");
    ensure!(matches!(paces[0].take().await?, Permit::Wait(wait) if wait > Duration::from_mins(59)));
    ensure!(one.pace(&[]).is_none());
    Ok(())
}

#[tokio::test]
async fn a_way_that_is_closed_lets_nothing_through_and_memory_may_be_short() -> Result<()> {
    let bench = Bench::start().await?;
    let pace = bench.queue("one", "")?.pace(&[window(5, 1_000)]).context("no pace")?;
    let mut limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxmemory").arg(1).exec_async(&mut bench.server.connection().await?).await?;
    ensure!(matches!(pace.take().await?, Permit::Given { next_in: Duration::ZERO }));
    let mut limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxmemory").arg(0).exec_async(&mut bench.server.connection().await?).await?;
    pace.close(Duration::from_mins(1)).await?;
    let closed = pace.take().await?;
    ensure!(matches!(closed, Permit::Wait(wait) if wait > Duration::from_secs(59)), "{closed:?}");
    // The token is part of no key.
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut bench.server.connection().await?).await?;
    ensure!(keys.len() == 2 && keys.iter().all(|key| !key.contains("token")), "{keys:?}");
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_set_back_closes_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let windows = [window(1, 1_000)];
    let pace = bench.queue("one", "")?.pace(&windows).context("no pace")?;
    let ahead = UnixMillis::now().0 + 3_600_000;
    let mut connection = bench.server.connection().await?;
    ensure!(matches!(pace.take().await?, Permit::Given { .. }));
    let keys: Vec<String> = redis::cmd("KEYS").arg("*:pace:*").query_async(&mut connection).await?;
    redis::cmd("LSET").arg(&keys[0]).arg(0).arg(ahead).exec_async(&mut connection).await?;
    ensure!(matches!(pace.take().await?, Permit::Given { .. }), "closed until the clock has caught up");
    ensure!(matches!(pace.take().await?, Permit::Wait(_)));
    Ok(())
}
