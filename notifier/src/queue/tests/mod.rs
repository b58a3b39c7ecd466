//! The queues' scripts, on a real Redis.

mod breaker;
mod dead_letters;
mod digest;
mod pace;

use anyhow::{Context, Result, ensure};
use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::metrics::RedisMetrics;
use candlewire_common::signal::Signal;
use candlewire_common::stream::EntryId;
use candlewire_testkit::{RedisOptions, RedisServer};

use super::*;
use crate::recipient::Surroundings;
use crate::sample;
use crate::schedule::Schedule;

const DAY: Duration = Duration::from_hours(24);
const TERMS: Terms = Terms {
    lease: Duration::from_millis(20),
    dead_retention: DAY,
    breaker: Breaker {
        failures: 3,
        failing: Duration::ZERO,
        pause: Duration::from_millis(200),
        pause_max: Duration::from_millis(500),
    },
};
const EIGHT: Wanted = Wanted { count: 8, digest_over: None, is_exclusive: false };

struct Bench {
    server: RedisServer,
    config: Config,
    link: Arc<Link>,
}

impl Bench {
    async fn start() -> Result<Self> {
        let server = RedisServer::start(RedisOptions::default()).await?;
        let config = Config::from_text(&format!("[redis]\nurl = \"{}\"", server.url()), None, &[])?;
        let link =
            Arc::new(Link::new(RedisTarget::new(&config.redis)?, config.redis.keys.delivery(""), RedisMetrics::new()));
        Ok(Self { server, config, link })
    }

    fn keys(&self) -> QueueKeys {
        QueueKeys::new(self.config.redis.keys.clone())
    }

    /// The queue of a console recipient, one of several configurations of which filter differently.
    fn queue(&self, name: &str, filter: &str) -> Result<Queue> {
        let text = format!("[[recipients]]\nname = \"{name}\"\nkind = \"console\"\n{filter}");
        let recipient = Config::from_text(&text, None, &[])?.recipients.pop().context("a recipient")?;
        let recipient = Recipient::open(recipient, &mut Surroundings::default())?;
        Ok(Queue::new(self.keys(), Arc::clone(&self.link), &recipient, "us".to_owned(), TERMS))
    }

    /// A queue whose leases outlast a busy machine.
    fn patient_queue(&self, name: &str) -> Result<Queue> {
        let queue = self.queue(name, "")?;
        Ok(Queue { terms: Terms { lease: Duration::from_secs(3), ..TERMS }, ..queue })
    }

    async fn enqueue(&self, recipients: &[&str]) -> Result<()> {
        self.enqueue_signal(&sample::signal(), EntryId { ms: 1, seq: 0 }, recipients).await
    }

    async fn enqueue_signal(&self, signal: &Signal, found: EntryId, recipients: &[&str]) -> Result<()> {
        let mut commands = redis::pipe();
        commands.add_command(Enqueue::load()).ignore();
        let enqueue = Enqueue::new(self.keys(), Schedule::exact([Duration::ZERO]), DAY);
        enqueue.add(&mut commands, signal, found, recipients);
        Ok(self.link.run_all(&commands).await?)
    }

    /// Queues alerts of this many signals for a recipient. Answers with their ids.
    async fn enqueue_many(&self, count: usize, recipient: &str) -> Result<Vec<String>> {
        let mut ids = Vec::with_capacity(count);
        for number in 0..count {
            let mut signal = sample::signal();
            signal.id = format!("sig_{number:032x}").parse()?;
            self.enqueue_signal(&signal, EntryId { ms: 1, seq: number as u64 }, &[recipient]).await?;
            ids.push(signal.id.to_string());
        }
        Ok(ids)
    }

    async fn situation(&self, name: &str, fingerprint: &str) -> Result<Situation> {
        let survey = Survey { keys: &self.keys(), link: &self.link };
        survey.look(&[(name, fingerprint)]).await?.pop().context("a situation")
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &str, key: String) -> Result<T> {
        Ok(redis::cmd(command).arg(key).query_async(&mut self.server.connection().await?).await?)
    }

