//! The command line of a Redis server.
//!
//! Owns the choice of the program, of the port and of the arguments. A value starts the same server as often as it
//! is asked to, on the same port, so that a restart finds what the kill left. Whether the server then answers is
//! [`RedisServer`](crate::RedisServer)'s.

use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ports::free_port;
use crate::process::Process;
use crate::redis_server::{AppendOnly, Eviction, RedisOptions, RedisServerError};

/// Names the environment variable with the server program that is used instead of the one on the path.
pub(crate) const PROGRAM_VARIABLE: &str = "TEST_REDIS_SERVER";

/// The program on the path.
const PROGRAM: &str = "redis-server";

/// How one server is started.
#[derive(Debug)]
pub(crate) struct RedisCommand {
    port: u16,
    options: RedisOptions,
}

impl RedisCommand {
    /// Describes a server on a port that was free a moment ago.
    pub(crate) fn alone(options: RedisOptions) -> io::Result<Self> {
        Ok(Self { port: free_port()?, options })
    }

    /// Returns the port for clients.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server with its files in `directory`.
    pub(crate) fn spawn(&self, directory: &Path) -> Result<Process, RedisServerError> {
        let chosen = chosen_program(std::env::var_os(PROGRAM_VARIABLE));
        let mut command = Command::new(chosen.as_deref().unwrap_or(Path::new(PROGRAM)));
        command
            .args(["--bind", &Ipv4Addr::LOCALHOST.to_string(), "--port", &self.port.to_string(), "--save", ""])
            .arg("--dir")
            .arg(directory)
            .arg("--logfile")
            .arg(log_file(directory))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        add_options(&mut command, self.options);
        Process::spawn(&mut command).map_err(|error| match (error.kind(), chosen) {
            (io::ErrorKind::NotFound, Some(path)) => RedisServerError::NoSuchProgram { path },
            (io::ErrorKind::NotFound, None) => RedisServerError::Missing,
            _ => RedisServerError::Io(error),
        })
    }
}

/// Returns where the server writes its log.
pub(crate) fn log_file(directory: &Path) -> PathBuf {
    directory.join("redis.log")
}

/// An empty variable chooses nothing, as if it were not set.
fn chosen_program(variable: Option<OsString>) -> Option<PathBuf> {
    variable.filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn add_options(command: &mut Command, options: RedisOptions) {
    match options.append_only {
        AppendOnly::Off => command.args(["--appendonly", "no"]),
        AppendOnly::EverySec => command.args(["--appendonly", "yes", "--appendfsync", "everysec"]),
        AppendOnly::Always => command.args(["--appendonly", "yes", "--appendfsync", "always"]),
    };
    if let Some((bytes, eviction)) = options.memory {
        let policy = match eviction {
            Eviction::NoEviction => "noeviction",
            Eviction::AllKeysLru => "allkeys-lru",
            Eviction::VolatileLru => "volatile-lru",
        };
        command.args(["--maxmemory", &bytes.to_string(), "--maxmemory-policy", policy]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variable_chooses_no_program() {
        assert_eq!(chosen_program(None), None);
        assert_eq!(chosen_program(Some(OsString::new())), None);
        assert_eq!(chosen_program(Some("/opt/redis-server".into())), Some("/opt/redis-server".into()));
    }
}
