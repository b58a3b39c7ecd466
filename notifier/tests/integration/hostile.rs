//! Receivers that misbehave: what becomes of the alert, and of everybody else's.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_common::time::UnixMillis;
use candlewire_testkit::hostile_receiver::HostileRequest;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Deed, HostileReceiver, WebhookReceiver, eventually};
use chrono::{DateTime, Utc};

use crate::bench::{Bench, Notifier, SECRET, webhook, webhook_at};

/// Four attempts, the first three of which a refused alert gets, too.
const FOUR_ATTEMPTS: &str = r#"schedule = ["0s", "20ms", "20ms", "20ms"]
timeout = "2s"
max_age = "off""#;

/// What becomes of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It was accepted at the first attempt.
    Delivered,
    /// It was tried as often as the schedule says, and given up on.
    WholeSchedule,
    /// It was tried three times, and given up on.
    ThreeTimes,
    /// It was given up on at once, and the recipient disabled.
    Disables,
}

impl Fate {
    /// How many attempts that takes.
    fn attempts(self) -> u64 {
        match self {
            Self::Delivered | Self::Disables => 1,
            Self::ThreeTimes => 3,
            Self::WholeSchedule => 4,
        }
    }

    /// What the contract says of a status.
    fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Delivered,
            410 => Self::Disables,
            // What only announces an answer is none, but 101 is one: the protocol is another now.
            100 | 102..=199 | 408 | 425 | 429 | 500..=599 => Self::WholeSchedule,
            _ => Self::ThreeTimes,
        }
    }
}

/// The fields of a recipient's dead letters.
async fn dead(bench: &Bench, recipient: &str) -> Result<Vec<HashMap<String, String>>> {
    let entries: Vec<(String, HashMap<String, String>)> =
        bench.ask(&format!("XRANGE cw:{{delivery}}:dead:{recipient} - +")).await?;
    Ok(entries.into_iter().map(|(_, fields)| fields).collect())
}

/// Waits until an alert was queued for these recipients, and for none of them is so any more.
async fn all_settled(bench: &Bench, id: &str, recipients: &[String]) -> Result<()> {
    let seen = format!("HMGET cw:{{delivery}}:seen:{id} {}", recipients.join(" "));
    bench.until(&seen, vec![1; recipients.len()]).await?;
    let keys: Vec<String> = ["due", "leases"]
        .iter()
        .flat_map(|set| recipients.iter().map(move |name| format!("cw:{{delivery}}:{set}:{name}")))
        .collect();
    bench.until(&format!("EXISTS {}", keys.join(" ")), 0).await
}

/// Checks what became of the one alert for a recipient.
async fn check(bench: &Bench, recipient: &str, fate: Fate) -> Result<()> {
    let dead = dead(bench, recipient).await?;
    let disabled: bool = bench.ask(&format!("HEXISTS cw:{{delivery}}:disabled {recipient}")).await?;
    ensure!(disabled == (fate == Fate::Disables), "{recipient}: disabled is {disabled}, not {fate:?}");
    if fate == Fate::Delivered {
        ensure!(dead.is_empty(), "{recipient}: {dead:?}");
        return Ok(());
    }
    let [letter] = dead.as_slice() else { anyhow::bail!("{recipient}: {} dead letters, not {fate:?}", dead.len()) };
    let attempts: u64 = letter.get("attempts").context("attempts")?.parse()?;
    ensure!(attempts == fate.attempts(), "{recipient}: {attempts} attempts, not {fate:?}: {letter:?}");
    ensure!(letter.get("answer").is_some_and(|answer| !answer.is_empty()), "{recipient}: no answer: {letter:?}");
    Ok(())
}

