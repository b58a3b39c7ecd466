//! Prometheus's rule files.
//!
//! Owns their shape. A key that Prometheus does not know is refused here, too. Whether an expression makes sense is
//! [`promql`](crate::promql)'s to say, whether the file does is `promtool`'s.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RuleFileError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// It is no file of rules.
    #[error("{}: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The groups, each evaluated in order.
    pub groups: Vec<RuleGroup>,
}

/// Rules that are evaluated one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleGroup {
    /// Its name, once in a file.
    pub name: String,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A rule, which records a series or raises an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The alert's name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alert: Option<String>,
    /// The recorded series' name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub record: Option<String>,
    /// What is evaluated.
    pub expr: String,
    /// For how long an alert's expression has to hold.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none", default)]
    pub holds: Option<String>,
    /// Labels that are added.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
    /// Texts for whoever is told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub annotations: BTreeMap<String, String>,
}

impl RuleFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`RuleFileError`] if it can't be read or is no file of rules.
    pub fn read(path: &Path) -> Result<Self, RuleFileError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| RuleFileError::Io { path: path.to_owned(), source })?;
        serde_saphyr::from_str(&text)
            .map_err(|error| RuleFileError::Shape { path: path.to_owned(), reason: error.to_string() })
    }

    /// Reads every `*.yml` of a folder, ordered by name.
    ///
    /// # Errors
    ///
    /// [`RuleFileError`] if one can't be read or is no file of rules.
    pub fn read_all(folder: &Path) -> Result<Vec<(PathBuf, Self)>, RuleFileError> {
        let io = |source| RuleFileError::Io { path: folder.to_owned(), source };
        let entries = std::fs::read_dir(folder).map_err(io)?.collect::<Result<Vec<_>, _>>().map_err(io)?;
        let mut paths: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
        paths.sort();
        paths.into_iter().map(|path| Ok((path.clone(), Self::read(&path)?))).collect()
    }

    /// Returns all rules of all groups.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }
}
