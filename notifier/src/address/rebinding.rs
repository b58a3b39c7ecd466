//! Names that change their minds, against a real client and real servers.
//!
//! No address of this machine is public, so another judge stands in: it takes IPv4 and refuses IPv6. The client, its
//! use of a resolver and [`vetted`] are those of the program.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use candlewire_common::tls;
use candlewire_testkit::{Deed, HostileReceiver};
use reqwest::Client;
use url::Url;

use super::*;
use crate::http::{self, Answer, Deadline, NoAnswer};

/// A name server that answers by script.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Resolve for Scripted {
    fn resolve(&self, _: Name) -> Resolving {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_default();
        let found = answer.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
        Box::pin(vetted(std::future::ready(Ok(found)), |address| address.is_ipv4()))
    }
}

/// A public server and a private one on the same port, and a client of the name of both.
struct Stage {
    public: HostileReceiver,
    /// Nothing is ever accepted from it; `None` where this machine has no IPv6.
    private: Option<TcpListener>,
    names: Scripted,
    client: Client,
    url: Url,
}

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PRIVATE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

impl Stage {
    fn new<const N: usize>(deed: Deed, answers: [Vec<IpAddr>; N]) -> Self {
        let public = HostileReceiver::start(deed).unwrap();
        let port = public.address().port();
        let private = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
        if let Some(private) = &private {
            private.set_nonblocking(true).unwrap();
        }
        tls::install();
        let names = Scripted::default();
        names.answers.lock().unwrap().extend(answers);
        let builder = Client::builder().no_proxy().retry(reqwest::retry::never()).tls_certs_only([]);
        let client = builder.dns_resolver(names.clone()).build().unwrap();
        let url = format!("http://hooks.example.com:{port}/hook").parse().unwrap();
        Self { public, private, names, client, url }
    }

    async fn post(&self) -> Result<Answer, NoAnswer> {
        let deadline = Deadline::after(Duration::from_secs(20));
        http::post_json(&self.client, &self.url, &serde_json::json!({}), deadline).await
    }

    fn asked(&self) -> usize {
        self.names.asked.load(Ordering::Relaxed)
    }

    /// Whether nobody has connected to the private server, a connection that waits to be accepted included.
    fn is_private_untouched(&self) -> bool {
        self.private.as_ref().is_none_or(|listener| listener.accept().is_err())
    }
}

/// An answer after which another connection is needed.
fn last() -> Deed {
    Deed::raw("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_name_that_turns_private_is_refused_at_the_next_attempt() {
    let stage = Stage::new(last(), [vec![PUBLIC], vec![PRIVATE], vec![PUBLIC]]);
    assert_eq!(stage.post().await.unwrap().status, 200);
    // It was asked once: what was judged is what was connected to, though another answer was ready.
    assert_eq!((stage.asked(), stage.public.connections()), (1, 1));
    let refused = stage.post().await.unwrap_err().to_string();
    assert_eq!(refused, format!("can't connect: {PrivateAddress}"));
    assert_eq!((stage.asked(), stage.public.connections()), (2, 1));
    // Once it is public again, it is connected to again.
    assert_eq!(stage.post().await.unwrap().status, 200);
    assert_eq!((stage.asked(), stage.public.connections()), (3, 2));
    assert!(stage.is_private_untouched());
}

#[tokio::test]
async fn of_mixed_addresses_no_private_one_is_connected_to() {
    let stage = Stage::new(last(), [vec![PRIVATE, PUBLIC], vec![PUBLIC, PRIVATE]]);
    for _ in 0..2 {
        assert_eq!(stage.post().await.unwrap().status, 200);
    }
    // Nor is it when the public one is down.
    let down = Stage::new(last(), [vec![Ipv4Addr::new(127, 255, 255, 254).into(), PRIVATE]]);
    assert!(down.post().await.is_err_and(|error| error.to_string().starts_with("can't connect")));
    assert!(stage.is_private_untouched() && down.is_private_untouched());
}

#[tokio::test]
async fn a_kept_connection_stays_where_it_was_judged() {
    let stage = Stage::new(Deed::status(200), [vec![PUBLIC], vec![PRIVATE]]);
    for _ in 0..3 {
        assert_eq!(stage.post().await.unwrap().status, 200);
    }
    assert_eq!((stage.asked(), stage.public.connections(), stage.public.received()), (1, 1, 3));
    assert!(stage.is_private_untouched());
}