/// All that a receiver can do wrong on its connection, and what becomes of the alert.
fn misdeeds() -> Vec<(&'static str, Deed, Fate)> {
    let (slowly, quickly) = (Duration::from_secs(1), Duration::from_millis(1));
    let ten_megabytes = "x".repeat(10 << 20);
    vec![
        // No status came: a network fault.
        ("deaf", Deed::deaf(), Fate::WholeSchedule),
        ("hang", Deed::hang(), Fate::WholeSchedule),
        ("close", Deed::close(), Fate::WholeSchedule),
        ("reset", Deed::reset(), Fate::WholeSchedule),
        ("drip", Deed::status(200).dripping(slowly), Fate::WholeSchedule),
        ("cut-status", Deed::status(200).cut(11), Fate::WholeSchedule),
        ("cut-header", Deed::answer(200, &[("x-a", "b")], "").cut(26), Fate::WholeSchedule),
        ("hang-in-header", Deed::answer(200, &[("x-a", "b")], "").cut(26).then_hang(), Fate::WholeSchedule),
        ("garbage", Deed::garbage(), Fate::WholeSchedule),
        ("http-0.9", Deed::raw("fine\r\n"), Fate::WholeSchedule),
        ("http-9.9", Deed::raw("HTTP/9.9 200 OK\r\n\r\n"), Fate::WholeSchedule),
        ("status-1000", Deed::raw("HTTP/1.1 1000 OK\r\n\r\n"), Fate::WholeSchedule),
        ("status-20", Deed::raw("HTTP/1.1 20 OK\r\n\r\n"), Fate::WholeSchedule),
        ("endless-headers", Deed::endless_headers(200), Fate::WholeSchedule),
        ("huge-header", Deed::huge_header(200, 4 << 20), Fate::WholeSchedule),
        (
            "two-lengths",
            Deed::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
            Fate::WholeSchedule,
        ),
        // The status came, and counts, whatever follows.
        ("drip-quickly", Deed::answer(200, &[], "fine").dripping(quickly), Fate::Delivered),
        ("cut-body", Deed::answer(200, &[], "thank you").cut(45), Fate::Delivered),
        ("reset-in-body", Deed::answer(201, &[], "thank you").cut(45).then_reset(), Fate::Delivered),
        ("short-body", Deed::wrong_length(200, 1_000, "short"), Fate::Delivered),
        ("hang-in-body", Deed::wrong_length(200, 1_000, "short").then_hang(), Fate::Delivered),
        ("unfinished-chunks", Deed::unfinished_chunks(202), Fate::Delivered),
        ("bad-chunk", Deed::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), Fate::Delivered),
        ("endless-chunks", Deed::endless_chunks(200), Fate::Delivered),
        ("endless-body", Deed::endless_body(200), Fate::Delivered),
        ("ten-megabytes", Deed::answer(200, &[], &ten_megabytes), Fate::Delivered),
        ("body-of-204", Deed::raw("HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nfine"), Fate::Delivered),
        ("endless-503", Deed::endless_body(503), Fate::WholeSchedule),
        ("endless-404", Deed::endless_chunks(404), Fate::ThreeTimes),
        ("ten-megabytes-500", Deed::answer(500, &[], &ten_megabytes), Fate::WholeSchedule),
        ("hang-in-body-400", Deed::wrong_length(400, 1_000, "short").then_hang(), Fate::ThreeTimes),
        ("hang-in-body-410", Deed::wrong_length(410, 1_000, "short").then_hang(), Fate::Disables),
    ]
}

#[tokio::test]
async fn each_misdeed_has_its_consequence_and_delays_nobody_else() -> Result<()> {
    let bench = Bench::start().await?;
    let good = WebhookReceiver::start(Some(SECRET)).await?;
    let (mut hostile, mut recipients, mut names) = (Vec::new(), vec![webhook("good", &good)], Vec::new());
    for (name, deed, fate) in misdeeds() {
        let receiver = HostileReceiver::start(deed)?;
        recipients.push(webhook_at(name, &receiver.url()));
        names.push(name.to_owned());
        hostile.push((name, receiver, fate));
    }
    bench.configure(FOUR_ATTEMPTS, &recipients)?;
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    good.wait_for(1, PATIENCE).await?;
    all_settled(&bench, &id, &names).await?;
    for (name, receiver, fate) in &hostile {
        check(&bench, name, *fate).await?;
        let (received, connections) = (receiver.received(), receiver.connections());
        let expected = fate.attempts();
        if *name == "deaf" {
            ensure!((received, connections) == (0, expected), "deaf: {connections} connections");
            continue;
        }
        ensure!(received == expected, "{name}: {received} requests, not {expected}");
        let requests = receiver.requests();
        ensure!(requests.iter().all(|request| request.header("webhook-id") == Some(&id)), "{name}: other ids");
        ensure!(requests.iter().all(|request| request.body == requests[0].body), "{name}: other bodies");
        // 64 kB are read of each answer; the rest is what the buffers between hold.
        let limit = expected * (2 << 20);
        ensure!(receiver.written() < limit, "{name}: {} bytes were written", receiver.written());
        // No connection that hangs is kept.
        let closed = eventually(PATIENCE, async || match receiver.open() {
            0 => Ok(()),
            open => Err(format!("{name}: {open} connections are open")),
        });
        closed.await?;
    }
    ensure!(good.received() == 1, "{} requests to the good one", good.received());
    notifier.stop().await
}

