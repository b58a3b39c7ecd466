//! Mock venues: real WebSocket and HTTP servers on loopback that behave as exchanges do, and misbehave on demand.
//!
//! Owns the servers of one venue, the market behind them, and what a test may want to know afterwards. The protocols
//! are written from the venues' documentation, not from Candlewire's own client, so they judge it. All schedules follow
//! a [`VirtualClock`]; everything a venue says is a function of its [`Market`], the time and the [`Script`].
//!
//! It is no exchange: there are no orders, and no accounts but OANDA's token.

mod accept;
mod bar;
mod binance;
mod budget;
mod bybit;
mod clock;
mod coinbase;
mod feed;
mod http;
mod hub;
mod kind;
mod kraken;
mod market;
mod oanda;
mod okx;
mod rest;
mod script;
mod session;
mod talk;
#[cfg(test)]
mod tests;
mod time;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use hub::Hub;

pub use bar::{Bar, SIZE_DECIMALS, Trade};
pub use clock::VirtualClock;
pub use hub::{RestRequest, Subscribed};
pub use kind::VenueKind;
pub use market::{Market, TruthCandle};
pub use oanda::OANDA_TOKEN;
pub use script::{Cut, Fault, FaultKind, RestFault, Script};

/// A mock venue could not be started.
#[derive(Debug, thiserror::Error)]
#[error("mock venue {kind:?}: {source}")]
pub struct MockVenueError {
    /// The venue.
    pub kind: VenueKind,
    /// What went wrong.
    pub source: io::Error,
}

/// A running venue; dropped, it closes its connections and ports.
#[derive(Debug)]
pub struct MockVenue {
    hub: Arc<Hub>,
    ws: SocketAddr,
    rest: SocketAddr,
    stream: SocketAddr,
    _servers: JoinSet<()>,
}

impl MockVenue {
    /// Starts a venue.
    ///
    /// # Errors
    ///
    /// [`MockVenueError`] without free ports.
    pub async fn start(
        kind: VenueKind,
        market: Market,
        clock: VirtualClock,
        script: Script,
    ) -> Result<Self, MockVenueError> {
        let hub = Arc::new(Hub::new(kind, market, clock, script));
        Self::serve(hub).await.map_err(|source| MockVenueError { kind, source })
    }

    async fn serve(hub: Arc<Hub>) -> io::Result<Self> {
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (ws, rest, stream) = (bind().await?, bind().await?, bind().await?);
        let addresses = (ws.local_addr()?, rest.local_addr()?, stream.local_addr()?);
        let mut servers = JoinSet::new();
        servers.spawn(accept::accept(ws, Arc::clone(&hub), accept::frames));
        servers.spawn(accept::accept(rest, Arc::clone(&hub), http::serve_rest));
        servers.spawn(accept::accept(stream, Arc::clone(&hub), accept::lines));
        Ok(Self { hub, ws: addresses.0, rest: addresses.1, stream: addresses.2, _servers: servers })
    }

    /// Returns the base URL of the WebSocket server, such as `ws://127.0.0.1:1234`. OANDA has none; all is 404 there.
    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.ws)
    }

    /// Returns the base URL of the REST API.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.rest)
    }

    /// Returns the base URL of OANDA's chunked stream. Other venues have none; all is 404 there.
    pub fn stream_url(&self) -> String {
        format!("http://{}", self.stream)
    }

    /// Returns the clock.
    pub fn clock(&self) -> VirtualClock {
        self.hub.clock
    }

    /// Returns the market.
    pub fn market(&self) -> &Market {
        &self.hub.market
    }

    /// Returns the candles of a canonical symbol that start in `from_ms..to_ms`, as REST shows them once all is settled.
    pub fn truth(&self, symbol: &str, timeframe_ms: i64, from_ms: i64, to_ms: i64) -> Vec<TruthCandle> {
        self.hub.market.truth(self.hub.kind, symbol, timeframe_ms, from_ms, to_ms)
    }

    /// Returns the REST requests that came, in order.
    pub fn requests(&self) -> Vec<RestRequest> {
        self.hub.record().requests.clone()
    }

    /// Returns how many live connections have been opened so far, refused ones aside.
    pub fn connections(&self) -> usize {
        self.hub.record().connections
    }

    /// Returns the subscriptions of all connections that are open now, each once, sorted.
    pub fn subscribed(&self) -> Vec<Subscribed> {
        let mut subscribed: Vec<_> = self.hub.record().live.values().flatten().cloned().collect();
        subscribed.sort();
        subscribed.dedup();
        subscribed
    }

    /// Returns what clients did that the venue forbids: keep-alive and message rates if the script enforces rules, the
    /// request budget if it enforces that.
    pub fn violations(&self) -> Vec<String> {
        self.hub.record().violations.clone()
    }

    /// Replaces the script, for open connections too.
    pub fn set_script(&self, script: Script) {
        *self.hub.script() = script;
    }
}
