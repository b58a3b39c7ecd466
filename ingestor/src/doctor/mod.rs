//! `ingestor doctor`: one line for each thing that must be right, and what to do where it is not.
//!
//! It looks, and changes nothing. Venues are asked within their budgets, one after the other.

mod source_check;

use anyhow::Result;
use candlewire_common::config::Config;
use candlewire_common::connection::{RESPONSE_TIMEOUT, RedisTarget, describe};
use candlewire_common::exit::Outcome;
use candlewire_common::screen::Screen;

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

/// Looks at everything; the lines go to standard output.
///
/// # Errors
///
/// [`candlewire_common::exit::Fault::Usage`] where the configuration can't be used at all.
pub async fn run(config: &Config, screen: &Screen) -> Result<Outcome> {
    let plans = plan(config)?;
    let series: usize = plans.iter().map(|plan| plan.series().count()).sum();
    let mut report = Report::default();
    let detail = format!("{} sources, {series} series", plans.len());
    report.add(screen, &Finding::new(Verdict::Ok, "configuration", detail));
    report.add(screen, &redis(config).await?);
    for plan in &plans {
        source_check::look(plan, &mut |finding| report.add(screen, &finding)).await?;
    }
    let Report { faults, warnings } = report;
    screen.line(&format!("{faults} faults, {warnings} warnings"));
    Ok(if faults > 0 { Outcome::FaultsFound } else { Outcome::Done })
}

/// What was found so far.
#[derive(Clone, Copy, Debug, Default)]
struct Report {
    faults: usize,
    warnings: usize,
}

impl Report {
    fn add(&mut self, screen: &Screen, finding: &Finding) {
        match finding.verdict {
            Verdict::Ok => {}
            Verdict::Warning => self.warnings += 1,
            Verdict::Fault => self.faults += 1,
        }
        screen.line(&finding.line());
    }
}

async fn redis(config: &Config) -> Result<Finding> {
    let target = RedisTarget::new(&config.redis)?;
    let subject = format!("redis at {}", target.address());
    let answered = match target.connect(&config.redis.keys.meta(), RESPONSE_TIMEOUT).await {
        Ok(mut connection) => redis::cmd("PING").exec_async(&mut connection).await,
        Err(error) => Err(error),
    };
    Ok(match answered {
        Ok(()) => Finding::new(Verdict::Ok, subject, "answers"),
        Err(error) => Finding::new(Verdict::Fault, subject, format!("{}; is it running?", describe(&error))),
    })
}
