//! One source: its REST, its clock, its symbols, its feed, and what its budget means for the start.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use candlewire_common::doctor::{Finding, Report, Verdict};
use candlewire_common::time::UnixMillis;
use tokio::time::{Instant, timeout};

use crate::clock::Clock;
use crate::feed::line::{Exchange, Line};
use crate::grid::Grid;
use crate::live::run::Plan;
use crate::rest::client::{Answer, RestClient, feed_url, http_client};
use crate::venue::answer::{Failure, Row};
use crate::venue::event::Event;
use crate::venue::profile::{Profile, Transport};
use crate::venue::{Span, Subscription, Venue};

/// The difference between the clocks that is worth a warning, and that which makes candles late or early.
const SKEW_NOTICED: Duration = Duration::from_secs(2);
const SKEW_HARMFUL: Duration = Duration::from_secs(5);
/// How long the feed may take to tell anything.
const FEED_PATIENCE: Duration = Duration::from_secs(15);
/// How many candles of a symbol are asked for: the newest may be missing where nobody trades.
const CANDLES: u32 = 5;

/// Looks at one source.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where it can't be spoken to at all.
pub(super) async fn look(plan: &Plan<'_>, report: &mut Report) -> Result<()> {
    let (venue, clock) = (plan.venue(), Clock::system());
    let profile = venue.profile();
    let client = RestClient::of_source(plan.source(), venue, clock)?;
    let (mut is_first, mut known) = (true, Vec::new());
    for subscription in plan.shortest() {
        let started = Instant::now();
        let answered = ask(&client, venue, &subscription, clock.now()).await;
        if is_first {
            let reached = answered.as_ref().map(|(answer, _)| answer);
            let subject = format!("{} REST at {}", profile.name, client.address());
            report.add(&reachability(subject, venue.as_ref(), reached, started.elapsed()));
            if let Ok((Answer { date: Some(date), .. }, _)) = &answered {
                report.add(&skew(profile.name, *date, clock.now()));
            }
        }
        let is_unknown = matches!(answered, Err(Failure::UnknownSymbol(_)));
        let is_away = matches!(answered, Err(Failure::Unavailable(_) | Failure::Limited { .. }));
        let is_over = is_away || is_first && answered.is_err() && !is_unknown;
        if !(is_over && is_first) {
            report.add(&symbol(profile, &subscription, answered.map(|(_, rows)| rows), clock.now()));
        }
        if !is_unknown {
            known.push(subscription);
        }
        if is_over {
            // What does not answer for one does not for the others; a venue that wants silence gets it.
            break;
        }
        is_first = false;
    }
    // The feed is not asked for what is said to be wrong already.
    if !known.is_empty() {
        report.add(&feed(plan, &known).await?);
    }
    report.add(&budget(plan));
    Ok(())
}

/// Asks for the newest candles of a symbol.
async fn ask(
    client: &RestClient,
    venue: &Arc<dyn Venue>,
    subscription: &Subscription,
    now: UnixMillis,
) -> Result<(Answer, Vec<Row>), Failure> {
    let grid = Grid::new(subscription.timeframe, venue.profile().week);
    let last = grid.newest_over(now);
    let first = UnixMillis(last.0 - subscription.timeframe.millis() * i64::from(CANDLES - 1));
    let answer = client.get(&venue.page_request(subscription, Span { first, last })).await?;
    let rows = venue.read_page(subscription, &answer.body)?;
    Ok((answer, rows))
}

fn reachability(subject: String, venue: &dyn Venue, answered: Result<&Answer, &Failure>, took: Duration) -> Finding {
    let answers = || format!("answers in {} ms", took.as_millis());
    match answered {
        Ok(_) | Err(Failure::UnknownSymbol(_)) => Finding::new(Verdict::Ok, subject, answers()),
        Err(Failure::Limited { reason, wait }) => {
            let wait = wait.map_or_else(String::new, |wait| format!(", for {} s", wait.as_secs()));
            let advice = "something else behind this address asks too much";
            Finding::new(Verdict::Fault, subject, format!("wants fewer requests ({reason}){wait}: {advice}"))
        }
        Err(Failure::Refused(reason)) => {
            let advice = match venue.authorization() {
                Some(_) => "are token and account right?",
                None => "is rest_url right?",
            };
            Finding::new(Verdict::Fault, subject, format!("refuses: {}: {advice}", reason.trim_end_matches('.')))
        }
        Err(failure) => {
            let advice = "is rest_url right, is there a way out to the internet?";
            Finding::new(Verdict::Fault, subject, format!("{failure}: {advice}"))
        }
    }
}

/// The venue tells its time by the whole second.
fn skew(venue: &str, date: UnixMillis, now: UnixMillis) -> Finding {
    let subject = format!("{venue} clock");
    let (ahead, behind) = (now.since(date.after(Duration::from_secs(1))), date.since(now));
    let (skew, side) = if ahead > behind { (ahead, "ahead of") } else { (behind, "behind") };
    let detail = format!("this machine's clock is {:.1} s {side} the venue's", skew.as_secs_f64());
    if skew >= SKEW_HARMFUL {
        Finding::new(
            Verdict::Fault,
            subject,
            format!("{detail}: candles come late, or are asked for too early; run an NTP client"),
        )
    } else if skew >= SKEW_NOTICED {
        Finding::new(Verdict::Warning, subject, format!("{detail}: run an NTP client"))
    } else {
        Finding::new(Verdict::Ok, subject, "within a second of this machine's")
    }
}