    /// Takes the one job, once its lease, if it has one, is over.
    async fn take_one(&self, queue: &Queue) -> Result<Job> {
        let taken = candlewire_testkit::eventually(candlewire_testkit::wait::PATIENCE, async || {
            match queue.take(Wanted { count: 1, ..EIGHT }, &HashMap::new()).await {
                Ok(mut batch) => batch.jobs.pop().ok_or_else(|| "no job".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
        Ok(taken.await?)
    }
}

#[tokio::test]
async fn an_alert_is_queued_once_for_each_recipient_and_removed_with_the_last() -> Result<()> {
    let bench = Bench::start().await?;
    let names: Vec<String> = (0..450).map(|number| format!("r{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Cut off after the first chunk, then run again.
    bench.enqueue(&names[..200]).await?;
    bench.enqueue(&names).await?;
    bench.enqueue(&names).await?;
    let alert = bench.keys().alert(sample::signal().id.as_str());
    for (at, name) in names.iter().enumerate() {
        let queue = bench.queue(name, "")?;
        let job = bench.take_one(&queue).await?;
        ensure!(job.signal == Ok(sample::signal()) && !job.in_doubt, "{job:?}");
        ensure!(bench.ask::<bool>("EXISTS", alert.clone()).await?, "gone before {name}");
        ensure!(queue.settle(&job, &Settlement::Delivered, &Experience::Nothing).await?);
        ensure!(!queue.settle(&job, &Settlement::Delivered, &Experience::Nothing).await?, "settled twice");
        ensure!(bench.ask::<bool>("EXISTS", alert.clone()).await? == (at + 1 < names.len()), "{name}");
    }
    bench.enqueue(&names).await?;
    ensure!(!bench.ask::<bool>("EXISTS", alert).await?, "queued again after delivery");
    Ok(())
}

#[tokio::test]
async fn who_lost_the_lease_settles_nothing_but_a_delivery() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    bench.enqueue(&["desk"]).await?;
    let stale = bench.take_one(&queue).await?;
    let current = bench.take_one(&queue).await?;
    ensure!(current.token > stale.token && current.in_doubt);
    let dead = Settlement::Dead { answer: "404".to_owned(), attempts: 3, in_doubt: false, disables: true };
    let again = Settlement::Again { delay: Duration::ZERO, attempts: 1, in_doubt: false };
    for settlement in [&dead, &again, &Settlement::Expired] {
        ensure!(!queue.settle(&stale, settlement, &Experience::Nothing).await?, "{settlement:?}");
    }
    ensure!(bench.ask::<u64>("XLEN", bench.keys().dead("desk")).await? == 0);
    ensure!(queue.settle(&stale, &Settlement::Delivered, &Experience::Nothing).await?);
    ensure!(
        !queue.settle(&current, &again, &Experience::Nothing).await?
            && queue.take(EIGHT, &HashMap::new()).await?.jobs.is_empty()
    );
    Ok(())
}

#[tokio::test]
async fn a_job_comes_back_with_what_is_known_about_it() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    bench.enqueue(&["desk"]).await?;
    let first = bench.take_one(&queue).await?;
    ensure!(
        queue
            .settle(&first, &Settlement::Again { delay: DAY, attempts: 1, in_doubt: false }, &Experience::Nothing)
            .await?
    );
    let batch = queue.take(EIGHT, &HashMap::new()).await?;
    ensure!(batch.jobs.is_empty() && batch.next_due.is_some_and(|wait| wait > Duration::from_hours(23)), "{batch:?}");
    // A changed configuration is no reason to send sooner, unless the old one was disabled.
    let changed = bench.queue("desk", "directions = [\"buy\"]")?;
    ensure!(changed.open().await? == Opened::Enabled && changed.take(EIGHT, &HashMap::new()).await?.jobs.is_empty());
    Ok(())
}

/// Of two notifiers that take from one queue, each has a series to itself, until it has taken none for some time.
#[tokio::test]
async fn alerts_of_a_series_are_one_notifiers_at_a_time() -> Result<()> {
    let bench = Bench::start().await?;
    let ours = bench.patient_queue("desk")?;
    let theirs = Queue { holder: "them".to_owned(), ..ours.clone() };
    let mut ids = Vec::new();
    for number in 0..6_u64 {
        let mut signal = sample::signal();
        signal.id = format!("sig_{number}").parse()?;
        signal.series = if number < 4 { "csv:A:1m" } else { "csv:B:1m" }.parse()?;
        // Queued the other way round, and due as they were found all the same.
        bench.enqueue_signal(&signal, EntryId { ms: 1_000 - number, seq: 0 }, &["desk"]).await?;
        ids.insert(0, signal.id.to_string());
    }
    let taken = |batch: &Batch| batch.jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>();
    let two = Wanted { count: 2, ..EIGHT };
    let first = ours.take(two, &HashMap::new()).await?;
    ensure!(taken(&first) == ids[..2], "{first:?}");
    let second = theirs.take(two, &HashMap::new()).await?;
    ensure!(taken(&second) == ids[2..4], "{second:?}");
    let nothing = ours.take(Wanted { count: 1, ..EIGHT }, &HashMap::new()).await?;
    let within = |batch: &Batch| batch.next_due.is_some_and(|wait| !wait.is_zero() && wait <= TURN);
    ensure!(nothing.jobs.is_empty() && within(&nothing), "{nothing:?}");
    let third = theirs.take(two, &HashMap::new()).await?;
    ensure!(taken(&third) == ids[4..], "{third:?}");
    // They are gone; after some time the series is ours.
    let series = bench.keys().series("desk");
    ensure!(bench.ask::<i64>("PTTL", series.clone()).await? > 0);
    for job in third.jobs {
        ensure!(theirs.settle(&job, &Settlement::Back, &Experience::Nothing).await?);
    }
    ensure!(ours.take(EIGHT, &HashMap::new()).await?.jobs.is_empty());
    ensure!(bench.ask::<u64>("DEL", series).await? == 1);
    ensure!(taken(&ours.take(EIGHT, &HashMap::new()).await?) == ids[4..]);
    Ok(())
}

#[tokio::test]
async fn what_was_not_tried_has_its_place_back() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.patient_queue("desk")?;
    let ids = bench.enqueue_many(3, "desk").await?;
    let first = bench.take_one(&queue).await?;
    ensure!(queue.settle(&first, &Settlement::Back, &Experience::Nothing).await?);
    let again = bench.take_one(&queue).await?;
    ensure!(again.id == ids[0] && (again.attempts, again.in_doubt) == (0, false), "{again:?}");
    // An attempt that never ended leaves its doubt, though the next one is not made.
    let mut end = redis::cmd("ZADD");
    end.arg(bench.keys().leases("desk"))
        .arg(0)
        .arg(&again.id)
        .exec_async(&mut bench.server.connection().await?)
        .await?;
    let doubtful = bench.take_one(&queue).await?;
    ensure!(doubtful.id == again.id && doubtful.in_doubt, "{doubtful:?}");
    ensure!(queue.settle(&doubtful, &Settlement::Back, &Experience::Nothing).await?);
    let still = bench.take_one(&queue).await?;
    ensure!(still.id == again.id && still.in_doubt, "{still:?}");
    Ok(())
}

#[tokio::test]
async fn a_disabled_recipient_is_enabled_by_another_configuration() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    ensure!(queue.open().await? == Opened::Enabled);
    bench.enqueue(&["desk"]).await?;
    let job = bench.take_one(&queue).await?;
    let dead = Settlement::Dead { answer: "410 Gone".to_owned(), attempts: 1, in_doubt: false, disables: true };
    ensure!(queue.settle(&job, &dead, &Experience::Nothing).await?);
    ensure!(
        queue.take(EIGHT, &HashMap::new()).await?.is_disabled
            && queue.open().await? == Opened::Disabled("410 Gone".to_owned())
    );
    ensure!(!bench.queue("other", "")?.take(EIGHT, &HashMap::new()).await?.is_disabled);
    let changed = bench.queue("desk", "directions = [\"sell\"]")?;
    ensure!(!changed.take(EIGHT, &HashMap::new()).await?.is_disabled);
    ensure!(changed.open().await? == Opened::EnabledAgain && changed.open().await? == Opened::Enabled);
    Ok(())
}

#[tokio::test]
async fn a_dead_letter_that_redis_refuses_leaves_the_job_as_it_was() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    bench.enqueue(&["desk"]).await?;
    let job = bench.take_one(&queue).await?;
    let dead = Settlement::Dead { answer: "410 Gone".to_owned(), attempts: 1, in_doubt: false, disables: true };
    for key in [bench.keys().dead("desk"), bench.keys().disabled()] {
        let mut connection = bench.server.connection().await?;
        redis::cmd("SET").arg(&key).arg("damaged").exec_async(&mut connection).await?;
        for _ in 0..2 {
            let refused = queue.settle(&job, &dead, &Experience::Nothing).await;
            ensure!(refused.as_ref().is_err_and(|error| error.code() == Some("WRONGTYPE")), "{key}: {refused:?}");
            ensure!(bench.ask::<u64>("HLEN", bench.keys().jobs("desk")).await? == 1, "{key}");
            ensure!(bench.ask::<u64>("ZCARD", bench.keys().leases("desk")).await? == 1, "{key}");
        }
        ensure!(bench.ask::<u64>("DEL", key).await? == 1);
    }
    ensure!(queue.settle(&job, &dead, &Experience::Nothing).await?);
    ensure!(
        bench.ask::<u64>("XLEN", bench.keys().dead("desk")).await? == 1
            && queue.take(EIGHT, &HashMap::new()).await?.is_disabled
    );
    Ok(())
}

#[tokio::test]
async fn what_is_under_way_here_is_settled_however_late_unless_somebody_else_took_it() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    bench.enqueue(&["desk"]).await?;
    let first = bench.take_one(&queue).await?;
    let leases = bench.keys().leases("desk");
    let end_lease = async || {
        let mut end = redis::cmd("ZADD");
        end.arg(&leases).arg(0).arg(&first.id).exec_async(&mut bench.server.connection().await?).await?;
        anyhow::Ok(())
    };
    let under_way = |job: &Job| UnderWay::from([(job.id.clone(), Held { token: job.token, series: None })]);
    end_lease().await?;
    let batch = queue.take(EIGHT, &under_way(&first)).await?;
    ensure!(batch.jobs.is_empty() && bench.ask::<u64>("ZCARD", leases.clone()).await? == 1, "{batch:?}");
    // Another notifier looks first, finds the lease over, and has no place for the job.
    end_lease().await?;
    ensure!(queue.take(Wanted { count: 0, ..EIGHT }, &HashMap::new()).await?.jobs.is_empty());
    ensure!(bench.ask::<u64>("ZCARD", bench.keys().due("desk")).await? == 1);
    let batch = queue.take(EIGHT, &under_way(&first)).await?;
    ensure!(batch.jobs.is_empty() && bench.ask::<u64>("ZCARD", leases.clone()).await? == 1, "{batch:?}");
    let again = Settlement::Again { delay: Duration::ZERO, attempts: 1, in_doubt: false };
    ensure!(queue.settle(&first, &again, &Experience::Nothing).await?, "the settlement was refused");

