//! Faults on the way to recipients: who fails, refuses, is gone or slow, and a notifier that hangs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Answer, Deed, HostileReceiver, ProgramCommand, RedisOptions, RedisServer, WebhookReceiver};
use tokio::time::sleep;

use crate::candles::PARTITIONS;
use crate::rig::Rig;
use crate::service::Service;
use crate::signals::Signals;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PACE: Duration = Duration::from_millis(200);

/// A receiver that answers with a status which can be changed.
struct Moody {
    receiver: HostileReceiver,
    status: Arc<AtomicU16>,
}

impl Moody {
    fn start(status: u16) -> Result<Self> {
        let status = Arc::new(AtomicU16::new(status));
        let now = Arc::clone(&status);
        let receiver = HostileReceiver::start_with(move |_| Deed::status(now.load(Ordering::Relaxed)))?;
        Ok(Self { receiver, status })
    }

    fn answers(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

/// The recipients, each with a strategy of its own name.
struct Recipients {
    well: WebhookReceiver,
    slow: WebhookReceiver,
    failing: Moody,
    refusing: Moody,
    gone: Moody,
}

impl Recipients {
    async fn start() -> Result<Self> {
        Ok(Self {
            well: WebhookReceiver::start(None).await?,
            slow: WebhookReceiver::start(None).await?,
            failing: Moody::start(500)?,
            refusing: Moody::start(400)?,
            gone: Moody::start(410)?,
        })
    }

    fn config(&self, redis: &RedisServer) -> Result<String> {
        // Tried for a minute and a half, which is longer than a breaker looks on.
        let schedule = vec!["\"2s\""; 49].join(", ");
        let mut text = format!(
            "[redis]\nurl = \"{}\"\npartitions = {PARTITIONS}\n[delivery]\nschedule = [\"0s\", {schedule}]\n",
            redis.url()
        );
        for (name, url) in [
            ("well", self.well.url()),
            ("slow", self.slow.url()),
            ("failing", self.failing.receiver.url()),
            ("refusing", self.refusing.receiver.url()),
            ("gone", self.gone.receiver.url()),
        ] {
            write!(
                text,
                "[[recipients]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"{SECRET}\"\n\
                 allow_private = true\nstrategies = [\"{name}\"]\n[[strategies]]\nname = \"{name}\"\n\
                 series = [\"*\"]\nfast = \"sma(2)\"\nslow = \"sma(3)\"\n"
            )?;
        }
        Ok(text)
    }
}

/// Makes the faults.
pub(crate) async fn faults() -> Result<BTreeSet<String>> {
    let redis = RedisServer::start(RedisOptions::default()).await?;
    let recipients = Recipients::start().await?;
    let directory = tempfile::tempdir()?;
    let config = directory.path().join("candlewire.toml");
    fs::write(&config, recipients.config(&redis)?)?;
    let mut notifier = Service::start("notifier", &config).await?;
    // It tells of the signals that wait while the notifier does not.
    let worker = Service::start("indicator-worker", &config).await?;
    let rig = Rig::start(&[&notifier, &worker]).await?;
    let signals = async || anyhow::Ok(Signals::new(redis.connection().await?));

    tokio::try_join!(
        failing(&rig, signals().await?, &recipients.failing),
        refusing(&rig, signals().await?),
        garbage(&rig, signals().await?),
        async {
            gone(&rig, signals().await?).await?;
            recipients.gone.answers(200);
            let enable = ProgramCommand::built("notifier")?.arg("--config").arg(&config).args(["enable", "gone"]);
            let enabled = enable.run_to_end(PATIENCE).await?;
            ensure!(enabled.status.success(), "{}", enabled.stderr);
            rig.resolves("RecipientDisabled", &[]).await
        },
        slow(&rig, signals().await?, &recipients.slow),
        foreign_clock(&rig, signals().await?),
    )?;
    frozen(&rig, signals().await?, &mut notifier).await?;

    rig.only_these_fired(&[]).await
}

/// A recipient that is broken for a while. A breaker opens after half a minute.
async fn failing(rig: &Rig, mut signals: Signals, recipient: &Moody) -> Result<()> {
    for _ in 0..20 {
        signals.publish("failing").await?;
    }
    rig.fires("DeliveryFailing", &[("channel", "webhook")]).await?;
    rig.fires("BreakerOpen", &[("recipient", "failing")]).await?;
    recipient.answers(200);
    rig.resolves("BreakerOpen", &[]).await?;
    rig.resolves("DeliveryFailing", &[]).await
}

async fn refusing(rig: &Rig, mut signals: Signals) -> Result<()> {
    signals.publish("refusing").await?;
    rig.fires("DeadLetters", &[("channel", "webhook")]).await?;
    rig.resolves("DeadLetters", &[]).await
}

async fn garbage(rig: &Rig, mut signals: Signals) -> Result<()> {
    signals.publish_garbage().await?;
    rig.fires("UnreadableInput", &[("stream", "signals")]).await?;
    rig.resolves("UnreadableInput", &[]).await
}

async fn gone(rig: &Rig, mut signals: Signals) -> Result<()> {
    signals.publish("gone").await?;
    rig.fires("RecipientDisabled", &[("recipient", "gone")]).await
}

/// A recipient that takes 3 s to answer, while there is enough to deliver.
async fn slow(rig: &Rig, mut signals: Signals, recipient: &WebhookReceiver) -> Result<()> {
    let slowly = async {
        loop {
            recipient.answer_next([Answer::ok().after(Duration::from_secs(3))]);
            signals.publish("slow").await?;
            sleep(PACE * 3).await;
        }
    };
    rig.fires_while("EndToEndSlow", &[("channel", "webhook")], slowly).await?;
    rig.resolves("EndToEndSlow", &[]).await
}

async fn foreign_clock(rig: &Rig, mut signals: Signals) -> Result<()> {
    let from_the_future = async {
        loop {
            signals.publish_from_the_future("well").await?;
            sleep(PACE).await;
        }
    };
    rig.fires_while("ClockSkew", &[("hop", "publish_to_delivery")], from_the_future).await?;
    rig.resolves("ClockSkew", &[]).await
}

async fn frozen(rig: &Rig, mut signals: Signals, notifier: &mut Service) -> Result<()> {
    notifier.program.pause()?;
    let more = async {
        loop {
            signals.publish("well").await?;
            sleep(PACE).await;
        }
    };
    rig.fires_while("NotifierStalled", &[("stream", "signals"), ("group", "notifier")], more).await?;
    rig.fires("TargetDown", &[("instance", &notifier.instance())]).await?;
    notifier.program.resume()?;
    rig.resolves("NotifierStalled", &[]).await?;
    rig.resolves("TargetDown", &[]).await
}
