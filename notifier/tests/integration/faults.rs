//! What breaks around the notifier, and what must not be lost by it.

use std::time::Duration;

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, HttpPage, WebhookReceiver, eventually};

use crate::bench::{Bench, Notifier, QUICK, SECRET, webhook};

const DELIVERED: (&str, &[(&str, &str)]) =
    ("candlewire_deliveries_total", &[("channel", "webhook"), ("outcome", "delivered")]);

async fn delivered(notifier: &Notifier, count: f64) -> Result<()> {
    notifier.counted(DELIVERED.0, DELIVERED.1, count).await
}

async fn ready(notifier: &Notifier, status: u16) -> Result<()> {
    let probed = eventually(PATIENCE, async || match HttpPage::fetch(notifier.http, "/readyz").await {
        Ok(page) if page.status == status => Ok(()),
        Ok(page) => Err(page.status.to_string()),
        Err(error) => Err(error.to_string()),
    });
    Ok(probed.await?)
}

/// What `notifier health` prints, and its exit code.
async fn health(bench: &Bench, notifier: &Notifier) -> Result<(Option<i32>, String)> {
    let http = notifier.http.to_string();
    let asked = bench.command().args(["health", "--http", &http]).run_to_end(PATIENCE).await?;
    Ok((asked.status.code(), asked.stdout))
}

#[tokio::test]
async fn killed_while_requests_hang_it_delivers_after_a_restart() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    receiver.answer_next((0..3).map(|_| Answer::hang()));
    let mut notifier = bench.run().await?;
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(bench.publish(number).await?);
    }
    receiver.wait_for(3, PATIENCE).await?;
    notifier.program.kill()?;

    let notifier = bench.run().await?;
    delivered(&notifier, 3.0).await?;
    let requests = receiver.requests();
    for id in ids {
        let times = requests.iter().filter(|request| request.header("webhook-id") == Some(&id)).count();
        ensure!(times >= 2, "{id} was sent {times} times");
    }
    Ok(())
}

#[tokio::test]
async fn redis_restarts_in_the_middle() -> Result<()> {
    let mut bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    delivered(&notifier, 1.0).await?;
    // One is under way while Redis is away: it can be settled only later.
    receiver.answer_next([Answer::ok().after(Duration::from_millis(300))]);
    let second = bench.publish(2).await?;
    receiver.wait_for(2, PATIENCE).await?;
    bench.redis.kill()?;
    ready(&notifier, 503).await?;
    bench.redis.restart().await?;
    ready(&notifier, 200).await?;
    bench.publish(3).await?;
    delivered(&notifier, 3.0).await?;
    let twos = receiver.requests().iter().filter(|request| request.header("webhook-id") == Some(&second)).count();
    ensure!(twos == 1, "{twos} requests for an alert that was accepted once");
    notifier.stop().await
}

#[tokio::test]
async fn redis_down_at_start_is_waited_for() -> Result<()> {
    let mut bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    bench.publish(1).await?;
    bench.redis.kill()?;
    let notifier = bench.run().await?;
    notifier.program.wait_for_line(|line| line.contains("does not answer, waiting for it"), PATIENCE).await?;
    ready(&notifier, 503).await?;
    let away = health(&bench, &notifier).await?;
    let said = format!("http://{}/readyz: not ready: redis does not answer", notifier.http);
    ensure!(away.0 == Some(1) && away.1.starts_with(&said), "{away:?}");
    notifier.counted(DELIVERED.0, DELIVERED.1, 0.0).await?;
    notifier.stop().await?;

    let notifier = bench.run().await?;
    bench.redis.restart().await?;
    delivered(&notifier, 1.0).await?;
    ready(&notifier, 200).await?;
    ensure!(health(&bench, &notifier).await? == (Some(0), format!("http://{}/readyz: ready\n", notifier.http)));
    Ok(())
}

#[tokio::test]
async fn a_stop_is_quick_while_redis_is_frozen_and_requests_hang() -> Result<()> {
    let mut bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure("timeout = \"2m\"\nmax_age = \"off\"", &[webhook("desk", &receiver)])?;
    receiver.answer_next([Answer::hang()]);
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    receiver.wait_for(1, PATIENCE).await?;
    bench.redis.pause()?;
    notifier.stop().await
}

