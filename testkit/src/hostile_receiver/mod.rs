//! An HTTP endpoint that misbehaves.
//!
//! Owns a server on a loopback port that is written on the bare connection, without a framework, since the faults are
//! those that no framework makes: answers that are cut, drip, never end or are no HTTP, connections that hang or are
//! reset, and a server that never reads. Which request meets what is decided by a script, then by a rule. It records
//! requests before it misbehaves, and counts connections and the bytes it got rid of. The newest [`REQUESTS_KEPT`]
//! requests are kept, and at most [`CONNECTIONS_MAX`] connections are served at once; more wait to be accepted. It
//! checks no signature: what arrives intact is [`WebhookReceiver`](crate::WebhookReceiver)'s matter.

mod connection;
mod deed;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

pub use deed::Deed;

/// How many requests are kept.
pub const REQUESTS_KEPT: usize = 10_000;
/// How many connections are served at once.
pub const CONNECTIONS_MAX: usize = 1_024;

/// What the system may hold of what the client has not read: little, so that the count of bytes says something.
const SEND_BUFFER_BYTES: u32 = 32 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;
/// Pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Too few requests came.
#[derive(Debug, thiserror::Error)]
#[error("{received} of {wanted} requests on {connections} connections within {deadline:?}")]
pub struct TooFewRequests {
    /// How many were waited for.
    pub wanted: u64,
    /// How many came.
    pub received: u64,
    /// On how many connections.
    pub connections: u64,
    /// How long was waited.
    pub deadline: Duration,
}

/// A recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostileRequest {
    /// When it had arrived as a whole.
    pub arrived: SystemTime,
    /// The request line and the headers, with the empty line after them.
    pub head: String,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl HostileRequest {
    /// Returns path and query.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Returns a header's value if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let mut named = headers.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Record {
    requests: VecDeque<HostileRequest>,
    received: u64,
    connections: u64,
    open: u64,
    written: u64,
}

/// Says what a request meets, once the script is used up.
type Rule = Box<dyn Fn(&HostileRequest) -> Deed + Send + Sync>;

/// What the receiver shares with its connections.
struct Shared {
    /// What every connection meets that the script leaves alone, if nothing is read from it.
    deaf: Option<Deed>,
    rule: Rule,
    script: Mutex<VecDeque<Deed>>,
    record: watch::Sender<Record>,
}

/// A running receiver; dropped, it closes its connections and its port.
pub struct HostileReceiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl HostileReceiver {
    /// Starts a receiver that does the same to every request. To be called within a runtime, as all of these.
    ///
    /// # Errors
    ///
    /// The bind error, without a free port.
    pub fn start(deed: Deed) -> io::Result<Self> {
        let deaf = Some(deed.clone()).filter(|deed| !deed.reads);
        Self::bind(deaf, Box::new(move |_| deed.clone()))
    }

    /// Starts a receiver that looks at each request first.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_with(rule: impl Fn(&HostileRequest) -> Deed + Send + Sync + 'static) -> io::Result<Self> {
        Self::bind(None, Box::new(rule))
    }

    fn bind(deaf: Option<Deed>, rule: Rule) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { deaf, rule, script: Mutex::default(), record: watch::Sender::default() });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, _server: server })
    }

    /// Appends to the script: each following request meets the next deed. One that reads nothing is met by the next
    /// connection instead.
    pub fn next(&self, deeds: impl IntoIterator<Item = Deed>) {
        lock(&self.shared.script).extend(deeds);
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a URL that reaches it.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Returns the requests that are kept, oldest first.
    pub fn requests(&self) -> Vec<HostileRequest> {
        self.shared.record.borrow().requests.iter().cloned().collect()
    }

    /// Returns how many requests have arrived as a whole.
    pub fn received(&self) -> u64 {
        self.shared.record.borrow().received
    }

    /// Returns how many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.shared.record.borrow().connections
    }

    /// Returns how many connections are open. One that is never read from is so until the receiver is dropped.
    pub fn open(&self) -> u64 {
        self.shared.record.borrow().open
    }

    /// Returns how many bytes of answers the system has taken: what clients read, and what fits into the buffers.
    pub fn written(&self) -> u64 {
        self.shared.record.borrow().written
    }

    /// Waits until at least `count` requests have arrived in all, and returns those kept. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`TooFewRequests`] at the deadline.
    pub async fn wait_for(&self, count: u64, deadline: Duration) -> Result<Vec<HostileRequest>, TooFewRequests> {
        let mut record = self.shared.record.subscribe();
        if let Ok(Ok(record)) = timeout(deadline, record.wait_for(|record| record.received >= count)).await {
            return Ok(record.requests.iter().cloned().collect());
        }
        let record = self.shared.record.borrow();
        let (received, connections) = (record.received, record.connections);
        Err(TooFewRequests { wanted: count, received, connections, deadline })
    }
}

impl Shared {
    /// Returns what a new connection meets before anything is read.
    fn deaf_deed(&self) -> Option<Deed> {
        let mut script = lock(&self.script);
        match script.front() {
            Some(deed) if deed.reads => None,
            Some(_) => script.pop_front(),
            None => self.deaf.clone(),
        }
    }

    /// Records a request, and returns what it meets.
    fn deed(&self, request: HostileRequest) -> Deed {
        let scripted = lock(&self.script).pop_front();
        let deed = scripted.unwrap_or_else(|| (self.rule)(&request));
        self.record.send_modify(|record| {
            record.received += 1;
            if record.requests.len() == REQUESTS_KEPT {
                record.requests.pop_front();
            }
            record.requests.push_back(request);
        });
        deed
    }

    fn note_written(&self, count: u64) {
        self.record.send_modify(|record| record.written += count);
    }

    fn note_open(&self, open: usize) {
        self.record.send_modify(|record| record.open = open as u64);
    }
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts connections, and owns them.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    shared.record.send_modify(|record| record.connections += 1);
                    connections.spawn(connection::serve(stream, Arc::clone(&shared)));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
        shared.note_open(connections.len());
    }
}
