//! How clients reach a mock venue.
//!
//! Owns the accepting of connections, the check of paths, and the tasks of all connections, which end with it.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, sleep};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};

use super::http::{Head, respond};
use super::hub::Hub;
use super::kind::VenueKind;
use super::oanda::Prices;
use super::rest::Reply;
use super::script::FaultKind;
use super::session::Session;
use super::talk::Talk;
use super::wire::Wire;
use super::{binance, bybit, coinbase, kraken, okx};

/// Real time between two looks whether a dead venue is alive again.
const PAUSE: Duration = Duration::from_millis(10);

/// Accepts connections and has each served by `serve`, forever.
pub(crate) async fn accept<F>(listener: TcpListener, hub: Arc<Hub>, serve: impl Fn(TcpStream, Arc<Hub>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if !hub.script().has(hub.clock.now_ms(), FaultKind::Refused) => {
                    connections.spawn(serve(stream, Arc::clone(&hub)));
                }
                Ok(_) => {}
                // Out of file descriptors, most likely: others end.
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Waits until the venue, if it is dead for new connections too, is alive.
async fn revive(hub: &Hub) {
    loop {
        let now_ms = hub.clock.now_ms();
        if !hub.script().dead(now_ms, now_ms) {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// Counts a connection and returns its number.
fn number(hub: &Hub) -> usize {
    let mut record = hub.record();
    record.connections += 1;
    record.connections
}

/// Returns the venue's protocol at a path, `None` for a wrong one.
fn protocol(hub: &Hub, path_and_query: &str) -> Option<Box<dyn Talk>> {
    let path = path_and_query.split('?').next().unwrap_or("");
    match hub.kind {
        VenueKind::Binance => Some(Box::new(binance::Streams::at(hub, path_and_query)?)),
        VenueKind::Kraken if path == "/v2" => Some(Box::new(kraken::Channels::default())),
        VenueKind::Coinbase if path == "/" => Some(Box::new(coinbase::Channels::default())),
        VenueKind::Bybit if path == "/v5/public/spot" => Some(Box::new(bybit::Topics::default())),
        VenueKind::Okx => Some(Box::new(okx::Channels::at(path)?)),
        _ => None,
    }
}

/// Checks the path of a handshake.
struct Check<'a> {
    hub: &'a Hub,
    /// The protocol that is found there.
    talk: &'a mut Option<Box<dyn Talk>>,
}

impl Callback for Check<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let path_and_query = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *self.talk = protocol(self.hub, path_and_query);
        if self.talk.is_some() {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::NOT_FOUND;
        Err(refusal)
    }
}

/// Serves a WebSocket.
pub(crate) async fn frames(stream: TcpStream, hub: Arc<Hub>) {
    revive(&hub).await;
    stream.set_nodelay(true).ok();
    let mut talk = None;
    let check = Check { hub: &hub, talk: &mut talk };
    let Ok(socket) = accept_hdr_async(stream, check).await else { return };
    if let Some(talk) = talk {
        let id = number(&hub);
        Session::run(hub, id, Wire::Frames(Box::new(socket)), talk).await;
    }
}

/// Serves a chunked stream of lines.
pub(crate) async fn lines(mut stream: TcpStream, hub: Arc<Hub>) {
    revive(&hub).await;
    stream.set_nodelay(true).ok();
    let mut buffer = Vec::new();
    while let Some(head) = Head::read(&mut stream, &mut buffer).await {
        let prices = if hub.kind == VenueKind::Oanda && head.method == "GET" {
            Prices::at(&hub, &head.path_and_query, head.headers.get("authorization"))
        } else {
            Err(Reply::new(404, ""))
        };
        match prices {
            Ok(prices) => {
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\
                    transfer-encoding: chunked\r\n\r\n";
                if stream.write_all(answer.as_bytes()).await.is_ok() {
                    let id = number(&hub);
                    Session::run(hub, id, Wire::Lines(stream), Box::new(prices)).await;
                }
                return;
            }
            Err(refusal) => {
                if respond(&mut stream, &refusal).await.is_err() || head.last {
                    return;
                }
            }
        }
    }
}
