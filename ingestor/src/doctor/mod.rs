//! `ingestor doctor`: one line for each thing that must be right, and what to do where it is not.
//!
//! It looks, and changes nothing. Venues are asked within their budgets, one after the other.

mod redis_check;
mod source_check;

use std::io::{self, Write};

use anyhow::Result;
use candlewire_common::config::Config;
use candlewire_common::counted::counted;
use candlewire_common::exit::Outcome;

use crate::live::run::plan;

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at.
    pub subject: String,
    /// What was seen, and what to do about it.
    pub detail: String,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but a person should know.
    Warning,
    /// It does not work.
    Fault,
}

impl Finding {
    fn new(verdict: Verdict, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { verdict, subject: subject.into(), detail: detail.into() }
    }

    /// The line for people.
    fn line(&self) -> String {
        let mark = match self.verdict {
            Verdict::Ok => "ok     ",
            Verdict::Warning => "warning",
            Verdict::Fault => "FAULT  ",
        };
        format!("{mark}  {}: {}", self.subject, self.detail)
    }
}

/// Looks at everything; the lines go to standard output, each as soon as it is known.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where the configuration can't be used at all.
pub async fn run(config: &Config) -> Result<Outcome> {
    let plans = plan(config)?;
    let series: usize = plans.iter().map(|plan| plan.series().count()).sum();
    let mut report = Report::default();
    let detail = format!("{}, {series} series", counted(plans.len() as u64, "source"));
    report.add(&Finding::new(Verdict::Ok, "configuration", detail));
    redis_check::look(config, &mut |finding| report.add(&finding)).await?;
    for plan in &plans {
        source_check::look(plan, &mut |finding| report.add(&finding)).await?;
    }
    let Report { faults, warnings } = report;
    say(&format!("{}, {}", counted(faults, "fault"), counted(warnings, "warning")));
    Ok(if faults > 0 { Outcome::FaultsFound } else { Outcome::Done })
}

/// What was found so far.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    faults: u64,
    warnings: u64,
}

impl Report {
    fn add(&mut self, finding: &Finding) {
        match finding.verdict {
            Verdict::Ok => {}
            Verdict::Warning => self.warnings += 1,
            Verdict::Fault => self.faults += 1,
        }
        say(&finding.line());
    }
}

fn say(line: &str) {
    // Standard output may be closed; then the exit code tells.
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}
