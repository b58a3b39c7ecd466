//! Each fault of the proxy does what it says to a real Redis and its client, and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use candlewire_testkit::wait::{PATIENCE, eventually};
use candlewire_testkit::{FaultProxy, RedisOptions, RedisServer};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, AsyncTypedCommands, RedisResult};
use tokio::net::TcpStream;

/// How long "nothing happens" is watched.
const SILENCE: Duration = Duration::from_millis(100);

struct Bench {
    redis: RedisServer,
    proxy: FaultProxy,
}

impl Bench {
    async fn start() -> Result<Self> {
        let redis = RedisServer::start(RedisOptions::default()).await?;
        let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], redis.port()))).await?;
        Ok(Self { redis, proxy })
    }

    /// Connects through the proxy.
    async fn client(&self) -> RedisResult<MultiplexedConnection> {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        redis::Client::open(self.proxy.url())?.get_multiplexed_async_connection_with_config(&config).await
    }

    /// What Redis holds, asked past the proxy.
    async fn held(&self, key: &str) -> Result<Option<String>> {
        Ok(self.redis.connection().await?.get(key).await?)
    }
}

/// Sets a key in a transaction large enough to reach Redis in many pieces.
async fn transaction(key: &str, client: &mut MultiplexedConnection) -> RedisResult<()> {
    let mut pipe = redis::pipe();
    pipe.atomic().set(key, "applied").ignore();
    for filler in 0..200 {
        pipe.set(format!("filler{filler}"), "x".repeat(1_000)).ignore();
    }
    pipe.exec_async(client).await
}

#[tokio::test]
async fn without_a_fault_all_bytes_pass() -> Result<()> {
    let bench = Bench::start().await?;
    let mut client = bench.client().await?;
    let long = "x".repeat(1 << 20);
    client.set("long", &long).await?;
    assert_eq!(client.get("long").await?, Some(long));
    Ok(())
}

#[tokio::test]
async fn cut_ends_what_is_open_and_nothing_that_comes() -> Result<()> {
    let bench = Bench::start().await?;
    let mut old = bench.client().await?;
    old.set("key", "1").await?;
    bench.proxy.cut();
    assert!(old.get("key").await.is_err());
    let mut new = bench.client().await?;
    assert_eq!(new.get("key").await?.as_deref(), Some("1"));
    Ok(())
}

#[tokio::test]
async fn lost_reply_is_that_of_a_command_that_was_carried_out() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut one, mut two) = (bench.client().await?, bench.client().await?);
    bench.proxy.lose_reply(b"EXEC");
    two.set("other", "1").await?;
    for round in 0..20 {
        let key = format!("key{round}");
        assert!(transaction(&key, &mut one).await.expect_err("a lost reply").is_io_error());
        assert!(bench.proxy.sprung(PATIENCE).await);
        assert_eq!(bench.held(&key).await?.as_deref(), Some("applied"));
        one = bench.client().await?;
        transaction("after", &mut one).await?;
        bench.proxy.lose_reply(b"EXEC");
    }
    // Nobody else was caught.
    two.set("other", "2").await?;
    Ok(())
}

#[tokio::test]
async fn halved_request_has_no_effect() -> Result<()> {
    let bench = Bench::start().await?;
    let (mut one, mut two) = (bench.client().await?, bench.client().await?);
    bench.proxy.halve_request(b"MULTI");
    two.set("other", "1").await?;
    assert!(transaction("key", &mut one).await.is_err());
    assert!(bench.proxy.sprung(PATIENCE).await);
    assert_eq!(bench.held("key").await?, None);
    two.set("other", "2").await?;
    Ok(())
}

#[tokio::test]
async fn hanging_connections_are_silent_until_they_are_resumed() -> Result<()> {
    let bench = Bench::start().await?;
    let mut old = bench.client().await?;
    bench.proxy.hang();
    let mut set = Box::pin(old.set("key", "1"));
    assert!(tokio::time::timeout(SILENCE, &mut set).await.is_err());
    assert_eq!(bench.held("key").await?, None);
    // A new connection is accepted, and as silent.
    let stream = TcpStream::connect(bench.proxy.address()).await?;
    stream.writable().await?;
    stream.try_write(b"PING\r\n")?;
    assert!(tokio::time::timeout(SILENCE, stream.readable()).await.is_err());
    bench.proxy.resume();
    set.await?;
    assert_eq!(bench.held("key").await?.as_deref(), Some("1"));
    stream.readable().await?;
    Ok(())
}

#[tokio::test]
async fn refused_are_only_new_connections() -> Result<()> {
    let bench = Bench::start().await?;
    let mut old = bench.client().await?;
    bench.proxy.refuse();
    let refused = eventually(PATIENCE, async || match TcpStream::connect(bench.proxy.address()).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
    refused.await?;
    old.set("key", "1").await?;
    bench.proxy.resume();
    eventually(PATIENCE, async || bench.client().await.map(drop)).await?;
    Ok(())
}

#[tokio::test]
async fn trap_that_caught_nothing_is_taken_away() -> Result<()> {
    let bench = Bench::start().await?;
    let mut client = bench.client().await?;
    bench.proxy.lose_reply(b"EXEC");
    client.set("key", "1").await?;
    assert!(!bench.proxy.sprung(SILENCE).await);
    transaction("key", &mut client).await?;
    Ok(())
}

#[tokio::test]
async fn dropped_proxy_closes_everything() -> Result<()> {
    let Bench { redis, proxy } = Bench::start().await?;
    let address = proxy.address();
    let client = TcpStream::connect(address).await?;
    drop(proxy);
    client.readable().await?;
    let gone = eventually(PATIENCE, async || match TcpStream::connect(address).await {
        Err(_) => Ok(()),
        Ok(_) => Err("somebody still listens"),
    });
    gone.await?;
    drop(redis);
    Ok(())
}
