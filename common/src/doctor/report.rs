//! The report: a line for each finding as soon as it is known, and a last one with the counts.

use std::io::{self, Write};

use serde_json::json;

use super::finding::{Finding, Verdict};
use crate::exit::Outcome;
use crate::phrase::counted;

/// What was found so far.
#[derive(Debug, Default)]
pub struct Report {
    as_json: bool,
    faults: u64,
    warnings: u64,
}

impl Report {
    /// Begins a report for people, or with an object a line for programs.
    pub fn new(as_json: bool) -> Self {
        Self { as_json, ..Self::default() }
    }

    /// Tells a finding.
    pub fn add(&mut self, finding: &Finding) {
        match finding.verdict {
            Verdict::Ok => {}
            Verdict::Warning => self.warnings += 1,
            Verdict::Fault => self.faults += 1,
        }
        let Finding { verdict, subject, detail } = finding;
        if self.as_json {
            let object = json!({ "type": "finding", "verdict": verdict, "subject": subject, "detail": detail });
            say(&object.to_string());
        } else {
            say(&finding.line());
        }
    }

    /// Tells how much was found, and how the program ends.
    pub fn finish(self) -> Outcome {
        let Self { as_json, faults, warnings } = self;
        if as_json {
            say(&json!({ "type": "summary", "faults": faults, "warnings": warnings }).to_string());
        } else {
            say(&format!("{}, {}", counted(faults, "fault"), counted(warnings, "warning")));
        }
        if faults > 0 { Outcome::FaultsFound } else { Outcome::Done }
    }
}

fn say(line: &str) {
    // Standard output may be closed; then the exit code tells.
    let _ = io::stdout().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_faults_make_it_fail() {
        let outcome = |findings: &[Finding]| {
            let mut report = Report::new(false);
            for finding in findings {
                report.add(finding);
            }
            report.finish()
        };
        let (ok, warning, fault) = (Finding::ok("a", "b"), Finding::warning("a", "b"), Finding::fault("a", "b"));
        assert_eq!(outcome(&[ok.clone(), warning.clone()]), Outcome::Done);
        assert_eq!(outcome(&[ok, fault, warning]), Outcome::FaultsFound);
    }
}
