//! Whether a URL's server can be reached: its name, the rule on private addresses, a connection, TLS. Nothing is asked of
//! it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use candlewire_common::ip_range::is_public;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// Why a server can't be reached, and what may help.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreached {
    /// Its name leads nowhere.
    #[error("the name {0} is not found ({1}): is it spelt right, can this machine resolve names?")]
    Name(String, io::Error),
    /// It leads to addresses that may not be sent to.
    #[error("{0} is at a private address: allow_private = true, if that is meant")]
    Private(String),
    /// Nobody listens there.
    #[error("{0}: {1}: is it running, is the port right, is there a way out?")]
    Connection(SocketAddr, io::Error),
    /// There is no TLS with it.
    #[error("no TLS with {0}: {1}: has it a valid certificate, has this machine ca-certificates?")]
    Tls(String, String),
    /// It took too long.
    #[error("{0} does not answer within {1:?}: is there a way out?")]
    Late(String, Duration),
    /// The URL names no server.
    #[error("the URL names no server")]
    NoHost,
}

/// Connects to the server, and leaves it. Answers with how long that took.
pub(super) async fn connect(url: &Url, allow_private: bool, patience: Duration) -> Result<Duration, Unreached> {
    let host = url.host_str().ok_or(Unreached::NoHost)?.to_owned();
    let started = Instant::now();
    let connected = timeout(patience, async {
        let stream = open(&addresses(url, allow_private).await?).await?;
        if url.scheme() == "https" { shake_hands(stream, url).await } else { Ok(()) }
    });
    connected.await.unwrap_or(Err(Unreached::Late(host, patience))).map(|()| started.elapsed())
}

async fn addresses(url: &Url, allow_private: bool) -> Result<Vec<SocketAddr>, Unreached> {
    let port = url.port_or_known_default().ok_or(Unreached::NoHost)?;
    let (name, mut found) = match url.host().ok_or(Unreached::NoHost)? {
        Host::Ipv4(address) => (address.to_string(), vec![SocketAddr::from((address, port))]),
        Host::Ipv6(address) => (address.to_string(), vec![SocketAddr::from((address, port))]),
        Host::Domain(name) => {
            let found = lookup_host((name, port)).await.map_err(|error| Unreached::Name(name.to_owned(), error))?;
            (name.to_owned(), found.collect())
        }
    };
    found.retain(|address| allow_private || is_public(address.ip()));
    if found.is_empty() { Err(Unreached::Private(name)) } else { Ok(found) }
}

/// Connects to the first address that listens.
async fn open(addresses: &[SocketAddr]) -> Result<TcpStream, Unreached> {
    let mut refused = Unreached::NoHost;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Unreached::Connection(*address, error),
        }
    }
    Err(refused)
}

/// Agrees on TLS, with the certificates that the system trusts, as the notifier does.
async fn shake_hands(stream: TcpStream, url: &Url) -> Result<(), Unreached> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let failed = |error: String| Unreached::Tls(host.clone(), error);
    let config = ClientConfig::with_platform_verifier().map_err(|error| failed(error.to_string()))?;
    let name = match url.host().ok_or(Unreached::NoHost)? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|error| failed(error.to_string()))?,
        Host::Ipv4(address) => ServerName::from(IpAddr::from(address)),
        Host::Ipv6(address) => ServerName::from(IpAddr::from(address)),
    };
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use candlewire_common::tls;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn told(url: &str, allow_private: bool) -> String {
        match connect(&url.parse().unwrap(), allow_private, PATIENCE).await {
            Ok(_) => "reached".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn each_stage_that_fails_has_its_own_advice() {
        tls::install();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(told(&format!("http://127.0.0.1:{port}/hook"), true).await, "reached");
        let private = told(&format!("http://localhost:{port}/"), false).await;
        assert_eq!(private, "localhost is at a private address: allow_private = true, if that is meant");
        let unknown = told("https://no-such-host.invalid/", true).await;
        assert!(unknown.starts_with("the name no-such-host.invalid is not found ("), "{unknown}");

        // It speaks, but no TLS.
        let mut mail = JoinSet::new();
        mail.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Whether anybody still reads does not matter.
                let _ = stream.write_all(b"220 mail\r\n").await;
            }
        });
        let deaf = told(&format!("https://127.0.0.1:{port}/"), true).await;
        assert!(deaf.starts_with("no TLS with 127.0.0.1: "), "{deaf}");
        mail.shutdown().await;
        let closed = told(&format!("http://127.0.0.1:{port}/"), true).await;
        assert!(closed.starts_with(&format!("127.0.0.1:{port}: Connection refused")), "{closed}");
    }
}