fn symbol(profile: &Profile, subscription: &Subscription, rows: Result<Vec<Row>, Failure>, now: UnixMillis) -> Finding {
    let Subscription { symbol, timeframe } = subscription;
    let subject = format!("{} {symbol}", profile.name);
    match rows {
        Ok(rows) => match rows.last() {
            Some(row) => {
                let detail = format!("newest candle of {timeframe}: {}", row.open_time.rfc3339());
                Finding::new(Verdict::Ok, subject, detail)
            }
            None if !profile.hours.is_open(now) => {
                let opens = profile.hours.opens_after(now).rfc3339();
                let detail = format!("no candles of {timeframe} lately: the market is shut until {opens}");
                Finding::new(Verdict::Ok, subject, detail)
            }
            None => Finding::new(
                Verdict::Warning,
                subject,
                format!("no candles of {timeframe} lately: is the market open, does anybody trade it?"),
            ),
        },
        Err(Failure::UnknownSymbol(reason)) => {
            let advice = "spell it as the venue's streaming API does";
            Finding::new(Verdict::Fault, subject, format!("the venue does not know it: {reason}; {advice}"))
        }
        Err(failure) => Finding::new(Verdict::Fault, subject, failure.to_string()),
    }
}

/// Connects to the feed, and waits until it takes the subscriptions, of one timeframe, or tells anything.
async fn feed(plan: &Plan<'_>, subscriptions: &[Subscription]) -> Result<Finding> {
    let venue = plan.venue();
    let profile = venue.profile();
    let base = feed_url(plan.source(), venue.as_ref())?;
    let http = http_client(venue.as_ref(), &base)?;
    let advice = match profile.transport {
        Transport::WebSocket => "is ws_url right, is there a way out to the internet?",
        Transport::Lines => "are stream_url, token and account right?",
    };
    let subject = format!("{} feed at {}", profile.name, base.origin().ascii_serialization());
    let exchange = Exchange { venue: Arc::clone(venue), base, http, clock: Clock::system() };
    let subscriptions = &subscriptions[..subscriptions.len().min(profile.subscriptions_max)];
    let started = Instant::now();
    let heard = timeout(FEED_PATIENCE, async {
        let mut line = Line::open(&exchange, subscriptions).await.map_err(|reason| format!("{reason}: {advice}"))?;
        let mut events = Vec::new();
        loop {
            line.next(&mut events).await?;
            for event in events.drain(..) {
                match event {
                    Event::Refused { symbol, reason } => {
                        let symbol = symbol.map_or_else(String::new, |symbol| format!("{symbol}: "));
                        return Err(format!("a subscription is refused: {symbol}{reason}"));
                    }
                    Event::Bar { .. } | Event::Price { .. } | Event::Accepted => return Ok(()),
                    _ => {}
                }
            }
        }
    });
    Ok(match heard.await {
        Ok(Ok(())) => {
            Finding::new(Verdict::Ok, subject, format!("subscribed after {} ms", started.elapsed().as_millis()))
        }
        Ok(Err(reason)) => Finding::new(Verdict::Fault, subject, reason),
        Err(_) => Finding::new(
            Verdict::Warning,
            subject,
            format!("connected, but told nothing in {} s: is the market open?", FEED_PATIENCE.as_secs()),
        ),
    })
}

/// The history that a series wants.
fn history(plan: &Plan<'_>, subscription: &Subscription) -> Span {
    let last = Grid::new(subscription.timeframe, plan.venue().profile().week).newest_over(UnixMillis::now());
    let wanted = subscription.timeframe.millis() * i64::from(plan.warmup(subscription).saturating_sub(1));
    Span { first: UnixMillis((last.0 - wanted).max(0)), last }
}

/// How long the first start takes, by the budget alone.
fn budget(plan: &Plan<'_>) -> Finding {
    let profile = plan.venue().profile();
    let series: Vec<Subscription> = plan.series().collect();
    let cost = |subscription: &Subscription| {
        let span = Span { first: UnixMillis(0), last: UnixMillis(0) };
        let pages = plan.warmup(subscription).div_ceil(profile.rows_max);
        u64::from(pages) * u64::from(plan.venue().page_request(subscription, span).cost)
    };
    let cost: u64 = series.iter().map(cost).sum();
    let beyond_burst = cost.saturating_sub(u64::from(profile.budget.burst));
    let seconds = (beyond_burst * 60).div_ceil(u64::from(profile.budget.per_minute));
    let wait = if seconds == 0 { "no wait".to_owned() } else { format!("some {seconds} s") };
    let is_deep = series.iter().any(|subscription| {
        let reach = plan.venue().deep_pager(subscription, history(plan, subscription), UnixMillis::now());
        reach.is_some() && plan.warmup(subscription) > profile.rows_max
    });
    let wait = if is_deep { "long, as some of it must be built of trades".to_owned() } else { wait };
    let detail = format!(
        "{} a minute, {} at once; the history of {} series costs {cost}: {wait} at the first start",
        profile.budget.per_minute,
        profile.budget.burst,
        series.len()
    );
    Finding::new(Verdict::Ok, format!("{} budget", profile.name), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_by_the_whole_second() {
        let verdict = |now: i64| skew("binance", UnixMillis(100_000), UnixMillis(now)).verdict;
        assert_eq!([100_000, 100_999, 102_500, 98_100].map(verdict), [Verdict::Ok; 4]);
        assert_eq!([103_500, 97_000].map(verdict), [Verdict::Warning; 2]);
        assert_eq!([106_000, 95_000, 0].map(verdict), [Verdict::Fault; 3]);
    }
}
