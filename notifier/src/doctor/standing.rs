//! How the recipients stand: whether alerts get through, what waits, and what was given up on.

use std::time::Duration;

use candlewire_common::connection::describe;
use candlewire_common::doctor::{Finding, Report};
use candlewire_common::phrase::{counted, some_of, span};
use candlewire_common::time::UnixMillis;
use redis::RedisError;

use crate::link::Link;
use crate::queue::{Gate, QueueKeys, Situation, Survey};
use crate::recipient::Recipient;

/// How long an alert may wait without a word.
const PATIENCE: Duration = Duration::from_mins(10);

/// Looks at the queues of the recipients, and at those of former ones.
pub(super) async fn look(recipients: &[Recipient], keys: &QueueKeys, link: &Link, report: &mut Report) {
    match examine(recipients, &Survey { keys, link }).await {
        Ok(findings) => findings.iter().for_each(|finding| report.add(finding)),
        Err(error) => report.add(&Finding::fault("queues", format!("can't be looked at: {}", describe(&error)))),
    }
}

async fn examine(recipients: &[Recipient], survey: &Survey<'_>) -> Result<Vec<Finding>, RedisError> {
    let names: Vec<(&str, &str)> =
        recipients.iter().map(|recipient| (recipient.name(), recipient.fingerprint.as_str())).collect();
    let (mut findings, now) = (Vec::new(), UnixMillis::now());
    for (recipient, situation) in recipients.iter().zip(survey.look(&names).await?) {
        let oldest = survey.oldest(recipient.name()).await?;
        findings.push(judge(recipient.name(), &situation, oldest, recipient.held_until(now), now));
    }
    let mut former: Vec<String> = survey.names().await?.into_iter().collect();
    former.retain(|name| !recipients.iter().any(|recipient| recipient.name() == name));
    if !former.is_empty() {
        let detail = format!(
            "alerts of {} wait or are dead, and nobody sends them: configure the name again, or delete its keys",
            some_of(&former)
        );
        findings.push(Finding::warning("former recipients", detail));
    }
    Ok(findings)
}

fn judge(
    name: &str,
    situation: &Situation,
    oldest: Option<UnixMillis>,
    held_until: Option<UnixMillis>,
    now: UnixMillis,
) -> Finding {
    let Situation { depth, dead, gate, last_error, last_success, .. } = situation;
    let subject = format!("queue of {name}");
    let waited = oldest.map(|oldest| now.since(oldest)).unwrap_or_default();
    let waiting = match depth {
        0 => "nothing waits".to_owned(),
        _ => format!("{} since up to {}", counted(*depth, "alert"), span(waited)),
    };
    let error = last_error.as_ref().map_or_else(String::new, |(_, error)| format!(", the last answer was: {error}"));
    match gate {
        Gate::Disabled { reason, is_former: false } => {
            let detail = format!("disabled: {reason}; {waiting}. Put that right, then: notifier enable {name}");
            return Finding::fault(subject, detail);
        }
        Gate::Disabled { reason, is_former: true } => {
            let detail =
                format!("was disabled under another configuration ({reason}), and is tried again at the next start");
            return Finding::warning(subject, detail);
        }
        Gate::Open(until) => {
            let detail = format!("its breaker is open until {}, {waiting}{error}", until.rfc3339());
            return Finding::warning(subject, detail);
        }
        Gate::HalfOpen => return Finding::warning(subject, format!("is tried after an outage, {waiting}{error}")),
        Gate::Closed { .. } => {}
    }
    if *dead > 0 {
        let detail = format!(
            "{} were given up on, {waiting}: notifier dead list {name} says why, notifier dead redrive {name} sends them again",
            counted(*dead, "alert")
        );
        return Finding::warning(subject, detail);
    }
    if *depth > 0 && waited > PATIENCE && held_until.is_none() {
        return Finding::warning(subject, format!("{waiting}{error}: does `notifier run` run?"));
    }
    let success =
        last_success.map_or("none was accepted yet".to_owned(), |at| format!("the last was accepted {}", at.rfc3339()));
    let quiet = held_until.map_or_else(String::new, |until| format!(", quiet until {}", until.rfc3339()));
    Finding::ok(subject, format!("{waiting}, {success}{quiet}"))
}

#[cfg(test)]
mod tests {
    use candlewire_common::doctor::Verdict;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn situation(depth: u64, dead: u64, gate: Gate) -> Situation {
        let last_error = Some((NOW, "503 Service Unavailable".to_owned()));
        Situation { depth, next_due: None, dead, last_success: None, last_error, gate }
    }

    fn found(situation: &Situation, waited_s: i64, held: bool) -> Finding {
        let oldest = (situation.depth > 0).then_some(UnixMillis(NOW.0 - waited_s * 1_000));
        judge("desk", situation, oldest, held.then_some(UnixMillis(NOW.0 + 60_000)), NOW)
    }

    #[test]
    fn what_keeps_alerts_back_is_told_with_a_way_out() {
        let closed = || Gate::Closed { failures: 0 };
        let disabled = |is_former| Gate::Disabled { reason: "410 Gone".to_owned(), is_former };
        for (situation, waited, held, verdict, part) in [
            (situation(0, 0, closed()), 0, false, Verdict::Ok, "nothing waits, none was accepted yet"),
            (situation(2, 0, closed()), 599, false, Verdict::Ok, "2 alerts since up to 9m 59s"),
            (
                situation(2, 0, closed()),
                601,
                false,
                Verdict::Warning,
                "503 Service Unavailable: does `notifier run` run?",
            ),
            (situation(2, 0, closed()), 9_000, true, Verdict::Ok, "quiet until "),
            (situation(0, 3, closed()), 0, false, Verdict::Warning, "notifier dead redrive desk sends them again"),
            (situation(1, 0, Gate::Open(NOW)), 5, false, Verdict::Warning, "its breaker is open until "),
            (situation(1, 0, Gate::HalfOpen), 5, false, Verdict::Warning, "is tried after an outage"),
            (situation(0, 1, disabled(false)), 0, false, Verdict::Fault, "notifier enable desk"),
            (situation(0, 1, disabled(true)), 0, false, Verdict::Warning, "under another configuration (410 Gone)"),
        ] {
            let found = found(&situation, waited, held);
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.detail.contains(part), "{part}: {found:?}");
        }
    }
}
