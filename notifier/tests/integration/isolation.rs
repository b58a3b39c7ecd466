//! Some recipients hang, some fail, and the others have all that is theirs.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Deed, HostileReceiver, WebhookReceiver, eventually};

use crate::bench::{Bench, SECRET, webhook, webhook_at};
use crate::load;

/// How many signals there are.
const SIGNALS: u32 = 1_000;
/// How many recipients are well, and how many of each kind are not.
const GOOD: usize = 10;
const BAD: usize = 5;

/// Those that hang do so for as long as may be; those that fail are given up on after the second attempt.
const DELIVERY: &str = r#"schedule = ["0s", "50ms"]
timeout = "2m"
max_age = "off""#;

/// How many alerts of a recipient wait or were given up on.
async fn kept(bench: &Bench, recipient: &str) -> Result<i64> {
    let mut waiting = 0;
    for set in ["due", "leases"] {
        waiting += bench.ask::<i64>(&format!("ZCARD cw:{{delivery}}:{set}:{recipient}")).await?;
    }
    let dead: i64 = bench.ask(&format!("XLEN cw:{{delivery}}:dead:{recipient}")).await?;
    Ok(waiting + dead)
}

#[tokio::test]
async fn ten_recipients_have_all_their_alerts_while_ten_hang_or_fail() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut good, mut bad, mut recipients) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..BAD {
        for (kind, deed) in [("hangs", Deed::hang()), ("fails", Deed::status(500))] {
            let receiver = HostileReceiver::start(deed)?;
            let name = format!("{kind}-{at}");
            recipients.push(webhook_at(&name, &receiver.url()));
            bad.push((name, receiver));
        }
    }
    for at in 0..GOOD {
        let receiver = WebhookReceiver::start(Some(SECRET)).await?;
        recipients.push(webhook(&format!("good-{at}"), &receiver));
        good.push(receiver);
    }
    bench.configure(DELIVERY, &recipients)?;
    let notifier = bench.run().await?;
    let drafts = load::drafts(1..=SIGNALS);
    let mut connection = bench.connection().await?;
    for some in drafts.chunks(50) {
        load::publish(&mut connection, some).await?;
    }
    let ids: BTreeSet<String> = drafts.iter().map(crate::bench::Draft::id).collect();
    for (at, receiver) in good.iter().enumerate() {
        receiver.wait_for(SIGNALS.into(), PATIENCE).await?;
        bench.until(&format!("EXISTS cw:{{delivery}}:due:good-{at} cw:{{delivery}}:leases:good-{at} cw:{{delivery}}:dead:good-{at}"), 0).await?;
    }
    // The queues are empty, so nothing more will come.
    for (at, receiver) in good.iter().enumerate() {
        let requests = receiver.requests();
        let arrived: BTreeSet<String> =
            requests.iter().filter_map(|request| Some(request.header("webhook-id")?.to_owned())).collect();
        ensure!(arrived == ids && requests.len() == ids.len(), "good-{at}: {} requests", requests.len());
        ensure!(receiver.verified() == u64::from(SIGNALS), "good-{at}: {} verified", receiver.verified());
    }
    // The others lost nothing.
    for (name, receiver) in &bad {
        ensure!(receiver.received() > 0, "{name} was not asked");
        let all = eventually(PATIENCE, async || match kept(&bench, name).await {
            Ok(kept) if kept == i64::from(SIGNALS) => Ok(()),
            Ok(kept) => Err(format!("{name}: {kept} alerts are kept")),
            Err(error) => Err(error.to_string()),
        });
        all.await?;
    }
    notifier.stop().await
}
