//! Everything that runs while the demo runs.
//!
//! Owns the private Redis, the programs, the receiver and the configuration file. Dropped, all of it
//! is gone: processes killed, directories removed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use candlewire_testkit::WebhookReceiver;
use candlewire_testkit::redis_server::{AppendOnly, RedisOptions, RedisServer, RedisServerError};
use tempfile::TempDir;
use uuid::Uuid;

use crate::service::Service;
use crate::settings::Settings;

/// Everything that runs while the demo runs.
pub struct Stage {
    /// The one indicator-worker.
    pub worker: Service,
    /// The notifier.
    pub notifier: Service,
    /// Where alerts arrive.
    pub receiver: WebhookReceiver,
    /// The private Redis.
    pub redis: RedisServer,
    config: PathBuf,
    _directory: TempDir,
}

impl Stage {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The first part that does not start.
    pub async fn set_up() -> Result<Self> {
        let options = RedisOptions { append_only: AppendOnly::EverySec, ..RedisOptions::default() };
        let redis = RedisServer::start(options).await.map_err(|error| match error {
            RedisServerError::Missing => anyhow!("redis-server is not installed: run `make demo`, which installs it"),
            other => other.into(),
        })?;
        let secret = secret();
        let receiver = WebhookReceiver::start(Some(&secret)).await?;
        let directory =
            tempfile::Builder::new().prefix("candlewire-demo-").tempdir().context("make a temporary directory")?;
        let config = directory.path().join("candlewire.toml");
        let settings = Settings { redis_url: &redis.url(), hook_url: &receiver.url(), secret: &secret };
        fs::write(&config, settings.text()).with_context(|| format!("write {}", config.display()))?;
        let (worker, notifier) =
            tokio::try_join!(Service::start("indicator-worker", &config), Service::start("notifier", &config))?;
        Ok(Self { worker, notifier, receiver, redis, config, _directory: directory })
    }

    /// Returns the configuration file that all programs share.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Makes sure that the programs still run.
    ///
    /// # Errors
    ///
    /// If one has ended.
    pub fn check(&mut self) -> Result<()> {
        self.worker.check()?;
        self.notifier.check()
    }

    /// Returns what the programs said last, to be quoted where something did not happen.
    pub fn last_words(&self) -> String {
        self.worker.last_words() + &self.notifier.last_words()
    }

    /// Stops the programs in order.
    ///
    /// # Errors
    ///
    /// If one does not stop as it should.
    pub async fn stop(&mut self) -> Result<()> {
        tokio::try_join!(self.worker.stop(), self.notifier.stop())?;
        Ok(())
    }
}

/// Makes a secret of 32 bytes, nearly all of them random.
fn secret() -> String {
    let bytes = [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat();
    format!("whsec_{}", STANDARD.encode(bytes))
}
