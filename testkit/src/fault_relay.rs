//! One connection through a [`FaultProxy`](crate::FaultProxy).
//!
//! Owns both sockets and ends both together. It obeys the proxy's orders between two chunks of bytes, and a cut at any
//! moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::fault_proxy::{Catch, Orders, Shared, Trap};
use crate::resp_counter::RespCounter;

/// How many bytes are passed on at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How long Redis may take to answer the request whose reply is to be lost.
const REPLY_DEADLINE: Duration = Duration::from_secs(5);

/// How much of a marker may lie in the chunk before.
const MARKER_MAX: usize = 64;

/// A connection that is open on both sides.
pub(crate) struct Relay {
    client: TcpStream,
    redis: TcpStream,
    shared: Arc<Shared>,
    requests: RespCounter,
    replies: RespCounter,
    /// The end of what the client sent before: a marker may lie across two chunks.
    sent_before: Vec<u8>,
}

/// Whether the connection goes on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    End,
}

impl Relay {
    /// Passes bytes between `client` and the Redis at `target` until either closes, or an order ends it.
    pub(crate) async fn run(client: TcpStream, target: SocketAddr, shared: Arc<Shared>) {
        let mut orders = shared.orders.subscribe();
        let cuts = orders.borrow().cuts;
        let mut passing = orders.clone();
        tokio::select! {
            _ = orders.wait_for(|orders| orders.cuts != cuts) => {}
            () = Self::pass(client, target, shared, &mut passing) => {}
        }
    }

    async fn pass(client: TcpStream, target: SocketAddr, shared: Arc<Shared>, orders: &mut watch::Receiver<Orders>) {
        if orders.wait_for(|orders| !orders.hung).await.is_err() {
            return;
        }
        let Ok(redis) = TcpStream::connect(target).await else { return };
        // Without it, both would only be slower.
        client.set_nodelay(true).ok();
        redis.set_nodelay(true).ok();
        let (requests, replies) = Default::default();
        let mut relay = Self { client, redis, shared, requests, replies, sent_before: Vec::new() };
        let (mut up, mut down) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
        loop {
            let hung = orders.borrow_and_update().hung;
            let next = tokio::select! {
                changed = orders.changed() => if changed.is_ok() { Next::Go } else { Next::End },
                read = relay.client.read(&mut up), if !hung => match read {
                    Ok(count @ 1..) => relay.request(&up[..count]).await,
                    _ => Next::End,
                },
                read = relay.redis.read(&mut down), if !hung => match read {
                    Ok(count @ 1..) => relay.reply(&down[..count]).await,
                    _ => Next::End,
                },
            };
            if next == Next::End {
                return;
            }
        }
    }

    async fn request(&mut self, chunk: &[u8]) -> Next {
        match self.caught(chunk) {
            None => {
                self.requests.feed(chunk);
                if self.redis.write_all(chunk).await.is_ok() { Next::Go } else { Next::End }
            }
            Some(Catch::Halve) => {
                // If Redis is gone, nothing arrives, which is a fault as good.
                self.redis.write_all(&chunk[..chunk.len() / 2]).await.ok();
                self.spring();
                Next::End
            }
            Some(Catch::LoseReply) => {
                let awaited = self.requests.feed(chunk);
                if self.redis.write_all(chunk).await.is_ok() {
                    // Without an answer in time there is none to lose.
                    timeout(REPLY_DEADLINE, self.swallow(awaited)).await.ok();
                }
                self.spring();
                Next::End
            }
        }
    }

    async fn reply(&mut self, chunk: &[u8]) -> Next {
        self.replies.feed(chunk);
        if self.client.write_all(chunk).await.is_ok() { Next::Go } else { Next::End }
    }

    /// Reads replies, and keeps them back, until `awaited` requests of this connection are answered.
    async fn swallow(&mut self, awaited: u64) {
        let mut down = vec![0; CHUNK_BYTES];
        while self.replies.complete() < awaited {
            match self.redis.read(&mut down).await {
                Ok(count @ 1..) => self.replies.feed(&down[..count]),
                _ => return,
            };
        }
    }

    /// Takes the trap if it catches this chunk.
    fn caught(&mut self, chunk: &[u8]) -> Option<Catch> {
        let mut caught = None;
        self.shared.trap.send_if_modified(|trap| {
            let Trap::Set { catch, marker } = trap else { return false };
            let kept = self.sent_before.len().min(marker.len().saturating_sub(1));
            let text = [&self.sent_before[self.sent_before.len() - kept..], chunk].concat();
            if !marker.is_empty() && !text.windows(marker.len()).any(|window| window == marker) {
                return false;
            }
            caught = Some(*catch);
            *trap = Trap::Shut;
            true
        });
        self.sent_before = chunk[chunk.len().saturating_sub(MARKER_MAX)..].to_vec();
        caught
    }

    fn spring(&self) {
        self.shared.trap.send_if_modified(|trap| {
            let shut = matches!(trap, Trap::Shut);
            if shut {
                *trap = Trap::None;
            }
            shut
        });
    }
}
