//! HTTP/1.1 as far as a mock venue needs it: GET requests without a body, on connections that are kept.
//!
//! Written by hand because a fault needs the bare connection: left hanging, closed instead of an answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hub::Hub;
use super::rest::{Reply, answer};
use super::script::FaultKind;

/// How long the head of a request may be.
const HEAD_MAX_BYTES: usize = 64 << 10;

/// The head of a request.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path_and_query: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
    /// Whether the client expects the connection to end with the answer.
    pub(crate) last: bool,
}

impl Head {
    /// Reads the next head; `None` at the end of the connection, or if what comes is none.
    pub(crate) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Self> {
        loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(buffer.drain(..end + 4).collect()).ok()?;
                return Self::parse(&head);
            }
            if buffer.len() > HEAD_MAX_BYTES || stream.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn parse(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, path_and_query) = (words.next()?.to_owned(), words.next()?.to_owned());
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_lowercase(), value.trim().to_owned()))
        };
        let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
        let last = words.next() == Some("HTTP/1.0") || headers.get("connection").is_some_and(|word| word == "close");
        Some(Self { method, path_and_query, headers, last })
    }
}

/// Writes a whole answer.
pub(crate) async fn respond(stream: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    let mut text = format!("HTTP/1.1 {} Mock\r\ncontent-type: application/json\r\n", reply.status);
    for (name, value) in &reply.headers {
        // Writing to a string can't fail.
        write!(text, "{name}: {value}\r\n").ok();
    }
    write!(text, "content-length: {}\r\n\r\n{}", reply.body.len(), reply.body).ok();
    stream.write_all(text.as_bytes()).await
}

/// Answers the requests of one connection until it ends.
pub(crate) async fn serve_rest(mut stream: TcpStream, hub: Arc<Hub>) {
    stream.set_nodelay(true).ok();
    let mut buffer = Vec::new();
    while let Some(head) = Head::read(&mut stream, &mut buffer).await {
        if hub.script().has(hub.clock.now_ms(), FaultKind::Refused) {
            return;
        }
        let reply = if head.method == "GET" {
            answer(&hub, &head.path_and_query, &head.headers)
        } else {
            Some(Reply::new(405, ""))
        };
        match reply {
            Some(reply) if respond(&mut stream, &reply).await.is_err() || head.last => return,
            Some(_) => {}
            // The client gives up, or the mock is dropped.
            None => while stream.read_buf(&mut buffer).await.is_ok_and(|count| count > 0) {},
        }
    }
}
