//! Mock venues seen through real clients.

mod fault;
mod live;
mod rest;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Market, MockVenue, OANDA_TOKEN, Script, VenueKind, VirtualClock};
use crate::wait::PATIENCE;

/// A round minute: 2026-09-21T17:20:00Z.
const START_MS: i64 = 1_790_011_200_000;

const MINUTE_MS: i64 = 60_000;

/// A venue with two symbols whose clock runs from a bit before `START_MS`.
async fn venue(kind: VenueKind, speed: u32, script: Script) -> MockVenue {
    let market = Market::new(11, &["BTC-USD", "ETH-USD"]);
    let clock = VirtualClock::starting_at(START_MS - 5_000, speed);
    MockVenue::start(kind, market, clock, script).await.expect("free ports")
}

/// A script that drops no client: seconds of grace are milliseconds at these speeds, too few on a busy machine.
fn lenient() -> Script {
    Script { enforce_rules: false, ..Script::none() }
}

/// A WebSocket client.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn open(venue: &MockVenue, path: &str) -> Self {
        Self(connect_async(format!("{}{path}", venue.ws_url())).await.expect("a socket").0)
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("an open socket");
    }

    /// Returns the next message, `None` at the end of the connection.
    async fn next(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.0.next()).await.expect("something in time")?.ok()
    }

    /// Returns the first JSON message that `wanted` takes.
    async fn find(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let search = async {
            while let Some(message) = self.next().await {
                let value = message.to_text().ok().and_then(|text| serde_json::from_str(text).ok());
                if let Some(value) = value.filter(|value| wanted(value)) {
                    return value;
                }
            }
            panic!("the connection ended")
        };
        timeout(PATIENCE, search).await.expect("the message in time")
    }
}

/// Fetches a page with OANDA's token; returns status and body.
async fn get(base: &str, path: &str) -> (u16, Value) {
    let (head, body) = get_text(base, path).await;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(&body).unwrap_or_default())
}

async fn get_text(base: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nauthorization: Bearer {OANDA_TOKEN}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("an open connection");
    let mut text = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await.expect("an answer").expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.to_owned(), body.to_owned())
}
