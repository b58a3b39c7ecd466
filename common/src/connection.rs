//! Connections to Redis, and what a fault of one means.
//!
//! Owns the settings that every connection needs (no Nagle delay, keep-alive, deadlines) and the
//! classification of errors. It doesn't reconnect: each user knows what to forget when its connection
//! broke, and does so itself.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, RedisError, ServerError, ServerErrorKind};

use crate::config::RedisConfig;
use crate::exit::Fault;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an ordinary command may take. Longer than a fork or an fsync blocks a small server.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// One Redis, ready to be connected to.
#[derive(Clone, Debug)]
pub struct RedisTarget {
    client: Client,
    address: String,
}

impl RedisTarget {
    /// Prepares connections to the configured Redis.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] when the URL means nothing to the Redis client.
    pub fn new(config: &RedisConfig) -> Result<Self, Fault> {
        let refused = |error: RedisError| Fault::Usage(format!("redis.url: {}", error.category()));
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5)).with_interval(Duration::from_secs(2));
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        let info = config.url().into_connection_info().map_err(refused)?.set_tcp_settings(tcp);
        Ok(Self { client: Client::open(info).map_err(refused)?, address: config.address() })
    }

    /// Host and port, as they may be shown.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Connects. Commands that answer later than `patience` fail; a blocking one needs its block
    /// time on top.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when the server can't be reached or refuses.
    pub async fn connect(&self, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(patience));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        // A password that is missing shows here. Met first by a MULTI, it would panic redis-rs 1.8 in debug builds.
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    }

    /// Connects for a one-shot command.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`], naming the address and the reason.
    pub async fn connect_once(&self) -> Result<MultiplexedConnection, Fault> {
        self.connect(RESPONSE_TIMEOUT).await.map_err(|error| self.unreachable(&error))
    }

    /// Words a fault of a one-shot command.
    pub fn unreachable(&self, error: &RedisError) -> Fault {
        Fault::Unreachable(format!("redis at {}: {}", self.address, describe(error)))
    }
}

/// What a fault means to whoever met it. Its name is the label of `candlewire_redis_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedisFault {
    /// The connection is gone or its state unknown: connect again, forget what is unconfirmed.
    Connection,
    /// The server can't serve now (loading, out of memory, a replica, failing over): wait.
    Unavailable,
    /// The stream or its consumer group is not there.
    NoGroup,
    /// The script is not cached: send it whole.
    NoScript,
    /// Wrong password or missing permission: a person must act.
    Denied,
    /// A key holds another type.
    WrongType,
    /// Anything else the server refused.
    Refused,
}

impl RedisFault {
    /// Every kind of fault.
    pub const ALL: [Self; 7] = [
        Self::Connection,
        Self::Unavailable,
        Self::NoGroup,
        Self::NoScript,
        Self::Denied,
        Self::WrongType,
        Self::Refused,
    ];

    /// Tells what an error means.
    pub fn of(error: &RedisError) -> Self {
        if error.is_io_error() || error.is_timeout() || error.is_connection_dropped() {
            return Self::Connection;
        }
        let server = server_error(error);
        let kind = server.as_ref().and_then(ServerError::kind).map_or(error.kind(), ErrorKind::Server);
        match (kind, server.as_ref().map(ServerError::code)) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => Self::Denied,
            (ErrorKind::Server(ServerErrorKind::NoScript), _) => Self::NoScript,
            (
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ClusterDown
                    | ServerErrorKind::TryAgain
                    | ServerErrorKind::ExecAbort,
                ),
                _,
            )
            | (_, Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY")) => Self::Unavailable,
            (_, Some("NOGROUP")) => Self::NoGroup,
            (_, Some("WRONGTYPE")) => Self::WrongType,
            (ErrorKind::Parse | ErrorKind::UnexpectedReturnType | ErrorKind::Io, _) => Self::Connection,
            _ => Self::Refused,
        }
    }

    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Unavailable => "unavailable",
            Self::NoGroup => "no_group",
            Self::NoScript => "no_script",
            Self::Denied => "denied",
            Self::WrongType => "wrong_type",
            Self::Refused => "refused",
        }
    }
}

/// The error as the server sent it. Where a pipeline or transaction met several, the first: the
/// others are its like or its consequence.
pub fn server_error(error: &RedisError) -> Option<ServerError> {
    error.clone().into_server_errors()?.first().map(|(_, first)| first.clone())
}

/// An error as one line without the client library's decorations.
pub fn describe(error: &RedisError) -> String {
    let text = match server_error(error) {
        Some(server) => format!("{} {}", server.code(), server.details().unwrap_or_default()),
        None => error.to_string(),
    };
    text.trim_end().replace('\n', " ")
}
