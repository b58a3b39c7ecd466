//! A TCP proxy in front of a Redis that breaks connections on command.
//!
//! Owns a loopback port and every connection through it. Without a command it passes bytes on as they are. The faults
//! are those that a client must survive: connections that are cut, hang or are refused, a request of which only half
//! arrives, and a reply that is lost after the request was carried out. One trap can be set at a time; it catches the
//! next request that matches. The proxy changes no byte, and the bytes it holds are bounded by one buffer for each
//! direction. Dropped, it closes everything.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::fault_relay::Relay;
use crate::ports::free_port;

/// How many ports are tried; each can be taken by someone else between its choice and the bind.
const PORT_TRIES: u32 = 5;

/// Pause between two attempts to listen again on a port that was given up.
const LISTEN_PAUSE: Duration = Duration::from_millis(10);

/// What holds for all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// How often connections were cut: those that are older than the last cut end.
    pub(crate) cuts: u64,
    /// Nothing is passed on.
    pub(crate) hung: bool,
    /// Nobody listens.
    pub(crate) refusing: bool,
}

/// What happens to the request that is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Catch {
    /// It is passed on, and the connection ends once it was answered; the answer is not passed on.
    LoseReply,
    /// Half of its bytes are passed on, and the connection ends.
    Halve,
}

/// The one trap.
#[derive(Clone, Debug, Default)]
pub(crate) enum Trap {
    /// None is set, or it has done its work.
    #[default]
    None,
    /// The next request that contains the marker is caught.
    Set { catch: Catch, marker: Vec<u8> },
    /// A request was caught and is being dealt with.
    Shut,
}

/// What the proxy shares with its connections.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) orders: watch::Sender<Orders>,
    pub(crate) trap: watch::Sender<Trap>,
}

/// A running proxy.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

impl FaultProxy {
    /// Starts a proxy to `target`, which need not answer yet.
    ///
    /// # Errors
    ///
    /// The last bind error, if no port could be had.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = bind().await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let mut server = JoinSet::new();
        server.spawn(serve(listener, address, target, Arc::clone(&shared)));
        Ok(Self { address, shared, _server: server })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of database 0 of the Redis behind it.
    pub fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Closes all connections. New ones are accepted.
    pub fn cut(&self) {
        self.shared.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// Lets all connections hang: they stay open, new ones are accepted, and no byte comes through.
    pub fn hang(&self) {
        self.shared.orders.send_modify(|orders| orders.hung = true);
    }

    /// Refuses new connections, as a host without a server does. Those that exist go on.
    pub fn refuse(&self) {
        self.shared.orders.send_modify(|orders| orders.refusing = true);
    }

    /// Ends [`Self::hang`] and [`Self::refuse`] and takes a trap away that has caught nothing. What was held back
    /// is passed on.
    pub fn resume(&self) {
        self.shared.orders.send_modify(|orders| (orders.hung, orders.refusing) = (false, false));
        self.disarm();
    }

    /// Loses one reply: the next request that contains `marker` is passed on as a whole, and once Redis has answered,
    /// its connection is closed without the answer.
    pub fn lose_reply(&self, marker: &[u8]) {
        self.shared.trap.send_replace(Trap::Set { catch: Catch::LoseReply, marker: marker.to_vec() });
    }

    /// Breaks one request: of the next that contains `marker`, half of the bytes are passed on, and its connection is
    /// closed.
    pub fn halve_request(&self, marker: &[u8]) {
        self.shared.trap.send_replace(Trap::Set { catch: Catch::Halve, marker: marker.to_vec() });
    }

    /// Waits until the trap has done its work, and says whether it has; at `deadline` it is taken away. Cancel-safe.
    pub async fn sprung(&self, deadline: Duration) -> bool {
        let mut trap = self.shared.trap.subscribe();
        let done = matches!(timeout(deadline, trap.wait_for(|trap| matches!(trap, Trap::None))).await, Ok(Ok(_)));
        done || !self.disarm()
    }

    /// Takes away a trap that has caught nothing, and says whether there was one.
    fn disarm(&self) -> bool {
        self.shared.trap.send_if_modified(|trap| {
            let is_set = matches!(trap, Trap::Set { .. });
            if is_set {
                *trap = Trap::None;
            }
            is_set
        })
    }
}

/// Binds a port outside of the range of outgoing connections: while nobody listens, a client that dials a port of
/// that range could meet itself.
async fn bind() -> io::Result<TcpListener> {
    let mut tries = 1;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, free_port()?)).await {
            Err(_) if tries < PORT_TRIES => tries += 1,
            bound => return bound,
        }
    }
}

/// Accepts connections, and owns them. Listens only while nothing is refused.
async fn serve(listener: TcpListener, address: SocketAddr, target: SocketAddr, shared: Arc<Shared>) {
    let mut relays = JoinSet::new();
    let mut orders = shared.orders.subscribe();
    let mut listener = Some(listener);
    loop {
        let now = *orders.borrow_and_update();
        match &listener {
            Some(_) if now.refusing => listener = None,
            None if !now.refusing => listener = TcpListener::bind(address).await.ok(),
            _ => {}
        }
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return },
            client = accept(listener.as_ref()) => {
                // A client that is gone before it was accepted is no loss.
                if let Ok(client) = client {
                    relays.spawn(Relay::run(client, target, Arc::clone(&shared)));
                }
            }
            Some(_) = relays.join_next() => {}
            () = sleep(LISTEN_PAUSE), if listener.is_none() && !now.refusing => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<tokio::net::TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}
