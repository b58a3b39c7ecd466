//! Connections to Redis, and what a fault of one means.
//!
//! Owns the settings that every connection needs (no Nagle delay, keep-alive, deadlines), the way to the
//! node of a cluster that serves a key, and the classification of errors. It doesn't reconnect: each user
//! knows what to forget when its connection broke, and does so itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, InfoDict, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, ServerError, ServerErrorKind, Value,
};

use crate::cluster::{ClusterMap, Node};
use crate::config::{RedisAccess, RedisConfig};
use crate::exit::Fault;
use crate::refusal::Refusal;
use crate::slot::slot_of;
use crate::{credentials, trust};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a node may take to tell where slots are, before another is asked.
const MAP_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an ordinary command may take. Longer than a fork or an fsync blocks a small server.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// One Redis or a cluster of them, ready to be connected to.
#[derive(Clone, Debug)]
pub struct RedisTarget {
    /// How to connect to the node that the first URL names; the others differ by host and port.
    info: ConnectionInfo,
    /// The same without a user, a password and a certificate of ours.
    stranger: ConnectionInfo,
    seeds: Arc<[Node]>,
    /// The nodes of the cluster that were met, the one that answered last in front; `None`: no cluster.
    met: Option<Arc<Mutex<Vec<Node>>>>,
    address: String,
}

impl RedisTarget {
    /// Prepares connections to the configured Redis.
    ///
    /// # Errors
    ///
    /// [`Fault::Usage`] when a URL means nothing to the Redis client, or a file with a secret or a certificate can't be
    /// used.
    pub fn new(config: &RedisConfig) -> Result<Self, Fault> {
        let refused = |error: RedisError| Fault::Usage(format!("redis.url: {}", error.category()));
        let infos: Vec<ConnectionInfo> =
            config.urls().map(|url| url.into_connection_info().map_err(refused)).collect::<Result<_, _>>()?;
        let seeds: Vec<Node> = infos.iter().filter_map(|info| node_of(info.addr())).collect();
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5)).with_interval(Duration::from_secs(2));
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        let first = infos.into_iter().next().filter(|_| !seeds.is_empty());
        let info = first.ok_or_else(|| Fault::Usage("redis.url: names no server".to_owned()))?.set_tcp_settings(tcp);
        let without = RedisAccess { client: None, ..config.access.clone() };
        let stranger = trust::lay(info.clone().set_redis_settings(RedisConnectionInfo::default()), &without)?;
        let info = trust::lay(credentials::lay(info, &config.access)?, &config.access)?;
        Client::open(info.clone()).map_err(refused)?;
        let met = config.cluster.then(|| Arc::new(Mutex::new(seeds.clone())));
        Ok(Self { info, stranger, seeds: seeds.into(), met, address: config.address() })
    }

    /// Hosts and ports, as they may be shown.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        self.met.is_some()
    }

    /// Connects to the server that holds `key`, in a cluster the master of its slot as it is now.
    /// Commands that answer later than `patience` fail; a blocking one needs its block time on top.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when the server can't be found or reached, or refuses.
    pub async fn connect(&self, key: &str, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
        let Some(map) = self.map().await? else { return self.connect_to(&self.seeds[0], patience).await };
        let unserved =
            || RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), "no node serves the slot"));
        self.connect_to(map.master_of(slot_of(key)).ok_or_else(unserved)?, patience).await
    }

    /// Connects to a node, whatever keys it holds.
    ///
    /// # Errors
    ///
    /// [`RedisError`] when it can't be reached or refuses.
    pub async fn connect_to(&self, node: &Node, patience: Duration) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(patience));
        let info = self.info.clone().set_addr(address_of(node, self.info.addr()));
        let mut connection = Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await?;
        // A password that is missing shows here. Met first by a MULTI, it would panic redis-rs 1.8 in debug builds.
        redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    }

    /// Whether a stranger, who has no user, password or certificate, may run commands on a node; `None` where nobody answers
    /// in time. One in protected mode turns strangers away.
    pub(crate) async fn is_open(&self, node: &Node) -> Option<bool> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(MAP_TIMEOUT));
        let address = address_of(node, self.stranger.addr());
        let info = self.stranger.clone().set_addr(address);
        let pinged = async {
            let mut connection = Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await?;
            redis::cmd("PING").exec_async(&mut connection).await
        };
        match pinged.await {
            Ok(()) => Some(true),
            Err(error) => server_error(&error).map(|_| false),
        }
    }

    /// Whether the way to it is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Connects for a one-shot command to the server that holds `key`.
    ///
    /// # Errors
    ///
    /// [`Fault::Unreachable`], naming the address and the reason.
    pub async fn connect_once(&self, key: &str) -> Result<MultiplexedConnection, Fault> {
        self.connect(key, RESPONSE_TIMEOUT).await.map_err(|error| self.unreachable(&error))
    }

    /// Words a fault of a one-shot command.
    pub fn unreachable(&self, error: &RedisError) -> Fault {
        if !self.is_cluster() && is_moved(error) {
            return Fault::Usage(format!("redis at {}: it is a cluster: set redis.cluster = true", self.address));
        }
        let line = format!("redis at {}: {}", self.address, describe(error));
        if error.kind() == ErrorKind::InvalidClientConfig { Fault::Usage(line) } else { Fault::Unreachable(line) }
    }

    /// The server, where there is but one.
    pub(crate) fn alone(&self) -> Option<&Node> {
        self.met.is_none().then(|| &self.seeds[0])
    }

    /// Asks the nodes that were met, then the configured ones, where slots are; `None`: no cluster.
    pub(crate) async fn map(&self) -> Result<Option<ClusterMap>, RedisError> {
        let Some(met) = &self.met else { return Ok(None) };
        let mut nodes = met.lock().unwrap_or_else(PoisonError::into_inner).clone();
        nodes.extend(self.seeds.iter().filter(|seed| !nodes.contains(seed)).cloned().collect::<Vec<_>>());
        let mut fault = RedisError::from((ErrorKind::Io, "no node of the cluster answers"));
        for node in nodes {
            match self.ask(&node).await {
                Ok(map) => {
                    let mut known = map.masters();
                    known.retain(|other| *other != node);
                    known.insert(0, node);
                    *met.lock().unwrap_or_else(PoisonError::into_inner) = known;
                    return Ok(Some(map));
                }
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }

    async fn ask(&self, node: &Node) -> Result<ClusterMap, RedisError> {
        let asked = tokio::time::timeout(MAP_TIMEOUT, async {
            let mut connection = self.connect_to(node, MAP_TIMEOUT).await?;
            read_map(node, &mut connection).await
        });
        asked.await.unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "a node of the cluster hangs"))))
    }
}

