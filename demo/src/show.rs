//! The show: act by act, from the first candle to the last alert.
//!
//! Owns the order of things. An act is over when its candles are published and committed and every
//! signal's alert is in; then the next one starts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use candlewire_testkit::wait::{PATIENCE, eventually};
use tokio::time::{MissedTickBehavior, interval};

use crate::act::{ACTS, Act};
use crate::arguments::Arguments;
use crate::cache_ratio::CacheRatio;
use crate::candle_files::CandleFiles;
use crate::inbox::Inbox;
use crate::ledger::{Ledger, Progress};
use crate::replay::Replay;
use crate::screen::Screen;
use crate::stage::Stage;
use crate::summary::Summary;
use crate::wording::{counted, span};

/// Time between two looks at what has happened.
const TICK: Duration = Duration::from_millis(50);

/// How many alerts of an act are shown; the others are counted.
const SHOWN: usize = 3;

/// How many refused rows of an act are shown.
const REFUSALS_SHOWN: usize = 3;

/// The demo while it runs.
pub struct Show<'a> {
    screen: &'a Screen,
    started: Instant,
    files: CandleFiles,
    stage: Stage,
    ledger: Ledger,
    inbox: Inbox,
    progress: Progress,
}

impl<'a> Show<'a> {
    /// Starts everything.
    ///
    /// # Errors
    ///
    /// If a file is missing, or a part does not start.
    pub async fn open(arguments: &Arguments, screen: &'a Screen) -> Result<Self> {
        let started = Instant::now();
        let files = CandleFiles::find(&arguments.data)?;
        screen.status("starting Redis, the indicator-worker and the notifier".to_owned());
        let stage = Stage::set_up().await?;
        let ledger = Ledger::new(stage.redis.connection().await?);
        screen.clear_status();
        let show =
            Self { screen, started, files, stage, ledger, inbox: Inbox::default(), progress: Progress::default() };
        screen.text(&format!(
            "Candlewire: real candles → Redis → signals → signed webhooks\n\n{}\n  receiver  {} checks every signature\n",
            show.addresses(),
            show.stage.receiver.url(),
        ))?;
        Ok(show)
    }

    /// Plays all acts and takes stock.
    ///
    /// # Errors
    ///
    /// If a program fails, or what should come does not.
    pub async fn play(&mut self) -> Result<Summary> {
        for act in ACTS {
            self.play_act(act).await?;
        }
        self.screen.status("comparing signals with alerts".to_owned());
        let summary = self.take_stock().await;
        self.screen.clear_status();
        summary
    }

    /// Tells a person where to look while everything is kept running.
    ///
    /// # Errors
    ///
    /// If this program's own file is not known.
    pub fn directions(&self) -> Result<String> {
        let this = std::env::current_exe().context("find this program")?;
        let programs = this.parent().unwrap_or(&this).display();
        let config = self.stage.config().display();
        let file = self.files.directory().join("BTCUSDT-1s-2025-03-25.csv");
        Ok(format!(
            "\nEverything keeps running until ctrl-c, and alerts are shown. Look at the metrics, or try:\n\n  \
             redis-cli -p {} KEYS '*'\n  {programs}/indicator-worker show csv:EURUSD:1h --config {config}\n  \
             {programs}/ingestor replay {} --series csv:BTCUSDT:1s --speed 1x --config {config}\n",
            self.stage.redis.port(),
            file.display(),
        ))
    }

    /// Watches over the programs and shows all alerts, until something ends.
    ///
    /// # Errors
    ///
    /// If a program ends.
    pub async fn stay(&mut self) -> Result<()> {
        let mut ticks = interval(TICK);
        loop {
            ticks.tick().await;
            self.stage.check()?;
            self.show_arrivals(usize::MAX)?;
        }
    }

    /// Stops the programs in order.
    ///
    /// # Errors
    ///
    /// If one does not stop as it should.
    pub async fn close(mut self) -> Result<()> {
        self.stage.stop().await
    }

