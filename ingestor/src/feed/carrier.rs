//! The bytes of a feed: WebSocket messages, or the lines of an endless HTTP answer.
//!
//! Owns opening, framing and bounds. Pings are answered as they come, by the library, while messages are read.

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use url::Url;

use crate::rest::client::root_cause;
use crate::venue::profile::Transport;

/// The most bytes of one message or line: a snapshot of 720 candles takes some 200 kB.
const MESSAGE_MAX: usize = 4 << 20;

/// An open feed.
#[derive(Debug)]
pub enum Carrier {
    /// WebSocket messages.
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    /// Lines, and what has come of the next one.
    Lines(Box<reqwest::Response>, Vec<u8>),
}

/// What came over a feed.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Text(String),
    /// A message that is no text.
    Binary,
    /// A ping, or another sign of life.
    Control,
}

impl Carrier {
    /// Opens a feed.
    ///
    /// # Errors
    ///
    /// What keeps it from opening.
    pub async fn open(transport: Transport, http: &reqwest::Client, address: &Url) -> Result<Self, String> {
        match transport {
            Transport::WebSocket => open_socket(address).await,
            Transport::Lines => open_lines(http, address).await,
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// Why the connection is lost.
    pub async fn send(&mut self, message: String) -> Result<(), String> {
        match self {
            Self::WebSocket(socket) => socket.send(Message::text(message)).await.map_err(|error| reason(&error)),
            Self::Lines(..) => Ok(()),
        }
    }

    /// Waits for what comes next. Cancel-safe.
    ///
    /// # Errors
    ///
    /// Why the connection is over.
    pub async fn next(&mut self) -> Result<Frame, String> {
        match self {
            Self::WebSocket(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => Ok(Frame::Text(text.as_str().to_owned())),
                Some(Ok(Message::Binary(_))) => Ok(Frame::Binary),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Frame::Control),
                Some(Ok(Message::Close(close))) => Err(match close {
                    Some(close) if !close.reason.is_empty() => format!("the venue closed it: {}", close.reason),
                    Some(close) => format!("the venue closed it: code {}", close.code),
                    None => "the venue closed it".to_owned(),
                }),
                Some(Err(error)) => Err(reason(&error)),
                None => Err("it ended".to_owned()),
            },
            Self::Lines(response, begun) => next_line(response, begun).await,
        }
    }
}

async fn open_socket(address: &Url) -> Result<Carrier, String> {
    let mut request = address.as_str().into_client_request().map_err(|error| reason(&error))?;
    let agent = HeaderValue::from_static(concat!("Candlewire/", env!("CARGO_PKG_VERSION")));
    let headers: &mut HeaderMap = request.headers_mut();
    headers.insert("user-agent", agent);
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    // No Nagle: a subscription should not wait.
    let opened = connect_async_with_config(request, Some(config), true).await;
    opened.map(|(socket, _)| Carrier::WebSocket(Box::new(socket))).map_err(|error| reason(&error))
}

async fn open_lines(http: &reqwest::Client, address: &Url) -> Result<Carrier, String> {
    let response = http.get(address.clone()).send().await.map_err(|error| root_cause(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(Carrier::Lines(Box::new(response), Vec::new()));
    }
    Err(format!("status {status}"))
}

async fn next_line(response: &mut reqwest::Response, begun: &mut Vec<u8>) -> Result<Frame, String> {
    loop {
        if let Some(frame) = whole_line(begun) {
            return Ok(frame);
        }
        if begun.len() > MESSAGE_MAX {
            return Err(format!("a line of more than {MESSAGE_MAX} bytes"));
        }
        match response.chunk().await {
            Ok(Some(chunk)) => begun.extend_from_slice(&chunk),
            Ok(None) => return Err("it ended".to_owned()),
            Err(error) => return Err(root_cause(&error)),
        }
    }
}

/// Takes the first line, where its end has come. Lines and chunks are cut at different places.
fn whole_line(begun: &mut Vec<u8>) -> Option<Frame> {
    let end = begun.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = begun.drain(..=end).collect();
    Some(match String::from_utf8(line) {
        Ok(line) => Frame::Text(line.trim_end().to_owned()),
        Err(_) => Frame::Binary,
    })
}

/// A socket's error in one line.
fn reason(error: &tungstenite::Error) -> String {
    use tungstenite::error::ProtocolError;
    match error {
        tungstenite::Error::Http(response) => format!("status {}", response.status()),
        tungstenite::Error::Io(error) => error.to_string(),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => "the connection broke".to_owned(),
        tungstenite::Error::Protocol(ProtocolError::HandshakeIncomplete) => "closed before it was open".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_chunks() {
        let (mut begun, mut frames) = (Vec::new(), Vec::new());
        for chunk in [&b"{\"a\":"[..], b"1}\n{\"b\"", b":2}\r\n\xff\n", b"{"] {
            begun.extend_from_slice(chunk);
            frames.extend(std::iter::from_fn(|| whole_line(&mut begun)));
        }
        let text = |text: &str| Frame::Text(text.to_owned());
        assert_eq!(frames, [text("{\"a\":1}"), text("{\"b\":2}"), Frame::Binary]);
        assert_eq!(begun, b"{");
    }
}