/// Asks a node where slots are.
pub(crate) async fn read_map(node: &Node, connection: &mut MultiplexedConnection) -> Result<ClusterMap, RedisError> {
    let asked: Result<Value, RedisError> = redis::cmd("CLUSTER").arg("SLOTS").query_async(connection).await;
    match asked {
        Ok(reply) => ClusterMap::read(&reply, node)
            .ok_or_else(|| RedisError::from((ErrorKind::UnexpectedReturnType, "CLUSTER SLOTS of an unknown shape"))),
        Err(error) => match is_cluster(connection).await {
            Some(false) => Err(RedisError::from((
                ErrorKind::InvalidClientConfig,
                "it is no cluster: set redis.cluster = false and name one URL",
            ))),
            _ => Err(error),
        },
    }
}

/// Whether a server is a cluster's node; `None` where it doesn't tell.
pub(crate) async fn is_cluster(connection: &mut impl redis::aio::ConnectionLike) -> Option<bool> {
    let info: InfoDict = redis::cmd("INFO").arg("cluster").query_async(connection).await.ok()?;
    info.get::<u8>("cluster_enabled").map(|enabled| enabled == 1)
}

fn node_of(address: &ConnectionAddr) -> Option<Node> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some(Node { host: host.clone(), port: *port })
        }
        _ => None,
    }
}

/// The address of a node that is reached as `like` is, with or without TLS.
fn address_of(node: &Node, like: &ConnectionAddr) -> ConnectionAddr {
    let (host, port) = (node.host.clone(), node.port);
    match like {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    }
}

/// What a fault means to whoever met it. Its name is the label of `candlewire_redis_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedisFault {
    /// The connection is gone or its state unknown: connect again, forget what is unconfirmed.
    Connection,
    /// Another node serves this now: find it and connect there.
    Moved,
    /// The server can't serve now (loading, out of memory, failing over): wait.
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
    pub const ALL: [Self; 8] = [
        Self::Connection,
        Self::Moved,
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
            (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::ReadOnly), _) | (_, Some("UNBLOCKED")) => {
                Self::Moved
            }
            (
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                    | ServerErrorKind::Ask
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
            Self::Moved => "moved",
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

/// Whether a node says that another one has the key, which only a cluster's nodes do.
pub(crate) fn is_moved(error: &RedisError) -> bool {
    server_error(error).is_some_and(|error| error.code() == "MOVED")
}

/// An error as one line without the client library's decorations, with the way out where a person must take one.
pub fn describe(error: &RedisError) -> String {
    let text = match server_error(error) {
        Some(server) => format!("{} {}", server.code(), server.details().unwrap_or_default()),
        None => error.to_string(),
    };
    let text = text.trim_end().replace('\n', " ");
    match Refusal::of(error) {
        Some(refusal) => format!("{}: {}", text.trim_end_matches('.'), refusal.way_out()),
        None => text,
    }
}
