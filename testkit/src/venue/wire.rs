//! The two ways in which a live feed reaches its client: WebSocket frames, and lines of a chunked HTTP answer.
//!
//! Owns the connection, and how it can be broken on purpose.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::script::Cut;

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Gone;

/// What a client sent.
pub(crate) enum Heard {
    Text(String),
    Pong,
    Other,
}

/// A live connection.
pub(crate) enum Wire {
    Frames(Box<WebSocketStream<TcpStream>>),
    Lines(TcpStream),
}

impl Wire {
    /// Waits for what the client sends next. Cancel-safe.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Gone> {
        match self {
            Self::Frames(socket) => match socket.next().await {
                Some(Ok(Message::Text(text))) => Ok(Heard::Text(text.as_str().to_owned())),
                Some(Ok(Message::Pong(_))) => Ok(Heard::Pong),
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
                Some(Ok(_)) => Ok(Heard::Other),
            },
            Self::Lines(stream) => match stream.read(&mut [0; 1024]).await {
                Ok(1..) => Ok(Heard::Other),
                _ => Err(Gone),
            },
        }
    }

    /// Sends a text frame, or a line.
    pub(crate) async fn send(&mut self, text: &str) -> Result<(), Gone> {
        match self {
            Self::Frames(socket) => socket.send(Message::text(text)).await.map_err(|_| Gone),
            Self::Lines(stream) => {
                // Chunks do not align with lines.
                let line = format!("{text}\n");
                let middle = (0..=line.len() / 2).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
                for part in [&line[..middle], &line[middle..]].iter().filter(|part| !part.is_empty()) {
                    let chunk = format!("{:x}\r\n{part}\r\n", part.len());
                    stream.write_all(chunk.as_bytes()).await.map_err(|_| Gone)?;
                }
                Ok(())
            }
        }
    }

    /// Sends a binary frame; there is no such line.
    pub(crate) async fn send_binary(&mut self) -> Result<(), Gone> {
        match self {
            Self::Frames(socket) => socket.send(Message::binary(vec![0_u8, 159, 146, 150])).await.map_err(|_| Gone),
            Self::Lines(_) => Ok(()),
        }
    }

    /// Sends a ping frame; lines have none.
    pub(crate) async fn ping(&mut self, payload: &str) -> Result<(), Gone> {
        match self {
            Self::Frames(socket) => {
                socket.send(Message::Ping(payload.as_bytes().to_vec().into())).await.map_err(|_| Gone)
            }
            Self::Lines(_) => Ok(()),
        }
    }

    /// Sends the first half of a text frame or chunk, and closes TCP.
    pub(crate) async fn halve(self, text: &str) {
        let half = &text.as_bytes()[..text.len() / 2];
        let (mut stream, head) = match self {
            Self::Frames(socket) => (socket.into_inner(), frame_head(text.len())),
            Self::Lines(stream) => (stream, format!("{:x}\r\n", text.len() + 1).into_bytes()),
        };
        // If the client is gone already, nothing arrives, which is a fault as good.
        stream.write_all(&[&head, half].concat()).await.ok();
        stream.shutdown().await.ok();
    }

    /// Ends TCP, without a close frame.
    pub(crate) fn cut(self, cut: Cut) {
        let stream = match self {
            Self::Frames(socket) => socket.into_inner(),
            Self::Lines(stream) => stream,
        };
        if cut == Cut::Reset {
            stream.set_zero_linger().ok();
        }
    }

    /// Ends the connection as the protocol has it.
    pub(crate) async fn close(self) {
        match self {
            Self::Frames(mut socket) => {
                socket.close().await.ok();
            }
            Self::Lines(mut stream) => {
                stream.write_all(b"0\r\n\r\n").await.ok();
            }
        }
    }
}

/// Returns the head of an unmasked text frame.
fn frame_head(length: usize) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..126), _) => vec![0x81, length],
        (_, Ok(length)) => [&[0x81, 126][..], &length.to_be_bytes()].concat(),
        _ => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_all_lengths_have_heads() {
        assert_eq!(frame_head(125), [0x81, 125]);
        assert_eq!(frame_head(126), [0x81, 126, 0, 126]);
        assert_eq!(frame_head(65_536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
