//! Two notifiers under load, one of which is killed again and again: no alert is lost, and what comes twice is the same.
//!
//! A run kills 20 times; `CANDLEWIRE_KILLS` says another number, `CANDLEWIRE_SEED` another schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use candlewire_testkit::{Answer, BotAnswer, BotApi, Deed, HostileReceiver, WebhookReceiver};
use tokio::time::sleep;

use crate::bench::{Bench, Draft, Notifier, SECRET, webhook, webhook_at};
use crate::load;

const KILLS: u64 = 20;
const SEED: u64 = 20_261_124;
/// How long two kills are apart: some of the killed have only just started.
const PAUSES_MS: std::ops::Range<u64> = 50..400;
/// Time between two signals.
const TICK: Duration = Duration::from_millis(10);
/// Every so many signals one is for the phone, too, whose chat takes one a second.
const PHONE_EVERY: u32 = 100;
const TOKEN: &str = "123456:AAH-t0ken_t0ken_t0ken";

/// A schedule that no alert comes to the end of.
const DELIVERY: &str = r#"schedule = ["0s", "100ms", "200ms", "200ms", "200ms", "200ms", "200ms", "500ms", "500ms", "500ms",
    "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]
timeout = "1s"
max_age = "off""#;

/// What arrived at one webhook: ids and bodies.
type Arrived = Vec<(String, Vec<u8>)>;

/// Who receives.
struct Receivers {
    desk: WebhookReceiver,
    other: WebhookReceiver,
    slow: WebhookReceiver,
    flaky: HostileReceiver,
    phone: BotApi,
}

const NAMES: [&str; 5] = ["desk", "other", "slow", "flaky", "phone"];

impl Receivers {
    async fn start() -> Result<Self> {
        let slow = WebhookReceiver::start(Some(SECRET)).await?;
        slow.answer_next((0..20_000).map(|_| Answer::ok().after(Duration::from_millis(30))));
        let asked = AtomicU64::new(0);
        let flaky = HostileReceiver::start_with(move |_| {
            let is_third = asked.fetch_add(1, Ordering::Relaxed) % 3 == 2;
            Deed::status(if is_third { 500 } else { 200 })
        })?;
        let phone = BotApi::start(TOKEN).await?;
        phone.enforce_limits();
        // The message is there at once, its acknowledgement is not: a kill in between makes it come again.
        let late = BotAnswer::foreign(200, r#"{"ok":true}"#).but_sent().after(Duration::from_millis(400));
        phone.answer_next((0..1_000).map(|_| late.clone()));
        let (desk, other) = (WebhookReceiver::start(Some(SECRET)).await?, WebhookReceiver::start(Some(SECRET)).await?);
        Ok(Self { desk, other, slow, flaky, phone })
    }

    fn configured(&self) -> Vec<String> {
        let phone = format!(
            "name = \"phone\"\nkind = \"telegram\"\nbot_token = \"{TOKEN}\"\nchat_id = 42\napi_base = \"{}\"\n\
             allow_private = true\nstrategies = [\"phone-*\"]",
            self.phone.url()
        );
        vec![
            webhook("desk", &self.desk),
            webhook("other", &self.other),
            webhook("slow", &self.slow),
            webhook_at("flaky", &self.flaky.url()),
            phone,
        ]
    }

    /// What arrived at each webhook.
    fn arrived(&self) -> Vec<(&'static str, Arrived)> {
        let well = [("desk", &self.desk), ("other", &self.other), ("slow", &self.slow)].map(|(name, receiver)| {
            let requests = receiver.requests().into_iter();
            let arrived = requests
                .map(|request| (request.header("webhook-id").unwrap_or_default().to_owned(), request.body.to_vec()));
            (name, arrived.collect())
        });
        let flaky = self.flaky.requests().into_iter();
        let flaky = flaky.map(|request| (request.header("webhook-id").unwrap_or_default().to_owned(), request.body));
        well.into_iter().chain([("flaky", flaky.collect())]).collect()
    }
}

/// Publishes one signal after another, for ever, and notes each before it is sent.
async fn publish(bench: &Bench, published: &mut Vec<Draft>) -> Result<()> {
    let mut connection = bench.connection().await?;
    for number in 1.. {
        let mut draft = load::drafts([number]);
        if number % PHONE_EVERY == 1 {
            // The message tells which one it is.
            draft[0].strategy = format!("phone-{number}").leak();
        }
        published.extend(draft.iter().cloned());
        load::publish(&mut connection, &draft).await?;
        sleep(TICK).await;
    }
    Ok(())
}

/// Kills one of the notifiers, starts it again at once, and so on.
async fn kill(bench: &Bench, notifiers: &mut [Notifier; 2], kills: u64, seed: u64) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..kills {
        sleep(Duration::from_millis(random.u64(PAUSES_MS))).await;
        let victim = &mut notifiers[random.usize(0..2)];
        victim.program.kill()?;
        *victim = bench.run().await?;
    }
    Ok(())
}