    // Settled already, so that it is another attempt, though the first one's end was not noted yet.
    let second = queue.take(EIGHT, &under_way(&first)).await?.jobs.pop().context("not taken again")?;
    ensure!((second.attempts, second.in_doubt) == (1, false), "{second:?}");
    // Somebody else takes it, and dies.
    end_lease().await?;
    ensure!(queue.take(EIGHT, &HashMap::new()).await?.jobs.len() == 1);
    end_lease().await?;
    ensure!(!queue.settle(&second, &again, &Experience::Nothing).await?);
    ensure!(queue.take(EIGHT, &under_way(&second)).await?.jobs.len() == 1);
    Ok(())
}

#[tokio::test]
async fn every_settlement_is_taken_while_memory_is_short() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    bench.enqueue(&["desk"]).await?;
    let mut limit = redis::cmd("CONFIG");
    limit.arg("SET").arg("maxmemory").arg(1).exec_async(&mut bench.server.connection().await?).await?;
    let job = bench.take_one(&queue).await?;
    ensure!(
        queue
            .settle(
                &job,
                &Settlement::Again { delay: Duration::ZERO, attempts: 1, in_doubt: false },
                &Experience::Nothing
            )
            .await?
    );
    let job = bench.take_one(&queue).await?;
    ensure!(
        queue
            .settle(
                &job,
                &Settlement::Dead { answer: String::new(), attempts: 2, in_doubt: false, disables: true },
                &Experience::Nothing
            )
            .await?
    );
    ensure!(bench.ask::<u64>("XLEN", bench.keys().dead("desk")).await? == 1);
    Ok(())
}

#[tokio::test]
async fn an_unreadable_note_disables_nobody() -> Result<()> {
    let bench = Bench::start().await?;
    let queue = bench.queue("desk", "")?;
    for note in ["", "{", "5", "null", "[]", "{\"fingerprint\":5}"] {
        let mut set = redis::cmd("HSET");
        set.arg(bench.keys().disabled()).arg("desk").arg(note);
        set.exec_async(&mut bench.server.connection().await?).await?;
        ensure!(!queue.take(EIGHT, &HashMap::new()).await?.is_disabled, "{note}");
        ensure!(queue.open().await? == Opened::EnabledAgain && queue.open().await? == Opened::Enabled, "{note}");
    }
    Ok(())
}
