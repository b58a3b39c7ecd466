//! The ingestors of one act.
//!
//! Owns the child processes that publish the act's files. Dropped, they are killed.

use std::path::Path;
use std::process::ExitStatus;

use anyhow::{Result, bail};
use candlewire_common::exit;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Program, ProgramCommand};

use crate::act::{Act, BundledSeries};
use crate::candle_files::CandleFiles;

/// How many lines of a failed ingestor are quoted.
const QUOTED: usize = 8;

/// The running ingestors of one act.
pub struct Replay {
    running: Vec<(BundledSeries, Program)>,
    refusals: Vec<String>,
}

impl Replay {
    /// Starts an `ingestor replay` for each series of the act.
    ///
    /// # Errors
    ///
    /// If there is no ingestor beside this program.
    pub fn start(act: &Act, files: &CandleFiles, config: &Path) -> Result<Self> {
        let mut running = Vec::with_capacity(act.series.len());
        for series in act.series {
            let command = ProgramCommand::built("ingestor")?
                .arg("replay")
                .arg(files.path(series))
                .args(["--series", &series.name(), "--speed", act.pace.speed()])
                .arg("--config")
                .arg(config);
            running.push((*series, command.spawn()?));
        }
        Ok(Self { running, refusals: Vec::new() })
    }

    /// Looks whether all of them have ended.
    ///
    /// # Errors
    ///
    /// If one failed, with what it said last.
    pub async fn is_done(&mut self) -> Result<bool> {
        let mut still_running = Vec::with_capacity(self.running.len());
        for (series, mut program) in self.running.drain(..) {
            match program.ended()? {
                None => still_running.push((series, program)),
                Some(status) => self.refusals.extend(refusals(&series, &program, status).await?),
            }
        }
        self.running = still_running;
        Ok(self.running.is_empty())
    }

    /// Returns what was said of the rows that were refused.
    pub fn refusals(&self) -> &[String] {
        &self.refusals
    }
}

/// Returns what an ingestor that has ended said of rows that it refused.
async fn refusals(series: &BundledSeries, program: &Program, status: ExitStatus) -> Result<Vec<String>> {
    if status.success() {
        return Ok(Vec::new());
    }
    // No line is waited for but the end of its output, some of which may still be in the pipe.
    program.wait_for_line(|_| false, PATIENCE).await.ok();
    let lines = program.lines();
    if status.code() == Some(exit::DATA.into()) {
        let row = format!("{}:", series.file);
        return Ok(lines.into_iter().filter(|line| line.contains(&row)).collect());
    }
    let last = lines[lines.len().saturating_sub(QUOTED)..].join("\n  ingestor: ");
    bail!("ingestor replay of {} ended with {status}\n  ingestor: {last}", series.name())
}