    fn addresses(&self) -> String {
        let Stage { worker, notifier, redis, .. } = &self.stage;
        format!(
            "  redis     127.0.0.1:{} private, with an append-only file\n  worker    {}\n  notifier  {}",
            redis.port(),
            worker.metrics_url(),
            notifier.metrics_url(),
        )
    }

    async fn play_act(&mut self, act: &Act) -> Result<()> {
        self.screen.text(act.title)?;
        let (began, before) = (Instant::now(), self.progress);
        let mut replay = Replay::start(act, &self.files, self.stage.config())?;
        let (mut changed, mut to_show) = (began, SHOWN);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.stage.check()?;
            let is_published = replay.is_done().await?;
            let progress = self.ledger.progress().await?;
            let arrived = self.show_arrivals(to_show)?;
            to_show = to_show.saturating_sub(arrived);
            if arrived > 0 || progress != self.progress {
                (self.progress, changed) = (progress, Instant::now());
            }
            if is_published && progress.behind == 0 && self.inbox.alerts().len() as u64 >= progress.signals {
                break;
            }
            if changed.elapsed() > PATIENCE {
                bail!("nothing has moved for {PATIENCE:?}: {}{}", self.standstill(), self.stage.last_words());
            }
            self.screen.status(self.counts_since(before));
        }
        self.screen.clear_status();
        for refusal in replay.refusals().iter().take(REFUSALS_SHOWN) {
            self.screen.text(&format!("  refused: {refusal}"))?;
        }
        self.screen.text(&format!("  {} in {}\n", self.counts_since(before), span(began.elapsed())))
    }

    /// Takes in what has arrived, shows at most `shown` of it and returns how much it was.
    fn show_arrivals(&mut self, shown: usize) -> Result<usize> {
        let fresh = self.inbox.collect(&self.stage.receiver)?;
        for alert in fresh.iter().take(shown) {
            self.screen.text(&format!("  {}", alert.line))?;
        }
        Ok(fresh.len())
    }

    fn counts_since(&self, before: Progress) -> String {
        let candles = counted(self.progress.candles.saturating_sub(before.candles), "candle");
        let alerts = (self.inbox.alerts().len() as u64).saturating_sub(before.signals);
        format!("{candles} → {}", counted(alerts, "alert"))
    }

    fn standstill(&self) -> String {
        let Progress { candles, behind, signals, .. } = self.progress;
        let alerts = self.inbox.alerts().len();
        format!("{candles} candles published, {behind} partitions not committed, {alerts} of {signals} alerts arrived")
    }

    async fn take_stock(&mut self) -> Result<Summary> {
        let signals = self.ledger.signals().await?;
        let notifier = &self.stage.notifier;
        // Once the notifier itself has settled as many, nothing more can be on its way.
        eventually(PATIENCE, async || {
            let page = notifier.metrics().await?;
            let delivered = page.value("candlewire_deliveries_total", &[("outcome", "delivered")]).unwrap_or(0.0);
            ensure!(delivered >= signals.len() as f64, "{delivered} of {} deliveries", signals.len());
            Ok(())
        })
        .await
        .context("the notifier does not count each alert as delivered")?;
        self.inbox.collect(&self.stage.receiver)?;
        let worker = self.stage.worker.metrics().await?;
        let applied = worker.value("candlewire_candles_processed_total", &[("outcome", "applied")]);
        let progress = self.ledger.progress().await?;
        Ok(Summary {
            rows: ACTS.iter().flat_map(|act| act.series).map(|series| self.files.rows(series)).sum(),
            published: progress.candles,
            applied: applied.unwrap_or(0.0),
            dead: progress.dead,
            signals,
            alerts: self.inbox.alerts().to_vec(),
            verified: self.stage.receiver.verified(),
            rejected: self.stage.receiver.rejected(),
            cache: CacheRatio::read(&worker),
            metrics: [self.stage.worker.metrics_url(), self.stage.notifier.metrics_url()],
            took: self.started.elapsed(),
        })
    }
}
