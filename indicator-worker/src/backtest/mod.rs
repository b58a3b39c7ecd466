//! `indicator-worker backtest`: what the strategies would have signalled on the candles of files, and what became of it.
//!
//! The very core that a worker runs computes here, without Redis. `engine` alone knows how that core is driven;
//! `ledger`, `exits` and `returns` are pure and know signals and prices only. Costs, sizes of positions and fills are
//! not simulated.

mod arguments;
mod engine;
mod exits;
mod ledger;
mod returns;
mod row_log;
mod selection;
mod session;
mod sheet;
mod signal_line;
mod summary;
mod table;
mod wording;

use std::time::Duration;

use anyhow::{Context, Result};
use candlewire_common::config::Config;
use candlewire_common::exit::{Fault, Outcome};
use candlewire_common::screen::Screen;
use candlewire_common::{candle_file, shutdown};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use arguments::BacktestArgs;
use engine::Engine;
use session::Session;
use sheet::Form;

/// How long computing may take to notice that it is to end: it may wait for a pipe.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Tests the configured strategies on files.
///
/// # Errors
///
/// [`Fault::Usage`] where no strategy can be tested or a file can't be read.
pub async fn backtest(mut config: Config, wanted: BacktestArgs, screen: Screen) -> Result<Outcome> {
    let BacktestArgs { files, series, strategy, json, csv } = wanted;
    selection::narrow(&mut config, &series, strategy.as_deref())?;
    candle_file::check_all(&files).map_err(Fault::from)?;
    let form = match (json, csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Tables,
    };
    let mut tasks = JoinSet::new();
    let stop = shutdown::on_signal(&mut tasks).context("listen to signals")?;
    let engine = Engine::new(&config, &series).map_err(|error| Fault::Usage(error.to_string()))?;
    let session = Session { files, series: series.clone(), form, screen: screen.clone() };
    let token = stop.clone();
    // Beside the runtime, so that ctrl-c is heard meanwhile.
    let mut work = tokio::task::spawn_blocking(move || session.run(engine, &token));
    let outcome = tokio::select! {
        biased;
        done = &mut work => done.context("compute")?,
        () = stop.cancelled() => {
            // Whatever becomes of it, it was interrupted.
            let _ = timeout(LAST_LOOK, work).await;
            Ok(Outcome::Interrupted)
        }
    };
    if let Ok(Outcome::Interrupted) = outcome {
        screen.line(&format!("backtest {series}: interrupted"));
    }
    stop.cancel();
    shutdown::supervise(tasks, stop, shutdown::GRACE).await?;
    outcome
}
