//! A private Redis server starts, survives what it should and loses what it should.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use candlewire_testkit::ProgramCommand;
use candlewire_testkit::redis_server::{AppendOnly, Eviction, RedisOptions, RedisServer};
use candlewire_testkit::wait::{PATIENCE, eventually};
use redis::AsyncTypedCommands;

#[tokio::test]
async fn servers_are_separate_and_leave_nothing_behind() {
    let (one, two) =
        tokio::try_join!(RedisServer::start(RedisOptions::default()), RedisServer::start(RedisOptions::default()),)
            .unwrap();
    one.connection().await.unwrap().set("who", "one").await.unwrap();
    assert_eq!(two.connection().await.unwrap().get("who").await.unwrap(), None);

    let (port, directory) = (one.port(), one.directory().to_owned());
    assert!(directory.join("redis.log").is_file());
    assert_ne!(port, 6379);
    drop(one);
    assert!(!directory.exists());
    TcpListener::bind(("127.0.0.1", port)).unwrap();
}

#[tokio::test]
async fn append_only_server_keeps_its_data_over_a_kill() {
    let options = RedisOptions { append_only: AppendOnly::Always, ..RedisOptions::default() };
    let mut server = RedisServer::start(options).await.unwrap();
    let port = server.port();
    server.connection().await.unwrap().set("kept", "yes").await.unwrap();
    server.kill().unwrap();
    assert!(server.connection().await.is_err());
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    assert_eq!(server.connection().await.unwrap().get("kept").await.unwrap().as_deref(), Some("yes"));
}

#[tokio::test]
async fn server_without_append_only_file_comes_back_empty() {
    let mut server = RedisServer::start(RedisOptions::default()).await.unwrap();
    server.connection().await.unwrap().set("kept", "no").await.unwrap();
    server.restart().await.unwrap();
    assert_eq!(server.connection().await.unwrap().get("kept").await.unwrap(), None);
}

#[tokio::test]
async fn paused_server_answers_only_after_it_is_resumed() {
    let mut server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let mut connection = server.connection().await.unwrap();
    server.pause().unwrap();
    let mut ping = Box::pin(connection.ping());
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut ping).await.is_err());
    server.resume().unwrap();
    assert_eq!(ping.await.unwrap(), "PONG");
}

#[tokio::test]
async fn memory_limit_refuses_writes() {
    let options = RedisOptions { memory: Some((2 << 20, Eviction::NoEviction)), ..RedisOptions::default() };
    let server = RedisServer::start(options).await.unwrap();
    let mut connection = server.connection().await.unwrap();
    let mut written = 0;
    let refused = eventually(PATIENCE, async || {
        written += 1;
        match connection.set(format!("key{written}"), "x".repeat(100_000)).await {
            Err(error) if error.code() == Some("OOM") => Ok(()),
            other => Err(format!("write {written}: {other:?}")),
        }
    });
    refused.await.unwrap();
}

#[tokio::test]
async fn server_does_not_outlive_a_killed_owner() {
    // The owner to be killed is this test, run once more.
    if std::env::var_os("OWN_A_SERVER").is_some() {
        let server = RedisServer::start(RedisOptions::default()).await.unwrap();
        std::io::stdout().write_all(format!("\nport {}\n", server.port()).as_bytes()).unwrap();
        std::future::pending::<()>().await;
    }
    // A killed owner can't remove its directory, so it gets one inside a directory of this test.
    let directory = tempfile::tempdir().unwrap();
    let mut owner = ProgramCommand::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "server_does_not_outlive_a_killed_owner"])
        .env("OWN_A_SERVER", "yes")
        .env("TMPDIR", directory.path())
        .spawn()
        .unwrap();
    let line = owner.wait_for_line(|line| line.starts_with("port "), PATIENCE).await.unwrap();
    let port: u16 = line["port ".len()..].parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    owner.kill().unwrap();
    let gone = eventually(PATIENCE, async || match TcpStream::connect(("127.0.0.1", port)) {
        Ok(_) => Err(format!("port {port} still answers")),
        Err(_) => Ok(()),
    });
    gone.await.unwrap();
}

#[tokio::test]
async fn missing_server_says_how_to_install_it() {
    if std::env::var_os("NO_SERVER_INSTALLED").is_some() {
        let error = RedisServer::start(RedisOptions::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "redis-server is not installed: run `make redis`");
        return;
    }
    let finished = ProgramCommand::new(std::env::current_exe().unwrap())
        .args(["--exact", "missing_server_says_how_to_install_it"])
        .env("NO_SERVER_INSTALLED", "yes")
        .env("PATH", "/nowhere")
        .env("TEST_REDIS_SERVER", "")
        .run_to_end(PATIENCE)
        .await
        .unwrap();
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
}

#[tokio::test]
async fn missing_chosen_server_is_named() {
    if std::env::var_os("CHOSEN_SERVER_MISSING").is_some() {
        let error = RedisServer::start(RedisOptions::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "TEST_REDIS_SERVER: no program /nowhere/valkey-server");
        return;
    }
    let finished = ProgramCommand::new(std::env::current_exe().unwrap())
        .args(["--exact", "missing_chosen_server_is_named"])
        .env("CHOSEN_SERVER_MISSING", "yes")
        .env("TEST_REDIS_SERVER", "/nowhere/valkey-server")
        .run_to_end(PATIENCE)
        .await
        .unwrap();
    assert!(finished.status.success(), "{}{}", finished.stdout, finished.stderr);
}
