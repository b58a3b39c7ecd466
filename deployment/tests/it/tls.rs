//! The programs with a Redis that has TLS and asks for certificates: all of them at work, and what they say without.

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{HttpPage, WebhookReceiver};

use crate::bench::{Bench, command};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn candles_become_alerts_over_tls() -> Result<()> {
    let (bench, authority) = Bench::start_with_tls().await?;
    let own = authority.issue("own", &["candlewire"])?;
    let desk = WebhookReceiver::start(Some(SECRET)).await?;
    let text = format!(
        r#"partitions = 1
ca_file = {:?}
cert_file = {:?}
key_file = {:?}
[[strategies]]
name = "cross"
series = ["*:*:*"]
fast = "sma(20)"
slow = "sma(100)"
[delivery]
max_age = "off"
[[recipients]]
name = "desk"
kind = "webhook"
url = {:?}
secret = {SECRET:?}
allow_private = true
"#,
        authority.certificate(),
        own.certificate,
        own.key,
        desk.url()
    );
    bench.configure(&text)?;
    let (mut worker, mut notifier) = (bench.run("indicator-worker", "worker")?, bench.run("notifier", "notifier")?);
    bench.replay("AAPL-1d.csv", "csv:AAPL:1d").await?;
    desk.wait_for(10, PATIENCE).await?;
    ensure!(notifier.terminate(PATIENCE).await?.success() && worker.terminate(PATIENCE).await?.success());

    // Over plain TCP the same Redis has what came over TLS.
    let states = command("EXISTS cw:{0}:ma:csv:AAPL:1d").query_async::<u8>(&mut bench.connection().await?).await?;
    ensure!(states == 1);
    Ok(())
}

#[tokio::test]
async fn a_redis_that_is_not_trusted_makes_nobody_ready_and_is_said_once() -> Result<()> {
    let (bench, authority) = Bench::start_with_tls().await?;
    for (lines, said) in [
        (
            String::new(),
            "can't be trusted, waiting for it: invalid peer certificate: UnknownIssuer: redis.ca_file must",
        ),
        (format!("ca_file = {:?}\n", authority.certificate()), "set redis.cert_file and redis.key_file"),
    ] {
        bench.configure(&format!("partitions = 1\n{lines}"))?;
        let mut worker = bench.run("indicator-worker", "worker")?;
        let line = worker.wait_for_line(|line| line.contains("metrics at http://"), PATIENCE).await?;
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        worker.wait_for_line(|line| line.contains(said), PATIENCE).await?;
        let ready = HttpPage::fetch(address.parse()?, "/readyz").await?;
        ensure!(ready.status == 503, "{ready:?}");
        ensure!(worker.terminate(PATIENCE).await?.success());
        let warned = worker.lines().iter().filter(|line| line.contains("WARN")).count();
        ensure!(warned == 1, "{:?}", worker.lines());
    }
    Ok(())
}
