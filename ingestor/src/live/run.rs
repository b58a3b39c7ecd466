//! `ingestor run`: a task for each source, each connection and each partition, under one supervisor.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::aggregate::Aggregator;
use candlewire_common::census::Census;
use candlewire_common::config::{Config, SourceConfig};
use candlewire_common::connection::RedisTarget;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::health::Health;
use candlewire_common::metrics::{Page, RedisMetrics};
use candlewire_common::screen::Screen;
use candlewire_common::series::{Partition, Series};
use candlewire_common::server::Server;
use candlewire_common::timeframe::Timeframe;
use candlewire_common::{minute, shutdown, watchdog};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::clock::Clock;
use crate::feed::keeper::{Doorway, Keeper};
use crate::feed::line::Exchange;
use crate::grid::Grid;
use crate::live::connection::Connection;
use crate::live::derived::Derived;
use crate::live::gauges::Gauges;
use crate::live::metrics::{LastClose, SentMetrics};
use crate::live::minute::Totals;
use crate::live::outbox::{Outbox, ROOM, Sender};
use crate::live::outlet::Outlet;
use crate::live::progress::WarmupProgress;
use crate::live::sequence::{Rules, Sequence};
use crate::live::source::{Parts, Source};
use crate::live::track::Track;
use crate::live::walks::Walks;
use crate::live::warmup;
use crate::partition_stream::PartitionStream;
use crate::rest::budget::Budget;
use crate::rest::client::{RestClient, feed_url, http_client, rest_url};
use crate::venue::profile::{Closing, Week};
use crate::venue::{self, Live, Subscription, Venue};

/// How long after the grace period a candle still counts as live.
const LIVE_FOR: Duration = Duration::from_secs(5);
/// How much later than others a candle is overdue that is built from them.
const BUILT_LATER: Duration = Duration::from_secs(1);
/// How many messages of a venue's feeds may wait.
const NEWS_MAX: usize = 4_096;

/// Runs the live ingestor until a signal stops it.
///
/// # Errors
///
/// [`Fault::Usage`] when the sources ask for what a venue does not have, or the address is taken; otherwise the fault
/// of the task that took the process down.
pub async fn run(config: &Config, http: Option<SocketAddr>, page: Page, screen: Screen) -> Result<Outcome> {
    let target = RedisTarget::new(&config.redis)?;
    let plans = plan(config)?;
    let server = Server::bind(http.unwrap_or(config.http.ingestor)).await?;
    let health = Health::default();
    let mut tasks: JoinSet<Result<()>> = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let redis = RedisMetrics::new();
    let census = Census::new(target.clone(), &config.redis, redis.clone());
    let watch = watchdog::run(target.clone(), census, health.clone(), redis, stop.clone());
    tasks.spawn(async move {
        watch.await;
        Ok(())
    });
    tracing::info!(
        "ingestor starts: {} series of {}, redis at {}",
        plans.iter().map(|plan| plan.series.len()).sum::<usize>(),
        plans.iter().map(|plan| plan.venue.profile().name).collect::<Vec<_>>().join(", "),
        target.address()
    );
    spawn(config, &target, plans, Clock::system(), &screen, &stop, &mut tasks)?;
    // Now that every metric is there.
    let token = stop.clone();
    tasks.spawn(async move { server.serve(page, health, token).await.context("serve metrics") });
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    tracing::info!("ingestor stopped");
    Ok(Outcome::Done)
}

/// What one source is to follow.
#[derive(Debug)]
pub struct Plan<'a> {
    config: &'a Config,
    source: &'a SourceConfig,
    venue: Arc<dyn Venue>,
    series: Vec<Planned>,
}

/// One series of a source.
#[derive(Debug)]
struct Planned {
    series: Series,
    subscription: Subscription,
    /// Whether it is built from the source's shortest candles.
    is_built: bool,
}