#[tokio::test]
async fn each_status_has_its_consequence() -> Result<()> {
    let bench = Bench::start().await?;
    let status = |request: &HostileRequest| request.path().trim_start_matches("/s").parse().unwrap_or(500);
    let receiver = HostileReceiver::start_with(move |request| Deed::status(status(request)))?;
    let statuses = 100..=599_u16;
    let names: Vec<String> = statuses.clone().map(|status| format!("s{status}")).collect();
    let recipient = |name: &String| webhook_at(name, &format!("http://{}/{name}", receiver.address()));
    bench.configure(&FOUR_ATTEMPTS.replace("2s", "20s"), &names.iter().map(recipient).collect::<Vec<_>>())?;
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    all_settled(&bench, &id, &names).await?;
    let mut asked: BTreeMap<u16, u64> = BTreeMap::new();
    for request in receiver.requests() {
        *asked.entry(status(&request)).or_default() += 1;
    }
    for status in statuses {
        let fate = Fate::of(status);
        check(&bench, &format!("s{status}"), fate).await?;
        let times = asked.get(&status).copied().unwrap_or_default();
        ensure!(times == fate.attempts(), "{status}: {times} requests, not {fate:?}");
    }
    notifier.stop().await
}

#[tokio::test]
async fn no_redirect_is_followed_wherever_it_leads() -> Result<()> {
    let bench = Bench::start().await?;
    let target = HostileReceiver::start(Deed::status(200))?;
    let (elsewhere, address) = (target.url(), target.address());
    let locations = [
        elsewhere,
        format!("//{address}/hook"),
        // To itself, for ever.
        "/loop".to_owned(),
        String::new(),
        "file:///etc/passwd".to_owned(),
        format!("gopher://{address}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::1".to_owned(),
    ];
    let (mut receivers, mut recipients, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (at, location) in locations.iter().enumerate() {
        for status in [300, 301, 302, 303, 307, 308] {
            let receiver = HostileReceiver::start(Deed::redirect(status, location))?;
            let name = format!("to-{at}-by-{status}");
            recipients.push(webhook_at(&name, &receiver.url()));
            names.push(name);
            receivers.push(receiver);
        }
    }
    bench.configure(FOUR_ATTEMPTS, &recipients)?;
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    all_settled(&bench, &id, &names).await?;
    for (name, receiver) in names.iter().zip(&receivers) {
        check(&bench, name, Fate::ThreeTimes).await?;
        let elsewhere = receiver.requests().iter().filter(|request| request.path() != "/hook").count();
        ensure!((receiver.received(), elsewhere) == (3, 0), "{name}: {} requests", receiver.received());
    }
    ensure!(target.connections() == 0, "{} connections to the target", target.connections());
    notifier.stop().await
}

/// An answer that is followed by another for a request that nobody made: it must not become that of the next.
#[tokio::test]
async fn an_answer_that_was_smuggled_in_answers_nothing() -> Result<()> {
    let bench = Bench::start().await?;
    let gone = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
    let receiver = HostileReceiver::start(Deed::raw(gone).then_next())?;
    bench.configure(FOUR_ATTEMPTS, &[webhook_at("desk", &receiver.url())])?;
    let notifier = bench.run().await?;
    for number in 1..=5 {
        bench.publish(number).await?;
        delivered(&notifier, f64::from(number)).await?;
    }
    ensure!(receiver.received() == 5, "{} requests", receiver.received());
    notifier.stop().await
}

async fn delivered(notifier: &Notifier, count: f64) -> Result<()> {
    notifier.counted("candlewire_deliveries_total", &[("outcome", "delivered")], count).await
}

/// How long alerts wait whose first attempt was answered with a `Retry-After`.
#[tokio::test]
async fn retry_after_is_read_in_every_form_and_bounded() -> Result<()> {
    let bench = Bench::start().await?;
    let date = |seconds: i64| -> Result<String> {
        let moment: DateTime<Utc> =
            DateTime::from_timestamp(UnixMillis::now().0 / 1_000 + seconds, 0).context("date")?;
        Ok(moment.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    };
    // The schedule's own delay is 100 s, give or take a fifth.
    let (schedule, hour) = (79.0..=121.0, 3_590.0..=3_600.5);
    let cases = [
        ("longer", 429, "600".to_owned(), 595.0..=600.5),
        ("shorter", 429, "1".to_owned(), schedule.clone()),
        ("zero", 503, "0".to_owned(), schedule.clone()),
        ("too-long", 503, "7200".to_owned(), hour.clone()),
        ("huge", 429, "9".repeat(40), hour.clone()),
        ("date", 503, date(900)?, 880.0..=900.5),
        ("far-date", 429, date(1_000_000)?, hour.clone()),
        ("past-date", 429, date(-900)?, schedule.clone()),
        ("negative", 429, "-600".to_owned(), schedule.clone()),
        ("fraction", 429, "600.5".to_owned(), schedule.clone()),
        ("hexadecimal", 429, "0x258".to_owned(), schedule.clone()),
        ("words", 429, "in a while".to_owned(), schedule.clone()),
        ("empty", 429, String::new(), schedule.clone()),
        ("no-date", 429, "Xxx, 99 Foo 2026 99:99:99 GMT".to_owned(), schedule.clone()),
        ("of-500", 500, "600".to_owned(), 595.0..=600.5),
        ("of-404", 404, "600".to_owned(), 595.0..=600.5),
    ];
    let (mut receivers, mut recipients) = (Vec::new(), Vec::new());
    for (name, status, value, _) in &cases {
        let receiver = HostileReceiver::start(Deed::retry_after(*status, value))?;
        recipients.push(webhook_at(name, &receiver.url()));
        receivers.push(receiver);
    }
    let settings = "schedule = [\"0s\", \"100s\", \"100s\"]\ntimeout = \"20s\"\nmax_age = \"off\"";
    bench.configure(settings, &recipients)?;
    let notifier = bench.run().await?;
    let id = bench.publish(1).await?;
    for (name, ..) in &cases {
        // Settled once, it is due again.
        let settled = eventually(PATIENCE, async || {
            match bench.ask::<Option<String>>(&format!("HGET cw:{{delivery}}:jobs:{name} {id}")).await {
                Ok(Some(job)) if job.contains("\"attempts\":1") => Ok(()),
                seen => Err(format!("{name}: {seen:?}")),
            }
        });
        settled.await?;
    }
    for (receiver, (name, _, value, expected)) in receivers.iter().zip(cases) {
        ensure!(receiver.received() == 1, "{name}: {} requests", receiver.received());
        let answered_ms = UnixMillis::now();
        let arrived = receiver.requests()[0].arrived.duration_since(std::time::UNIX_EPOCH)?.as_secs_f64();
        let due: f64 = bench.ask(&format!("ZSCORE cw:{{delivery}}:due:{name} {id}")).await?;
        let late = answered_ms.0 as f64 / 1_000.0 - arrived;
        // Counted from the answer, or a bit later on a busy machine.
        let wait = due / 1_000.0 - arrived;
        let in_time = *expected.start() <= wait && wait <= *expected.end() + late;
        ensure!(in_time, "{name}: {value:?} is due {wait:.1} s after the attempt, not {expected:?}");
    }
    notifier.stop().await
}

/// What of its memory a process holds now, in bytes; `None` where the system does not say.
fn resident_bytes(notifier: &Notifier) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", notifier.program.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

#[tokio::test]
async fn endless_answers_take_no_memory() -> Result<()> {
    let bench = Bench::start().await?;
    let big = HostileReceiver::start(Deed::answer(500, &[], &"x".repeat(10 << 20)))?;
    let endless = HostileReceiver::start(Deed::endless_body(200))?;
    let headers = HostileReceiver::start(Deed::endless_headers(200))?;
    bench.configure(
        FOUR_ATTEMPTS,
        &[webhook_at("big", &big.url()), webhook_at("endless", &endless.url()), webhook_at("headers", &headers.url())],
    )?;
    let notifier = bench.run().await?;
    let before = resident_bytes(&notifier);
    for number in 1..=50 {
        bench.publish(number).await?;
    }
    notifier.counted("candlewire_deliveries_total", &[("outcome", "dead_lettered")], 100.0).await?;
    delivered(&notifier, 50.0).await?;
    ensure!((big.received(), endless.received(), headers.received()) == (200, 50, 200));
    // 2 GB were there to be had, and more without end.
    for receiver in [&big, &endless, &headers] {
        let each = receiver.written() / receiver.received();
        ensure!(each < 2 << 20, "{each} bytes of an answer were taken");
    }
    if let (Some(before), Some(after)) = (before, resident_bytes(&notifier)) {
        ensure!(after < before + (64 << 20), "grew from {before} to {after} bytes");
    }
    notifier.stop().await
}
