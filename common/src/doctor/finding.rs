//! What was found of one thing.

use serde::Serialize;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but a person should know.
    Warning,
    /// It does not work.
    Fault,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was looked at.
    pub subject: String,
    /// What was seen, and what to do about it.
    pub detail: String,
}

impl Finding {
    /// Puts a finding together.
    pub fn new(verdict: Verdict, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { verdict, subject: subject.into(), detail: detail.into() }
    }

    /// All is as it should be.
    pub fn ok(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, subject, detail)
    }

    /// A person should know.
    pub fn warning(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, subject, detail)
    }

    /// Something does not work.
    pub fn fault(subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Fault, subject, detail)
    }

    /// The line for people.
    pub(super) fn line(&self) -> String {
        let mark = match self.verdict {
            Verdict::Ok => "ok     ",
            Verdict::Warning => "warning",
            Verdict::Fault => "FAULT  ",
        };
        // What others wrote, such as the answer of a server, must not make a line of its own.
        let detail: String = self.detail.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        format!("{mark}  {}: {detail}", self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_aligned_line() {
        assert_eq!(Finding::ok("redis", "answers").line(), "ok       redis: answers");
        assert_eq!(Finding::warning("redis", "is slow").line(), "warning  redis: is slow");
        assert_eq!(Finding::fault("redis", "is\naway\u{1b}[31m").line(), "FAULT    redis: is away [31m");
    }
}