impl<'a> Plan<'a> {
    /// The source it was made of.
    pub fn source(&self) -> &'a SourceConfig {
        self.source
    }

    /// The venue.
    pub fn venue(&self) -> &Arc<dyn Venue> {
        &self.venue
    }

    /// Everything that is followed.
    pub fn series(&self) -> impl Iterator<Item = Subscription> {
        self.series.iter().map(|planned| planned.subscription.clone())
    }

    /// What the feed carries.
    pub fn fed(&self) -> impl Iterator<Item = Subscription> {
        self.series.iter().filter(|planned| !planned.is_built).map(|planned| planned.subscription.clone())
    }

    /// Each symbol with its shortest timeframe.
    pub fn shortest(&self) -> impl Iterator<Item = Subscription> {
        let shortest = self.source.timeframes.iter().min().copied();
        self.fed().filter(move |subscription| Some(subscription.timeframe) == shortest)
    }

    /// How many candles of history a series wants.
    pub fn warmup(&self, subscription: &Subscription) -> u32 {
        let series = Series::new(&self.source.venue, &subscription.symbol, subscription.timeframe);
        self.source.warmup.unwrap_or_else(|| warmup::wanted(self.config, &series))
    }
}

/// Checks the sources against what their venues have.
///
/// # Errors
///
/// [`Fault::Usage`], one line that names the key.
pub fn plan(config: &Config) -> Result<Vec<Plan<'_>>, Fault> {
    if config.sources.is_empty() {
        return Err(Fault::Usage("sources: none is configured, so there is nothing to connect".to_owned()));
    }
    let mut seen = HashSet::new();
    let mut plans = Vec::new();
    for (number, source) in config.sources.iter().enumerate() {
        let venue = venue::open(source)?;
        let mut series = Vec::new();
        for symbol in &source.symbols {
            let own = source.timeframes.iter().map(|timeframe| (*timeframe, false));
            let built = source.derive.iter().map(|timeframe| (*timeframe, true));
            for (timeframe, is_built) in own.chain(built) {
                let name = Series::new(&source.venue, symbol, timeframe);
                if !seen.insert(name.clone()) {
                    return Err(Fault::Usage(format!("sources[{number}]: {name} is named twice")));
                }
                let subscription = Subscription { symbol: symbol.clone(), timeframe };
                series.push(Planned { series: name, subscription, is_built });
            }
        }
        check_timeframes(number, source, venue.as_ref())?;
        plans.push(Plan { config, source, venue, series });
    }
    Ok(plans)
}

fn check_timeframes(number: usize, source: &SourceConfig, venue: &dyn Venue) -> Result<(), Fault> {
    let name = venue.profile().name;
    if let Some(missing) = source.timeframes.iter().find(|timeframe| venue.timeframe_name(**timeframe).is_none()) {
        return Err(Fault::Usage(format!(
            "sources[{number}].timeframes: {name} has no candles of {missing}; derive them from shorter ones"
        )));
    }
    if source.derive.contains(&Timeframe::W1) && venue.profile().week != Week::Monday {
        return Err(Fault::Usage(format!(
            "sources[{number}].derive: the weeks of {name} don't begin on Monday; put 1w under timeframes"
        )));
    }
    let Some(base) = source.timeframes.iter().min() else { return Ok(()) };
    for target in &source.derive {
        Aggregator::new(*base, *target).map_err(|error| Fault::Usage(format!("sources[{number}].derive: {error}")))?;
    }
    Ok(())
}