#[tokio::test]
async fn what_a_dead_process_had_read_is_delivered() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    delivered(&notifier, 1.0).await?;
    notifier.stop().await?;
    bench.publish(2).await?;
    let streams = "cw:{0}:signals cw:{1}:signals cw:{2}:signals cw:{3}:signals > > > >";
    let read: redis::Value = bench.ask(&format!("XREADGROUP GROUP notifier ghost COUNT 10 STREAMS {streams}")).await?;
    ensure!(read != redis::Value::Nil);
    let notifier = bench.run().await?;
    delivered(&notifier, 1.0).await?;
    Ok(())
}

#[tokio::test]
async fn lost_groups_and_scripts_are_made_again() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(QUICK, &[webhook("desk", &receiver)])?;
    let notifier = bench.run().await?;
    bench.publish(1).await?;
    delivered(&notifier, 1.0).await?;
    let _ok: String = bench.ask("SCRIPT FLUSH").await?;
    bench.publish(2).await?;
    delivered(&notifier, 2.0).await?;
    let mut destroyed: i64 = 0;
    for partition in 0..4 {
        destroyed += bench.ask::<i64>(&format!("XGROUP DESTROY cw:{{{partition}}}:signals notifier")).await?;
    }
    ensure!(destroyed == 4);
    bench.publish(3).await?;
    delivered(&notifier, 3.0).await?;
    let _ok: String = bench.ask("FLUSHALL").await?;
    bench.publish(4).await?;
    delivered(&notifier, 4.0).await?;
    // The group began again at the stream's start: what was queued before was recognised.
    ensure!(receiver.received() == 4, "{} requests", receiver.received());
    Ok(())
}

#[tokio::test]
async fn short_memory_is_waited_out_and_delivering_goes_on() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let slow_start = QUICK.replace("[\"0s\"", "[\"1500ms\"");
    bench.configure(&slow_start, &[webhook("desk", &receiver)])?;
    let notifier = bench.run().await?;
    for number in 1..=2 {
        let id = bench.publish(number).await?;
        bench.until(&format!("EXISTS cw:{{delivery}}:seen:{id}"), 1).await?;
    }
    let _ok: String = bench.ask("CONFIG SET maxmemory 1").await?;
    // What is queued is delivered all the same: that is what frees memory.
    delivered(&notifier, 2.0).await?;
    notifier.stop().await?;

    let _ok: String = bench.ask("CONFIG SET maxmemory 0").await?;
    bench.publish(3).await?;
    let _ok: String = bench.ask("CONFIG SET maxmemory 1").await?;
    let notifier = bench.run().await?;
    notifier.counted("candlewire_redis_up", &[], 1.0).await?;
    let refused = eventually(PATIENCE, async || {
        let page = candlewire_testkit::MetricsPage::fetch(notifier.http).await.map_err(|error| error.to_string())?;
        let errors = page.value("candlewire_redis_errors_total", &[("kind", "unavailable")]);
        if errors > Some(0.0) { Ok(()) } else { Err(format!("{errors:?} refusals")) }
    });
    refused.await?;
    let _ok: String = bench.ask("CONFIG SET maxmemory 0").await?;
    delivered(&notifier, 1.0).await?;
    ensure!(receiver.received() == 3, "{} requests", receiver.received());
    Ok(())
}

#[tokio::test]
async fn a_restart_while_memory_is_short_delivers_what_is_queued() -> Result<()> {
    let bench = Bench::start().await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    bench.configure(&QUICK.replace("[\"0s\"", "[\"1h\""), &[webhook("desk", &receiver)])?;
    let notifier = bench.run().await?;
    let ids = [bench.publish(1).await?, bench.publish(2).await?];
    bench.until("ZCARD cw:{delivery}:due:desk", 2).await?;
    notifier.stop().await?;
    ensure!(receiver.received() == 0);

    for id in ids {
        let _changed: i64 = bench.ask(&format!("ZADD cw:{{delivery}}:due:desk 0 {id}")).await?;
    }
    let _ok: String = bench.ask("CONFIG SET maxmemory 1").await?;
    let notifier = bench.run().await?;
    delivered(&notifier, 2.0).await?;
    bench.until("EXISTS cw:{delivery}:due:desk cw:{delivery}:leases:desk cw:{delivery}:jobs:desk", 0).await?;
    ensure!(receiver.received() == 2, "{} requests", receiver.received());
    notifier.stop().await
}
