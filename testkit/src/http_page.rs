//! One page of an HTTP server, fetched.
//!
//! Owns a plain GET over a connection of its own, enough to look at `/metrics`, `/livez` and `/readyz` from outside.
//! It follows nothing, keeps nothing open and speaks no TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Deadline for connecting, asking and reading together.
const DEADLINE: Duration = Duration::from_secs(10);

/// How many bytes of an answer are read.
const ANSWER_MAX_BYTES: u64 = 16 << 20;

/// A page could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("get http://{address}{path}: {source}")]
pub struct HttpPageError {
    /// The server.
    pub address: SocketAddr,
    /// The page.
    pub path: String,
    /// What went wrong.
    pub source: io::Error,
}

/// The status and body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPage {
    /// The status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl HttpPage {
    /// Fetches `path` from the server at `address`.
    ///
    /// # Errors
    ///
    /// [`HttpPageError`] if there is no whole answer within ten seconds. Any status is an answer.
    pub async fn fetch(address: SocketAddr, path: &str) -> Result<Self, HttpPageError> {
        let fetched = timeout(DEADLINE, exchange(address, path)).await;
        let answer = fetched.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let page = answer.and_then(|text| {
            Self::parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("answer {text:?}")))
        });
        page.map_err(|source| HttpPageError { address, path: path.to_owned(), source })
    }

    fn parse(answer: &str) -> Option<Self> {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, body: body.to_owned() })
    }
}

/// Sends the request in HTTP/1.0, whose answers end with the connection, and reads the whole answer.
async fn exchange(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::free_port;

    #[test]
    fn status_and_body_are_read() {
        let page = HttpPage::parse("HTTP/1.0 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nredis");
        assert_eq!(page, Some(HttpPage { status: 503, body: "redis".to_owned() }));
        assert_eq!(HttpPage::parse("SSH-2.0-OpenSSH"), None);
    }

    #[tokio::test]
    async fn refused_connection_names_the_page() -> anyhow::Result<()> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let error = HttpPage::fetch(address, "/readyz").await.expect_err("nothing listens");
        assert!(error.to_string().starts_with(&format!("get http://{address}/readyz: ")), "{error}");
        Ok(())
    }
}
