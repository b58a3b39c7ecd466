//! The command line of a Redis server.
//!
//! Owns the choice of the program, of the ports and of the arguments. A value starts the same server as often as it
//! is asked to, on the same ports, so that a restart finds what the kill left. Whether the server then answers is
//! [`RedisServer`](crate::RedisServer)'s.

use std::ffi::OsString;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ports::free_port;
use crate::process::Process;
use crate::redis_access::RedisAccess;
use crate::redis_cluster::ClusterOptions;
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
    membership: Option<Membership>,
    access: RedisAccess,
    tls_port: Option<u16>,
}

/// What makes a server a node of a cluster.
#[derive(Debug)]
struct Membership {
    bus_port: u16,
    options: ClusterOptions,
}

impl RedisCommand {
    /// Describes a server that stands alone, on a port that was free a moment ago.
    pub(crate) fn alone(options: RedisOptions) -> io::Result<Self> {
        Self::guarded(options, RedisAccess::default())
    }

    /// Describes a server that stands alone and doesn't let everybody in.
    pub(crate) fn guarded(options: RedisOptions, access: RedisAccess) -> io::Result<Self> {
        let tls_port = access.tls.is_some().then(free_port).transpose()?;
        Ok(Self { port: free_port()?, options, membership: None, access, tls_port })
    }

    /// Describes a node of a cluster, on two ports that were free a moment ago.
    pub(crate) fn node(options: ClusterOptions) -> io::Result<Self> {
        let membership = Membership { bus_port: free_port()?, options };
        let (options, access) = (options.server, RedisAccess::default());
        Ok(Self { port: free_port()?, options, membership: Some(membership), access, tls_port: None })
    }

    /// Returns the port for clients.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the port for the other nodes, if it is a node of a cluster.
    pub(crate) fn bus_port(&self) -> Option<u16> {
        self.membership.as_ref().map(|membership| membership.bus_port)
    }

    /// Returns the port for clients that speak TLS, if there is one.
    pub(crate) fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// Returns the tests' own user as a URL has it: empty where anybody may come.
    pub(crate) fn credentials(&self) -> String {
        self.access.own.as_ref().map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default()
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
        if let Some(membership) = &self.membership {
            add_membership(&mut command, membership);
        }
        command.args(self.access.arguments(self.tls_port));
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

fn add_membership(command: &mut Command, Membership { bus_port, options }: &Membership) {
    command
        .args(["--cluster-enabled", "yes", "--cluster-port", &bus_port.to_string()])
        .args(["--cluster-node-timeout", &options.node_timeout.as_millis().to_string()])
        .args(["--min-replicas-to-write", &options.min_replicas_to_write.to_string()])
        // A replica stands for election however long it has been without its master, which a test may have paused.
        .args(["--cluster-replica-validity-factor", "0"])
        // By default a master waits 5 s for more replicas before it sends one its data, at every start and restart.
        .args(["--repl-diskless-sync-delay", "0"]);
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
