//! A private Prometheus server.
//!
//! Owns a real `prometheus` child on a free loopback port with its data in a temporary directory, and the reading of
//! its answers: what a query gives, which rules are loaded, which alerts are pending or firing. Once started it is
//! ready, and it is the very child that answers. Dropped, it is killed and its directory removed.
//!
//! It knows no rule and no metric; a [`PrometheusConfig`] or a text says what it scrapes and evaluates.

mod answer;
mod config;

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use url::form_urlencoded;

use crate::http_page::{HttpPage, HttpPageError};
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::{NotYet, PATIENCE, eventually};

pub use answer::{ActiveAlert, AlertState, LoadedRule, QueriedSample, RuleKind, ScrapedTarget};
pub use config::PrometheusConfig;

/// How many free ports are tried; each can be taken by someone else between its choice and the server's bind.
const PORT_TRIES: u32 = 5;

/// How many bytes of its log an error quotes.
const QUOTED_BYTES: usize = 2000;

/// A server could not be started, or did not answer as Prometheus does.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusServerError {
    /// There is no `prometheus` on the path.
    #[error("prometheus is not installed: run `make tools`")]
    Missing,
    /// The operating system refused.
    #[error("prometheus: {0}")]
    Io(#[from] io::Error),
    /// It was not ready in time; a configuration that it refuses ends it.
    #[error("prometheus on port {port} is not ready, {source}; the end of its log:\n{tail}")]
    NotReady {
        /// The port it was told to listen on.
        port: u16,
        /// What was seen last.
        source: NotYet,
        /// The end of its log.
        tail: String,
    },
    /// A page could not be fetched.
    #[error(transparent)]
    Fetch(#[from] HttpPageError),
    /// It refused the request, such as a query that it can't read, or answered what was not asked for.
    #[error("prometheus answered {path} with {status}: {body}")]
    Answer {
        /// What was asked for.
        path: String,
        /// The status code.
        status: u16,
        /// The body.
        body: String,
    },
}

/// A running `prometheus` that belongs to this value alone.
#[derive(Debug)]
pub struct PrometheusServer {
    // Declared before the directory, so that the server is gone when the directory is removed.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
}

impl PrometheusServer {
    /// Starts a server with a whole configuration file's text, and waits until it is ready. Relative paths in it are
    /// taken from a directory that only holds this file.
    ///
    /// # Errors
    ///
    /// [`PrometheusServerError::Missing`] if it is not installed, [`PrometheusServerError::NotReady`] if it refuses
    /// the configuration or does not answer.
    pub async fn start(config: &str) -> Result<Self, PrometheusServerError> {
        let mut tries = 1;
        loop {
            let directory = tempfile::Builder::new().prefix("candlewire-prometheus-").tempdir()?;
            fs::write(directory.path().join("prometheus.yml"), config)?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            let process = spawn(directory.path(), address)?;
            let mut server = Self { process, directory, address };
            match server.ready().await {
                Ok(()) => return Ok(server),
                Err(_) if tries < PORT_TRIES && server.lost_its_port()? => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Evaluates an expression now. A scalar is one sample without labels.
    ///
    /// # Errors
    ///
    /// [`PrometheusServerError::Answer`] for an expression that it refuses.
    pub async fn query(&self, expression: &str) -> Result<Vec<QueriedSample>, PrometheusServerError> {
        let parameters: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("query", expression).finish();
        self.get(&format!("/api/v1/query?{parameters}"), answer::samples).await
    }

    /// Returns the alerts that are pending or firing.
    ///
    /// # Errors
    ///
    /// [`PrometheusServerError`] if it does not answer.
    pub async fn alerts(&self) -> Result<Vec<ActiveAlert>, PrometheusServerError> {
        self.get("/api/v1/alerts", answer::alerts).await
    }

    /// Returns the rules that it has loaded, with the outcome of their last evaluation.
    ///
    /// # Errors
    ///
    /// [`PrometheusServerError`] if it does not answer.
    pub async fn rules(&self) -> Result<Vec<LoadedRule>, PrometheusServerError> {
        self.get("/api/v1/rules", answer::rules).await
    }

    /// Returns what it scrapes.
    ///
    /// # Errors
    ///
    /// [`PrometheusServerError`] if it does not answer.
    pub async fn targets(&self) -> Result<Vec<ScrapedTarget>, PrometheusServerError> {
        self.get("/api/v1/targets?state=active", answer::targets).await
    }

    /// Waits until it has scraped every target with success.
    ///
    /// # Errors
    ///
    /// [`NotYet`] with the targets that are not up.
    pub async fn wait_until_scraped(&self, deadline: Duration) -> Result<(), NotYet> {
        eventually(deadline, async || {
            let targets = self.targets().await.map_err(|error| error.to_string())?;
            let down: Vec<String> = targets.iter().filter(|target| !target.up).map(ToString::to_string).collect();
            if targets.is_empty() || !down.is_empty() { Err(format!("not up: {down:?}")) } else { Ok(()) }
        })
        .await
    }

    /// Waits until an expression gives at least one sample, and returns all of them.
    ///
    /// # Errors
    ///
    /// [`NotYet`] if there was none until the deadline.
    pub async fn wait_for_samples(&self, expression: &str, deadline: Duration) -> Result<Vec<QueriedSample>, NotYet> {
        eventually(deadline, async || match self.query(expression).await {
            Ok(samples) if samples.is_empty() => Err(format!("no sample of {expression}")),
            Ok(samples) => Ok(samples),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    /// Waits until the alert `name` is firing and returns its first instance that `accept` accepts.
    ///
    /// # Errors
    ///
    /// [`NotYet`] with the alerts that were active at the deadline.
    pub async fn wait_until_firing(
        &self,
        name: &str,
        accept: impl Fn(&ActiveAlert) -> bool,
        deadline: Duration,
    ) -> Result<ActiveAlert, NotYet> {
        eventually(deadline, async || {
            let alerts = self.alerts().await.map_err(|error| error.to_string())?;
            let wanted =
                |alert: &&ActiveAlert| alert.name() == name && alert.state == AlertState::Firing && accept(alert);
            match alerts.iter().find(wanted) {
                Some(alert) => Ok(alert.clone()),
                None => Err(format!("{name} is not firing; active: {}", shown(&alerts))),
            }
        })
        .await
    }

    /// Waits until no instance of the alert `name` that `accept` accepts is pending or firing.
    ///
    /// # Errors
    ///
    /// [`NotYet`] with the alerts that were active at the deadline.
    pub async fn wait_until_resolved(
        &self,
        name: &str,
        accept: impl Fn(&ActiveAlert) -> bool,
        deadline: Duration,
    ) -> Result<(), NotYet> {
        eventually(deadline, async || {
            let alerts = self.alerts().await.map_err(|error| error.to_string())?;
            if alerts.iter().any(|alert| alert.name() == name && accept(alert)) {
                return Err(format!("{name} is still active: {}", shown(&alerts)));
            }
            Ok(())
        })
        .await
    }

    async fn get<T>(
        &self,
        path: &str,
        read: impl Fn(&serde_json::Value) -> Option<T>,
    ) -> Result<T, PrometheusServerError> {
        let HttpPage { status, body } = HttpPage::fetch(self.address, path).await?;
        let data = serde_json::from_str::<serde_json::Value>(&body).ok();
        let read = data.filter(|_| status == 200).and_then(|answer| read(&answer["data"]));
        read.ok_or_else(|| PrometheusServerError::Answer { path: path.to_owned(), status, body })
    }

    /// Waits until the child is ready; gives up early when it has ended.
    async fn ready(&mut self) -> Result<(), PrometheusServerError> {
        let probed = eventually(PATIENCE, async || match self.process.ended() {
            Ok(Some(status)) => Ok(Err(format!("it ended with {status}"))),
            Ok(None) => self.probe().await.map(Ok),
            Err(error) => Err(error.to_string()),
        })
        .await;
        let source = match probed {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(last_seen)) => NotYet { deadline: PATIENCE, last_seen },
            Err(not_yet) => not_yet,
        };
        let log = self.log()?;
        let tail = String::from_utf8_lossy(&log.as_bytes()[log.len().saturating_sub(QUOTED_BYTES)..]).into_owned();
        Err(PrometheusServerError::NotReady { port: self.address.port(), source, tail })
    }

    /// Whether it is ready and runs in our directory: another one may have taken the port.
    async fn probe(&self) -> Result<(), String> {
        let page = HttpPage::fetch(self.address, "/-/ready").await.map_err(|error| error.to_string())?;
        if page.status != 200 {
            return Err(format!("/-/ready answered {}: {}", page.status, page.body.trim()));
        }
        let working_directory = |data: &serde_json::Value| Some(PathBuf::from(data["CWD"].as_str()?));
        let found =
            self.get("/api/v1/status/runtimeinfo", working_directory).await.map_err(|error| error.to_string())?;
        let own = self.directory.path().canonicalize().map_err(|error| error.to_string())?;
        if found == own { Ok(()) } else { Err(format!("one that runs in {} answers instead", found.display())) }
    }

    fn lost_its_port(&mut self) -> io::Result<bool> {
        Ok(self.process.ended()?.is_some() && self.log()?.contains("address already in use"))
    }

    fn log(&self) -> io::Result<String> {
        fs::read_to_string(log_file(self.directory.path()))
    }
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("prometheus.log")
}

fn spawn(directory: &Path, address: SocketAddr) -> Result<Process, PrometheusServerError> {
    let log = File::create(log_file(directory))?;
    let mut command = Command::new("prometheus");
    command
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=warn")
        .current_dir(directory.canonicalize()?)
        // A small machine is shared with the programs that are measured.
        .env("GOMAXPROCS", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Process::spawn(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => PrometheusServerError::Missing,
        _ => PrometheusServerError::Io(error),
    })
}

fn shown(alerts: &[ActiveAlert]) -> String {
    alerts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
