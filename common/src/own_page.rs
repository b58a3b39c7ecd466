//! One page of a process's own small server, fetched over a connection of its own.
//!
//! It follows nothing and keeps nothing open. How long it may take is the caller's to say.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A longer answer is not ours.
const ANSWER_MAX_BYTES: usize = 4 << 10;

/// Fetches `path` from whoever serves `address`, which may be somebody else. Cancel-safe.
pub(crate) async fn fetch(address: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path).header(header::HOST, address.to_string()).body(Empty::<Bytes>::new())?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    // The connection moves the bytes. It ends with its sender, and what is wrong with it is the answer's error, too.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}
