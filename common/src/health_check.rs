//! `health` of each program: asks the running process's `/readyz`, as the health check of a container does.
//!
//! It is one short question over a connection of its own. It looks neither at Redis nor at what the process has done.

use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::timeout;

use crate::exit::{Fault, Outcome};
use crate::own_page;

/// Connecting, asking and the whole answer. A container's health check is cut off after some seconds without a word.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the process that serves `address`, and prints one line on standard output.
///
/// # Errors
///
/// [`Fault::Usage`] for port 0, where nobody can tell which port was taken.
pub async fn run(address: SocketAddr) -> anyhow::Result<Outcome> {
    let address = reachable(address);
    if address.port() == 0 {
        let hint = "port 0 is a free one that the process took and logged: say which with --http";
        return Err(Fault::Usage(format!("http address {address}: {hint}")).into());
    }
    let health = ask(address).await;
    // Standard output may be closed; then the exit code tells.
    let _ = std::io::stdout().write_all(format!("http://{address}/readyz: {health}\n").as_bytes());
    Ok(if health == Answer::Ready { Outcome::Done } else { Outcome::FaultsFound })
}

/// What the process says of itself.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ready,
    NotReady { status: StatusCode, reason: String },
    None { reason: String },
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => write!(f, "ready"),
            Self::NotReady { status, reason } => write!(f, "not ready: {reason} ({})", status.as_u16()),
            Self::None { reason } => write!(f, "no answer: {reason}"),
        }
    }
}

/// A process that listens on every address is asked at this machine's own.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

async fn ask(address: SocketAddr) -> Answer {
    match timeout(PATIENCE, own_page::fetch(address, "/readyz")).await {
        Ok(Ok((StatusCode::OK, _))) => Answer::Ready,
        Ok(Ok((status, body))) => Answer::NotReady { status, reason: first_line(&body) },
        Ok(Err(error)) => Answer::None { reason: format!("{error:#}") },
        Err(_) => Answer::None { reason: format!("nothing within {PATIENCE:?}") },
    }
}

/// What is behind the address may be any server, so that its words are shown with care.
fn first_line(body: &str) -> String {
    body.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    /// Serves `/readyz` with this answer for as long as the set lives.
    async fn serve(status: StatusCode, body: String) -> (SocketAddr, JoinSet<std::io::Result<()>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/readyz", get(async move || (status, body)));
        let mut server = JoinSet::new();
        server.spawn(async { axum::serve(listener, router).await });
        (address, server)
    }

    async fn answer(status: StatusCode, body: impl Into<String>) -> String {
        let (address, _server) = serve(status, body.into()).await;
        ask(address).await.to_string()
    }

    #[tokio::test]
    async fn only_200_is_ready_and_anything_else_says_why() {
        assert_eq!(answer(StatusCode::OK, "ready\n").await, "ready");
        let redis = "redis does not answer\n";
        let said = answer(StatusCode::SERVICE_UNAVAILABLE, redis).await;
        assert_eq!(said, "not ready: redis does not answer (503)");
        assert_eq!(answer(StatusCode::NOT_FOUND, "\u{1b}[2Jgone\nfar").await, "not ready: [2Jgone (404)");
        assert_eq!(answer(StatusCode::OK, "x".repeat(5_000)).await, "no answer: length limit exceeded");
    }

    #[tokio::test]
    async fn an_answer_in_another_tongue_or_none_is_no_answer() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        assert_eq!(ask(address).await.to_string(), "no answer: nothing within 2s");
        drop(silent);
        let refused = ask(address).await.to_string();
        assert!(refused.starts_with("no answer: Connection refused"), "{refused}");

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ssh = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-OpenSSH\r\n").await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(ask(address), ssh);
        assert!(matches!(answer, Answer::None { .. }), "{answer:?}");
    }

    #[test]
    fn every_address_is_asked_at_this_machines_own() {
        for (configured, asked) in
            [("0.0.0.0:9101", "127.0.0.1:9101"), ("[::]:9101", "[::1]:9101"), ("10.0.0.7:9101", "10.0.0.7:9101")]
        {
            assert_eq!(reachable(configured.parse().unwrap()).to_string(), asked);
        }
    }
}