/// Starts the tasks of all sources and of the partitions they write to.
///
/// # Errors
///
/// [`Fault::Usage`] where a venue can't be spoken to at all.
pub fn spawn(
    config: &Config,
    target: &RedisTarget,
    plans: Vec<Plan<'_>>,
    clock: Clock,
    screen: &Screen,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Result<()>>,
) -> Result<(), Fault> {
    let progress = WarmupProgress::new(screen, plans.iter().map(|plan| plan.series.len()).sum());
    let attentions: Vec<Arc<Notify>> = plans.iter().map(|_| Arc::default()).collect();
    let outboxes = Outboxes::new(config, &plans, &attentions);
    let totals = Totals::default();
    outboxes.spawn(config, target, clock, &totals, stop, tasks);
    let profiles = plans.iter().map(|plan| plan.venue.profile());
    let venues = profiles.map(|profile| (profile.name, profile.hours)).collect();
    tasks.spawn(Gauges::new(outboxes.0.values().cloned().collect(), &venues, clock).run(stop.clone()));
    let mut budgets: HashMap<Url, Arc<Budget>> = HashMap::new();
    let mut doorways: HashMap<Url, Arc<Doorway>> = HashMap::new();
    for (plan, attention) in plans.into_iter().zip(attentions) {
        let (rest, feed) = (rest_url(plan.source, plan.venue.as_ref())?, feed_url(plan.source, plan.venue.as_ref())?);
        let allowance = plan.venue.profile().budget;
        let budget = budgets.entry(rest.clone()).or_insert_with(|| Arc::new(Budget::new(allowance, clock)));
        let client = RestClient::new(Arc::clone(&plan.venue), rest, Arc::clone(budget), clock)?;
        let http = http_client(plan.venue.as_ref(), &feed)?;
        let doorway = Arc::clone(doorways.entry(feed.clone()).or_insert_with(|| Arc::new(Doorway::new(clock))));
        let exchange = Exchange { venue: Arc::clone(&plan.venue), base: feed, http, clock };
        let mut tracks = tracks(config, &plan, &outboxes, &totals)?;
        let (news, heard) = mpsc::channel(NEWS_MAX);
        let mut connections = Vec::new();
        for (number, series) in shares(&plan).into_iter().enumerate() {
            let renew = Arc::<Notify>::default();
            for index in &series {
                tracks[*index].connection = Some(number);
            }
            let subscriptions = series.iter().map(|index| tracks[*index].subscription.clone()).collect();
            connections.push(Connection::new(Arc::clone(&renew), series));
            let (exchange, doorway, news) = (exchange.clone(), Arc::clone(&doorway), news.clone());
            let keeper = Keeper { exchange, subscriptions, doorway, news, number, renew };
            tasks.spawn(keeper.run(stop.clone()));
        }
        let parts = Parts { tracks, connections, news: heard, attention, progress: progress.clone() };
        tasks.spawn(Source::new(Walks::new(client, clock), clock, parts).run(stop.clone()));
    }
    let token = stop.clone();
    tasks.spawn(async move {
        minute::each(token, || totals.take().say()).await;
        Ok(())
    });
    Ok(())
}

/// The series of each connection: as many as one may carry, those of a symbol together unless the venue wants them
/// apart.
fn shares(plan: &Plan<'_>) -> Vec<Vec<usize>> {
    let most = plan.venue.profile().subscriptions_max;
    let subscription = |index: usize| &plan.series[index].subscription;
    let mut fed: Vec<usize> = (0..plan.series.len()).filter(|index| !plan.series[*index].is_built).collect();
    if plan.venue.has_connection_per_timeframe() {
        fed.sort_by_key(|index| subscription(*index).timeframe);
        let of_timeframe = fed.chunk_by(|one, other| subscription(*one).timeframe == subscription(*other).timeframe);
        return of_timeframe.flat_map(|series| series.chunks(most).map(<[usize]>::to_vec)).collect();
    }
    let mut shares: Vec<Vec<usize>> = Vec::new();
    for symbol in fed.chunk_by(|one, other| subscription(*one).symbol == subscription(*other).symbol) {
        match shares.last_mut() {
            Some(share) if share.len() + symbol.len() <= most => share.extend_from_slice(symbol),
            _ => shares.push(symbol.to_vec()),
        }
    }
    shares
}

