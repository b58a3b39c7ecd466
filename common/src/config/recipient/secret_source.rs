//! Where a secret is: in the configuration itself, or in a file.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use crate::config::error::{ConfigError, Key, Problem};

/// A secret that stands in the configuration, or in a file that only its user opens.
#[derive(Clone, Debug)]
pub enum SecretSource {
    /// The secret itself.
    Inline(SecretString),
    /// A file that holds it.
    File(PathBuf),
}

impl SecretSource {
    /// Reads the secret.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the file can't be read or is empty.
    pub fn read(&self) -> Result<SecretString, ConfigError> {
        let path = match self {
            Self::Inline(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::new(format!("secret file {}: {error}", path.display())))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(ConfigError::new(format!("secret file {} is empty", path.display())));
        }
        Ok(text.to_owned().into())
    }

    /// Takes the one of the two that is given.
    pub(in crate::config) fn either(
        key: &Key,
        inline: Option<SecretString>,
        file: Option<String>,
    ) -> Result<Option<Self>, Problem> {
        match (inline, file) {
            (Some(_), Some(_)) => Err(key.problem("given twice: here and as a file")),
            (Some(secret), None) if secret.expose_secret().is_empty() => Err(key.problem("empty")),
            (Some(secret), None) => Ok(Some(Self::Inline(secret))),
            (None, Some(path)) => Ok(Some(Self::File(path.into()))),
            (None, None) => Ok(None),
        }
    }
}
