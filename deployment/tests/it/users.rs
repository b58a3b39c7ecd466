//! The users of `deploy/redis/users.acl`: what they need they may, and what they don't need they may not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, Program, WebhookReceiver, eventually};
use redis::Value;

use crate::bench::{Bench, command};

/// Trimming has its turn twice a minute.
const TRIMMED: Duration = Duration::from_mins(1);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PARTITIONS: u16 = 4;
/// More than a stream may have.
const TOO_MANY: usize = 21_000;
/// How many answers the sour recipient has ready: more than it is asked for.
const REFUSALS: usize = 10_000;

/// A configuration that brings every part of the programs to work within seconds.
fn configuration(desk: &WebhookReceiver, sour: &WebhookReceiver) -> String {
    let recipient = |name: &str, receiver: &WebhookReceiver| {
        let kind = format!("[[recipients]]\nname = {name:?}\nkind = \"webhook\"\nurl = {:?}", receiver.url());
        format!("{kind}\nsecret = {SECRET:?}\nallow_private = true\n")
    };
    format!(
        r#"partitions = {PARTITIONS}
[worker]
lease_ttl = "1s"
[streams]
candles_max = 20000
[[strategies]]
name = "cross"
series = ["*:*:*"]
fast = "sma(20)"
slow = "sma(100)"
[delivery]
schedule = ["0s", "50ms", "50ms"]
max_age = "off"
{}{}"#,
        recipient("desk", desk),
        recipient("sour", sour)
    )
}

async fn length(bench: &Bench, kind: &str) -> Result<u64> {
    let mut connection = bench.connection().await?;
    let mut total = 0;
    for partition in 0..PARTITIONS {
        total += command(&format!("XLEN cw:{{{partition}}}:{kind}")).query_async::<u64>(&mut connection).await?;
    }
    Ok(total)
}

/// Waits until a series has had so many candles applied.
async fn applied(bench: &Bench, series: &str, candles: u64) -> Result<()> {
    let probed = eventually(PATIENCE, async || {
        let shown = bench.done("indicator-worker", "worker", &["show", series, "--json"]).await;
        let shown = shown.map_err(|error| format!("{error:#}"))?.stdout;
        if shown.contains(&format!("\"candles\":{candles}")) || shown.contains(&format!("\"candles\": {candles}")) {
            return Ok(());
        }
        Err(shown)
    });
    Ok(probed.await?)
}

/// Adds entries that are no candles, more than the stream may have.
async fn overfill(bench: &Bench) -> Result<()> {
    let mut connection = bench.connection().await?;
    for _ in 0..TOO_MANY / 1_000 {
        let mut entries = redis::pipe();
        for _ in 0..1_000 {
            entries.cmd("XADD").arg("cw:{0}:candles").arg("*").arg("no").arg("candle").ignore();
        }
        entries.exec_async(&mut connection).await?;
    }
    Ok(())
}

/// Who was refused what since the server started.
async fn refusals(bench: &Bench) -> Result<Vec<Value>> {
    Ok(command("ACL LOG").query_async(&mut bench.connection().await?).await?)
}

async fn delivered(bench: &Bench, receiver: &WebhookReceiver) -> Result<u64> {
    let signals = length(bench, "signals").await?;
    receiver.wait_for(signals, PATIENCE).await?;
    Ok(signals)
}

async fn stop(mut program: Program) -> Result<()> {
    let ended = program.terminate(PATIENCE).await?;
    ensure!(ended.success(), "{ended}: {:?}", program.lines());
    Ok(())
}

