//! The whole pipeline on candles of a second: silence while all is well, then faults of venue, worker and Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use candlewire_testkit::redis_server::AppendOnly;
use candlewire_testkit::venue::{Cut, Fault, Market, MockVenue, Script, VenueKind, VirtualClock};
use candlewire_testkit::{RedisOptions, RedisServer, WebhookReceiver};

use crate::candles::PARTITIONS;
use crate::rig::Rig;
use crate::service::Service;

const SYMBOLS: [&str; 3] = ["BTC-USD", "ETH-USD", "SOL-USD"];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long nothing may happen at first.
const SILENCE: Duration = Duration::from_secs(12);

/// Makes the faults.
pub(crate) async fn faults() -> Result<BTreeSet<String>> {
    let options = RedisOptions { append_only: AppendOnly::EverySec, ..RedisOptions::default() };
    let mut redis = RedisServer::start(options).await?;
    let market = Market::new(7, &SYMBOLS).with_empty_share(0);
    let venue = MockVenue::start(VenueKind::Binance, market, VirtualClock::real(), well()).await?;
    let receiver = WebhookReceiver::start(Some(SECRET)).await?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("candlewire.toml");
    std::fs::write(&path, config(&redis, &venue, &receiver))?;
    let ingestor = Service::start("ingestor", &path).await?;
    let lasting = Service::start("indicator-worker", &path).await?;
    let mut mortal = Service::start("indicator-worker", &path).await?;
    let notifier = Service::start("notifier", &path).await?;
    let rig = Rig::start(&[&ingestor, &lasting, &mortal, &notifier]).await?;

    rig.sees("sum by (channel) (increase(candlewire_end_to_end_seconds_count[5s])) > 0").await?;
    rig.is_silent_for(SILENCE).await?;

    tokio::try_join!(lost_messages(&rig, &venue), killed_worker(&rig, &mut mortal))?;
    killed_redis(&rig, &mut redis).await?;
    silenced_source(&rig, &venue).await?;
    rig.resolves("CandleGaps", &[]).await?;

    // What waited is late, and so are its alerts. The last two Alertmanager keeps back while Redis is away.
    rig.only_these_fired(&["EndToEndSlow", "WorkerStalled", "NotifierStalled"]).await
}

/// A venue that tells of every second, whether anything was traded in it or not.
fn well() -> Script {
    Script { binance_closes_empty: true, ..Script::none() }
}

fn config(redis: &RedisServer, venue: &MockVenue, receiver: &WebhookReceiver) -> String {
    let symbols = SYMBOLS.map(|symbol| VenueKind::Binance.feed_symbol(symbol));
    format!(
        "[redis]\nurl = \"{}\"\npartitions = {PARTITIONS}\n\
         [[strategies]]\nname = \"cross\"\nseries = [\"*\"]\nfast = \"sma(2)\"\nslow = \"sma(3)\"\n\
         [[sources]]\nvenue = \"binance\"\nsymbols = {symbols:?}\ntimeframes = [\"1s\"]\nwarmup = 20\n\
         rest_url = \"{}\"\nws_url = \"{}\"\n\
         [[recipients]]\nname = \"desk\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret = \"{SECRET}\"\nallow_private = true\n",
        redis.url(),
        venue.rest_url(),
        venue.ws_url(),
        receiver.url()
    )
}

/// The feed keeps losing half of its closing messages. That it did so is forgotten much later.
async fn lost_messages(rig: &Rig, venue: &MockVenue) -> Result<()> {
    let now = venue.clock().now_ms();
    venue.set_script(well().with(Fault::closing_lost(now, i64::MAX, 50)));
    rig.fires("CandleGaps", &[("venue", "binance")]).await?;
    venue.set_script(well());
    Ok(())
}

async fn killed_worker(rig: &Rig, worker: &mut Service) -> Result<()> {
    worker.program.kill()?;
    rig.fires("TargetDown", &[("job", "indicator-worker"), ("instance", &worker.instance())]).await?;
    worker.restart().await?;
    rig.resolves("TargetDown", &[]).await
}

/// Redis is gone while candles come.
async fn killed_redis(rig: &Rig, redis: &mut RedisServer) -> Result<()> {
    redis.kill()?;
    tokio::try_join!(
        rig.fires("RedisDown", &[("job", "ingestor")]),
        rig.fires("RedisDown", &[("job", "indicator-worker")]),
        rig.fires("RedisDown", &[("job", "notifier")]),
        rig.fires("IngestBuffered", &[("job", "ingestor")]),
    )?;
    redis.restart().await?;
    rig.resolves("RedisDown", &[]).await?;
    rig.resolves("IngestBuffered", &[]).await
}

/// The venue cuts its connections and takes no new ones.
async fn silenced_source(rig: &Rig, venue: &MockVenue) -> Result<()> {
    let now = venue.clock().now_ms();
    venue.set_script(well().with(Fault::refused(now, i64::MAX)).with(Fault::socket_cut(now + 500, Cut::Reset)));
    tokio::try_join!(
        rig.fires("SourceDown", &[("venue", "binance")]),
        rig.fires("SourceStale", &[("venue", "binance"), ("timeframe", "1s")]),
        rig.fires("SeriesStale", &[("venue", "binance")]),
    )?;
    venue.set_script(well());
    tokio::try_join!(
        rig.resolves("SourceDown", &[]),
        rig.resolves("SourceStale", &[]),
        rig.resolves("SeriesStale", &[])
    )?;
    Ok(())
}
