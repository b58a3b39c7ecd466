//! A private Redis server.
//!
//! Owns a real `redis-server` child on a free loopback port with its data in a temporary directory. Once started it
//! answers PING, and it is the very child that answers, not whoever else took the port. It keeps nothing over a kill
//! unless an append-only file is asked for. Dropped, it is killed and its directory removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, InfoDict, RedisError};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::Process;
use crate::redis_access::RedisAccess;
use crate::redis_cluster::ClusterOptions;
use crate::redis_command::{PROGRAM_VARIABLE, RedisCommand, log_file};
use crate::wait::{NotYet, PATIENCE, eventually};

/// How many free ports are tried; each can be taken by someone else between its choice and Redis's bind.
const PORT_TRIES: u32 = 5;

/// Response timeout of [`RedisServer::connection`]; redis-rs's own default of half a second is too short for a busy
/// machine.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// When the append-only file reaches the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendOnly {
    /// No append-only file: a killed server comes back empty.
    #[default]
    Off,
    /// Written at once, synced every second.
    EverySec,
    /// Synced before each reply.
    Always,
}

/// What Redis does when its memory limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// Refuses writes.
    NoEviction,
    /// Removes the keys of any kind that were used least recently.
    AllKeysLru,
    /// Removes the least recently used keys among those with a TTL.
    VolatileLru,
}

/// How a server is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RedisOptions {
    /// What survives a kill.
    pub append_only: AppendOnly,
    /// Memory limit in bytes (0: none) and what happens there.
    pub memory: Option<(u64, Eviction)>,
}

/// A server could not be started, reached or signalled.
#[derive(Debug, thiserror::Error)]
pub enum RedisServerError {
    /// There is no `redis-server` on the path.
    #[error("redis-server is not installed: run `make redis`")]
    Missing,
    /// The environment names a program that is not there.
    #[error("{PROGRAM_VARIABLE}: no program {path}", path = path.display())]
    NoSuchProgram {
        /// The program's file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("redis-server: {0}")]
    Io(#[from] io::Error),
    /// The server did not answer in time.
    #[error("redis-server on port {port} is not ready, {source}; its log {log}:\n{tail}", log = log.display())]
    NotReady {
        /// The port it was told to listen on.
        port: u16,
        /// What was seen last.
        source: NotYet,
        /// Its log file, which is removed with the server.
        log: PathBuf,
        /// The last lines of its log.
        tail: String,
    },
    /// The client could not connect, or a command failed.
    #[error("redis-server on port {port}: {source}")]
    Client {
        /// The server's port.
        port: u16,
        /// The client's error.
        source: RedisError,
    },
}

/// A running `redis-server` that belongs to this value alone.
#[derive(Debug)]
pub struct RedisServer {
    // Declared before the directory, so that the server is gone when the directory is removed.
    process: Process,
    directory: TempDir,
    command: RedisCommand,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Missing`] if it is not installed, [`RedisServerError::NotReady`] if it does not answer.
    pub async fn start(options: RedisOptions) -> Result<Self, RedisServerError> {
        Self::start_on_free_ports(|| RedisCommand::alone(options)).await
    }

    /// Starts a server that asks who comes, or speaks TLS on a second port.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn start_guarded(options: RedisOptions, access: &RedisAccess) -> Result<Self, RedisServerError> {
        Self::start_on_free_ports(|| RedisCommand::guarded(options, access.clone())).await
    }

    /// Starts a server that has cluster mode on and knows no other node yet.
    pub(crate) async fn start_node(options: ClusterOptions) -> Result<Self, RedisServerError> {
        Self::start_on_free_ports(|| RedisCommand::node(options)).await
    }

    async fn start_on_free_ports(
        choose_ports: impl Fn() -> io::Result<RedisCommand>,
    ) -> Result<Self, RedisServerError> {
        let mut tries = 1;
        loop {
            let directory = tempfile::Builder::new().prefix("candlewire-redis-").tempdir()?;
            let command = choose_ports()?;
            let process = command.spawn(directory.path())?;
            let mut server = Self { process, directory, command };
            match server.answered().await {
                Ok(()) => return Ok(server),
                Err(_) if tries < PORT_TRIES && server.process.ended()?.is_some() => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills the server with SIGKILL, as a crash of the machine's memory would; [`Self::restart`] brings it back.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Io`] if the operating system refuses.
    pub fn kill(&mut self) -> Result<(), RedisServerError> {
        self.process.kill()?;
        Ok(())
    }

    /// Kills the server if it runs and starts it again on the same port and directory.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), RedisServerError> {
        self.kill()?;
        let mut tries = 1;
        loop {
            self.process = self.command.spawn(self.directory.path())?;
            match self.answered().await {
                // The port was nobody's for a moment, in which another test may have tried whether it is free.
                Err(_) if tries < PORT_TRIES && self.process.ended()?.is_some() => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// Freezes the server with SIGSTOP: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Io`] if the operating system refuses.
    pub fn pause(&mut self) -> Result<(), RedisServerError> {
        Ok(self.process.signal(Signal::STOP)?)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Io`] if the operating system refuses.
    pub fn resume(&mut self) -> Result<(), RedisServerError> {
        Ok(self.process.signal(Signal::CONT)?)
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.command.port()
    }

    /// Returns the port that other nodes of its cluster speak to, if it is in one.
    pub(crate) fn bus_port(&self) -> Option<u16> {
        self.command.bus_port()
    }

    /// Returns the URL of database 0, with the credentials of the tests' own user where there is one.
    pub fn url(&self) -> String {
        format!("redis://{}127.0.0.1:{}/0", self.command.credentials(), self.port())
    }

    /// Returns the URL of database 0 on the port that speaks TLS, without credentials, if there is one.
    pub fn tls_url(&self) -> Option<String> {
        self.command.tls_port().map(|port| format!("rediss://localhost:{port}/0"))
    }

    /// Returns the directory of its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Opens a multiplexed connection of its own.
    ///
    /// # Errors
    ///
    /// [`RedisServerError::Client`] if the server does not accept it.
    pub async fn connection(&self) -> Result<MultiplexedConnection, RedisServerError> {
        self.connect().await.map_err(|source| RedisServerError::Client { port: self.port(), source })
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        redis::Client::open(self.url())?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Waits until the child answers; gives up early when it has ended.
    async fn answered(&mut self) -> Result<(), RedisServerError> {
        let probed = eventually(PATIENCE, async || match self.process.ended() {
            Ok(Some(status)) => Ok(Err(format!("it ended with {status}"))),
            Ok(None) => match self.pid_that_answers().await {
                Ok(Some(pid)) if pid == self.process.id() => Ok(Ok(())),
                Ok(pid) => Err(format!("process {pid:?} answers instead of it")),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        })
        .await;
        let source = match probed {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(last_seen)) => NotYet { deadline: PATIENCE, last_seen },
            Err(not_yet) => not_yet,
        };
        let log = log_file(self.directory.path());
        let text = fs::read_to_string(&log).unwrap_or_default();
        Err(RedisServerError::NotReady { port: self.port(), source, log, tail: last_lines(&text, 10) })
    }

    /// Asks whoever listens on the port for its process id; fails while its data is still being loaded.
    async fn pid_that_answers(&self) -> Result<Option<u32>, RedisError> {
        let mut connection = self.connect().await?;
        redis::cmd("PING").exec_async(&mut connection).await?;
        let info: InfoDict = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        Ok(info.get("process_id"))
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_of_a_log_are_kept() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }
}