#[tokio::test]
async fn each_program_may_all_that_it_needs() -> Result<()> {
    let bench = Bench::start().await?;
    let (desk, sour) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
    sour.answer_next((0..REFUSALS).map(|_| Answer::status(400.try_into().unwrap_or_default())));
    bench.configure(&configuration(&desk, &sour))?;

    // Shared load, a take-over, trimming.
    let (mut first, second) = (bench.run("indicator-worker", "worker")?, bench.run("indicator-worker", "worker")?);
    let notifier = bench.run("notifier", "notifier")?;
    bench.replay("AAPL-1d.csv", "csv:AAPL:1d").await?;
    applied(&bench, "csv:AAPL:1d", 3_270).await?;
    first.kill()?;
    bench.replay("IBM-1d.csv", "csv:IBM:1d").await?;
    bench.replay("EURUSD-1h-2017.csv", "csv:EURUSD:1h").await?;
    applied(&bench, "csv:IBM:1d", 3_270).await?;
    applied(&bench, "csv:EURUSD:1h", 6_225).await?;
    overfill(&bench).await?;
    let trimmed = eventually(TRIMMED, async || match length(&bench, "candles").await {
        Ok(left) if left < TOO_MANY as u64 => Ok(()),
        Ok(left) => Err(format!("{left} candles are left")),
        Err(error) => Err(format!("{error:#}")),
    });
    trimmed.await?;

    // Retries, dead letters, another try.
    let signals = delivered(&bench, &desk).await?;
    ensure!(signals > 50, "only {signals} signals");
    let dead = eventually(PATIENCE, async || {
        let listed = bench.done("notifier", "notifier", &["dead", "list", "sour", "--json"]).await;
        let listed = listed.map_err(|error| format!("{error:#}"))?.stdout;
        if listed.contains("sig_") { Ok(()) } else { Err(listed) }
    });
    dead.await?;
    for arguments in [&["status"][..], &["dead", "redrive", "sour"], &["enable", "desk"], &["test", "desk"]] {
        bench.done("notifier", "notifier", arguments).await?;
    }
    stop(notifier).await?;
    stop(second).await?;
    bench.configure(&configuration(&desk, &sour).replace("partitions = 4", "partitions = 2"))?;
    let moved = bench.done("indicator-worker", "operator", &["repartition"]).await?;
    ensure!(format!("{}{}", moved.stdout, moved.stderr).contains("moved 2 series from 4 to 2 partitions"), "{moved:?}");

    let refused = refusals(&bench).await?;
    ensure!(refused.is_empty(), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn nobody_may_what_others_need() -> Result<()> {
    const EVERYBODY: [&str; 6] = ["ingestor", "worker", "notifier", "monitor", "operator", "backup"];
    let bench = Bench::start().await?;
    let mut refused: Vec<(&str, &str)> = Vec::new();
    for user in EVERYBODY {
        let lines = [
            "FLUSHALL",
            "FLUSHDB",
            "KEYS *",
            "CONFIG SET maxmemory 1",
            "CONFIG REWRITE",
            "ACL SETUSER default on nopass",
            "ACL LIST",
            "MODULE LIST",
            "SHUTDOWN NOSAVE",
            "REPLICAOF 127.0.0.1 1",
            "CLIENT KILL TYPE normal",
            "SCRIPT FLUSH",
            "FUNCTION LIST",
            "MONITOR",
            "PUBLISH any thing",
            "SET other 1",
            "GET other",
        ];
        refused.extend(lines.map(|line| (user, line)));
    }
    refused.extend([
        ("ingestor", "XADD cw:{1}:signals * a b"),
        ("ingestor", "DEL cw:{1}:candles"),
        ("ingestor", "XADD cw:{1}:ohlcv:x:Y:1m * a b"),
        ("ingestor", "HGETALL cw:{1}:ma:x:Y:1m"),
        ("ingestor", "GET cw:{delivery}:due:desk"),
        ("worker", "ZRANGE cw:{delivery}:due:desk 0 -1"),
        ("worker", "HGETALL cw:{delivery}:jobs:desk"),
        ("worker", "SET cw:{delivery}:dead:desk 1"),
        ("worker", "SCAN 0"),
        ("worker", "CONFIG GET requirepass"),
        ("notifier", "XADD cw:{1}:candles * a b"),
        ("notifier", "DEL cw:{1}:ohlcv:x:Y:1m"),
        ("notifier", "SET cw:{1}:lease 1"),
        ("notifier", "HSET cw:{1}:ma:x:Y:1m a b"),
        ("notifier", "CONFIG GET requirepass"),
        ("monitor", "SET cw:{1}:lease 1"),
        ("monitor", "XADD cw:{1}:candles * a b"),
        ("monitor", "DEL cw:meta"),
        ("monitor", "EVAL return(1) 0"),
        ("operator", "ZRANGE cw:{delivery}:due:desk 0 -1"),
        ("backup", "GET cw:meta"),
        ("backup", "SCAN 0"),
    ]);
    for (user, line) in refused {
        let mut connection = bench.connection_of(user).await?;
        let answered: Result<Value, _> = command(line).query_async(&mut connection).await;
        let error = answered.err().with_context(|| format!("{user} may {line}"))?;
        ensure!(error.code() == Some("NOPERM"), "{user}: {line}: {error}");
    }
    let nobody = redis::Client::open(bench.url())?.get_multiplexed_async_connection().await?;
    let refused = command("PING").exec_async(&mut nobody.clone()).await;
    ensure!(refused.err().is_some_and(|error| error.code() == Some("NOAUTH")), "the default user is let in");
    Ok(())
}

#[tokio::test]
async fn those_who_look_may_look() -> Result<()> {
    let bench = Bench::start().await?;
    let mut connection = bench.connection().await?;
    command("XADD cw:{1}:candles 1-1 a b").exec_async(&mut connection).await?;
    command("XGROUP CREATE cw:{1}:candles indicator-workers 0").exec_async(&mut connection).await?;
    let mut monitor = bench.connection_of("monitor").await?;
    for line in [
        "INFO",
        "SCAN 0",
        "XLEN cw:{1}:candles",
        "XRANGE cw:{1}:candles - +",
        "XINFO GROUPS cw:{1}:candles",
        "XINFO STREAM cw:{1}:candles",
        "XPENDING cw:{1}:candles indicator-workers",
        "ZRANGE cw:{delivery}:due:desk 0 -1",
        "HGETALL cw:{delivery}:standing:desk",
        "HGETALL cw:workers",
        "CONFIG GET maxmemory-policy",
        "SLOWLOG GET 10",
        "LATENCY LATEST",
        "MEMORY USAGE cw:{1}:candles",
    ] {
        command(line).exec_async(&mut monitor).await.with_context(|| line.to_owned())?;
    }
    Ok(())
}

/// Redis reads its append-only file as the default user, whose permissions each transaction in it is held against.
#[tokio::test]
async fn what_transactions_wrote_is_there_after_a_restart_of_redis() -> Result<()> {
    let mut bench = Bench::start().await?;
    let mut worker = bench.connection_of("worker").await?;
    let mut both = redis::pipe();
    both.atomic().cmd("SET").arg("cw:{1}:lease").arg(1).cmd("SET").arg("cw:{1}:position").arg(2);
    both.exec_async(&mut worker).await?;
    bench.redis.restart().await?;
    let mut worker = bench.connection_of("worker").await?;
    let found: Vec<Option<u8>> =
        redis::pipe().cmd("GET").arg("cw:{1}:lease").cmd("GET").arg("cw:{1}:position").query_async(&mut worker).await?;
    ensure!(found == [Some(1), Some(2)], "{found:?}");
    Ok(())
}

/// A password that nobody was given opens nothing, and one that is wrong is said to be.
#[tokio::test]
async fn as_shipped_nobody_can_come_in() -> Result<()> {
    let text = std::fs::read_to_string(crate::bench::shipped("deploy/redis/users.acl"))?;
    ensure!(text.lines().count() == 7 && text.lines().all(|line| line.starts_with("user ")), "{text}");
    for line in text.lines() {
        ensure!(line.contains(" resetpass ") && !line.contains(['>', '#']) && !line.contains("nopass"), "{line}");
        if line.starts_with("user default off ") {
            continue;
        }
        ensure!(!line.contains("+@") && !line.contains("allkeys") && !line.contains(" ~* "), "{line}");
    }
    let bench = Bench::start().await?;
    bench.configure("partitions = 4\n")?;
    let worker = bench.command("indicator-worker", "worker")?.env("CANDLEWIRE__REDIS__PASSWORD", "hunter2");
    let mut worker = worker.args(["run", "--http", "127.0.0.1:0"]).spawn()?;
    let line = worker.wait_for_line(|line| line.contains("refuses this program, waiting for it: "), PATIENCE).await?;
    ensure!(line.contains("compare redis.username and its password") && !line.contains("hunter2"), "{line}");
    ensure!(worker.terminate(PATIENCE).await?.success());
    let lines = worker.lines();
    ensure!(lines.iter().filter(|line| line.contains("WARN")).count() == 1, "{lines:?}");
    Ok(())
}
