//! Refusals: one line that names the key and the value.

use std::fmt;
use std::path::Path;

/// Why a configuration is refused. Displays as one line; secrets are never in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// A refusal in words of its own.
    pub fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }

    pub(super) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self(format!("configuration file {}: {error}", path.display()))
    }

    /// Points at the line of a syntax error without quoting it: it may hold a secret.
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let message = error.message().replace('\n', ", ");
        Self(format!("{}:{line}: {message}", path.display()))
    }
}

/// Where a value stands: `recipients[0].url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) String);

impl Key {
    pub(super) fn root(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(super) fn child(&self, name: &str) -> Self {
        Self(format!("{}.{name}", self.0))
    }

    pub(super) fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// A problem with the value under this key.
    pub(super) fn problem(&self, what: impl fmt::Display) -> Problem {
        Problem { key: self.clone(), what: what.to_string() }
    }
}

/// A value that is refused, and why. The value itself is looked up when it is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) key: Key,
    pub(super) what: String,
}