fn parameter(name: &str, default: u64) -> Result<u64> {
    std::env::var(name).map_or(Ok(default), |text| text.parse()).with_context(|| name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_repeats_are_the_same() -> Result<()> {
    let (kills, seed) = (parameter("CANDLEWIRE_KILLS", KILLS)?, parameter("CANDLEWIRE_SEED", SEED)?);
    let (bench, receivers) = (Bench::start().await?, Receivers::start().await?);
    bench.configure(DELIVERY, &receivers.configured())?;
    let mut notifiers = [bench.run().await?, bench.run().await?];
    let mut published = Vec::new();
    tokio::select! {
        killed = kill(&bench, &mut notifiers, kills, seed) => killed?,
        stopped = publish(&bench, &mut published) => stopped?,
    }
    // The last one may not have been sent; again is once.
    load::publish(&mut bench.connection().await?, &published[published.len() - 1..]).await?;
    let ids: BTreeSet<String> = published.iter().map(Draft::id).collect();
    let remembered: Vec<String> = ids.iter().map(|id| format!("cw:{{delivery}}:seen:{id}")).collect();
    bench.until(&format!("EXISTS {}", remembered.join(" ")), ids.len()).await?;
    for name in NAMES {
        bench.until(&format!("EXISTS cw:{{delivery}}:due:{name} cw:{{delivery}}:leases:{name}"), 0).await?;
        let dead: i64 = bench.ask(&format!("XLEN cw:{{delivery}}:dead:{name}")).await?;
        ensure!(dead == 0, "{name}: {dead} dead letters, seed {seed}");
    }
    for (name, arrived) in receivers.arrived() {
        let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
        for (id, body) in &arrived {
            let first = bodies.entry(id).or_insert(body);
            ensure!(first == body, "{name}: {id} came with two bodies, seed {seed}");
        }
        ensure!(bodies.keys().copied().eq(ids.iter()), "{name}: {} of {} ids, seed {seed}", bodies.len(), ids.len());
        if name != "flaky" {
            tell(name, arrived.len(), ids.len(), kills)?;
        }
    }
    for receiver in [&receivers.desk, &receivers.other, &receivers.slow] {
        ensure!(receiver.verified() == receiver.received(), "{} are signed wrongly", receiver.rejected());
    }
    let messages = receivers.phone.messages();
    let wanted: Vec<&Draft> = published.iter().filter(|draft| draft.strategy.starts_with("phone-")).collect();
    for draft in &wanted {
        let named = format!(" {} ", draft.strategy);
        let marked: Vec<bool> = messages
            .iter()
            .filter(|message| message.text.contains(&named))
            .map(|message| message.text.contains("may repeat"))
            .collect();
        ensure!(!marked.is_empty(), "phone: no message of {}, seed {seed}", draft.strategy);
        ensure!(marked[1..].iter().all(|marked| *marked), "phone: {} came again unmarked, seed {seed}", draft.strategy);
    }
    tell("phone", messages.len(), wanted.len(), kills)?;
    for notifier in notifiers {
        notifier.stop().await?;
    }
    Ok(())
}

/// Says how many alerts came more than once.
fn tell(name: &str, arrived: usize, published: usize, kills: u64) -> Result<()> {
    let repeats = arrived - published;
    let percent = 100.0 * repeats as f64 / published as f64;
    let line = format!("{name}: {repeats} of {published} alerts came again ({percent:.1} %) in {kills} kills");
    writeln!(std::io::stderr(), "{line}").context("print")
}