/// The series of one source, in the order of the plan.
fn tracks(config: &Config, plan: &Plan<'_>, outboxes: &Outboxes, totals: &Totals) -> Result<Vec<Track>, Fault> {
    let (profile, source) = (plan.venue.profile(), plan.source);
    let mut tracks = Vec::new();
    for Planned { series, subscription, is_built } in &plan.series {
        let timeframe = subscription.timeframe;
        let rules = Rules {
            grid: Grid::new(timeframe, profile.week),
            closing: if *is_built { Closing::Marked } else { plan.venue.closing(timeframe) },
            live: if *is_built { Live::Bars } else { plan.venue.live(timeframe) },
            omits_empty: profile.omits_empty,
            calendar: profile.hours,
            grace: source.grace + if *is_built { BUILT_LATER } else { Duration::ZERO },
            warmup: plan.warmup(subscription),
        };
        let (outbox, sender) = outboxes.place(series, config);
        let totals = totals.of(series.venue());
        tracks.push(Track::new(series.clone(), subscription.clone(), Sequence::new(rules), outbox, sender, totals));
    }
    let base = source.timeframes.iter().min().copied();
    for index in 0..plan.series.len() {
        let Planned { subscription, is_built, .. } = &plan.series[index];
        let own = plan.series.iter().position(|other| {
            other.subscription.symbol == subscription.symbol && Some(other.subscription.timeframe) == base
        });
        if let (true, Some(own), Some(base)) = (*is_built, own, base) {
            let derived = Derived::new(index, base, subscription.timeframe);
            tracks[own].derived.push(derived.map_err(|error| Fault::Usage(error.to_string()))?);
        }
    }
    Ok(tracks)
}

/// The outboxes of all partitions that are written to.
struct Outboxes(BTreeMap<Partition, Arc<Outbox>>);

impl Outboxes {
    fn new(config: &Config, plans: &[Plan<'_>], attentions: &[Arc<Notify>]) -> Self {
        let mut senders: BTreeMap<Partition, Vec<Arc<Sender>>> = BTreeMap::new();
        for (plan, attention) in plans.iter().zip(attentions) {
            for Planned { series, .. } in &plan.series {
                let (series, live_for) = (series.clone(), plan.source.grace + LIVE_FOR);
                let partition = series.partition(config.redis.partitions);
                let sender = Sender { series, live_for, attention: Arc::clone(attention) };
                senders.entry(partition).or_default().push(Arc::new(sender));
            }
        }
        Self(
            senders.into_iter().map(|(partition, senders)| (partition, Arc::new(Outbox::new(senders, ROOM)))).collect(),
        )
    }

    /// Where a series' candles go.
    fn place(&self, series: &Series, config: &Config) -> (Arc<Outbox>, usize) {
        let outbox = &self.0[&series.partition(config.redis.partitions)];
        let sender = outbox.senders().iter().position(|sender| sender.series == *series);
        (Arc::clone(outbox), sender.unwrap_or_default())
    }

    fn spawn(
        &self,
        config: &Config,
        target: &RedisTarget,
        clock: Clock,
        totals: &Totals,
        stop: &CancellationToken,
        tasks: &mut JoinSet<Result<()>>,
    ) {
        let mut closes: HashMap<(String, &str), Arc<LastClose>> = HashMap::new();
        for (partition, outbox) in &self.0 {
            let metrics = |sender: &Arc<Sender>| {
                let series = &sender.series;
                let key = (series.venue().to_owned(), series.timeframe().as_str());
                let close = closes.entry(key).or_insert_with(|| Arc::new(LastClose::new(series)));
                SentMetrics::new(sender, Arc::clone(close), totals.of(series.venue()))
            };
            let sent = outbox.senders().iter().map(metrics).collect();
            let stream = PartitionStream::new(target.clone(), config, *partition);
            tasks.spawn(Outlet::new(stream, Arc::clone(outbox), sent, clock).run(stop.clone()));
        }
    }
}
