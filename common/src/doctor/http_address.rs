//! The address of /metrics, /livez and /readyz: free, served by a process that runs, or taken by something else.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::finding::Finding;
use crate::own_page;

/// How long whoever has the address may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at an address; `key` is its place in the configuration.
pub async fn look(address: SocketAddr, key: &str) -> Finding {
    let subject = format!("http at {address}");
    let choose = format!("choose another with {key} or --http");
    match TcpListener::bind(address).await {
        Ok(_) if address.port() == 0 => Finding::ok("http", "a free port is chosen at start, the log names it"),
        Ok(_) => Finding::ok(subject, "free"),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let answer = timeout(PATIENCE, own_page::fetch(address, "/livez")).await;
            if matches!(answer, Ok(Ok((StatusCode::OK, text))) if text == "ok\n") {
                Finding::ok(subject, "a process runs there and is alive")
            } else {
                Finding::fault(subject, format!("taken by something else: {choose}"))
            }
        }
        Err(error) => Finding::fault(subject, format!("{error}: {choose}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::super::Verdict;
    use super::*;
    use crate::health::Health;
    use crate::metrics::{self, Process};
    use crate::server::Server;

    #[tokio::test]
    async fn free_served_and_taken_are_told_apart() {
        let free = look(SocketAddr::from(([127, 0, 0, 1], 0)), "http.ingestor").await;
        assert_eq!(free.verdict, Verdict::Ok);

        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = taken.accept().await {
                // Whether anybody still reads does not matter.
                let _ = stream.write_all(b"220 mail\r\n").await;
            }
        });
        let found = look(address, "http.ingestor").await;
        assert_eq!(found.verdict, Verdict::Fault);
        assert!(found.detail.ends_with("choose another with http.ingestor or --http"), "{}", found.detail);

        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Server::bind(port).await.unwrap();
        let recorder = metrics::install(Process::Ingestor).unwrap();
        let stop = CancellationToken::new();
        let page_stop = stop.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move { server.serve(recorder, Health::default(), page_stop).await });
        assert_eq!(
            look(port, "http.ingestor").await,
            Finding::ok(format!("http at {port}"), "a process runs there and is alive")
        );
        stop.cancel();
        serving.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(look(port, "http.ingestor").await, Finding::ok(format!("http at {port}"), "free"));
    }
}
