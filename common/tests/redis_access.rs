//! Redis behind TLS and users: whom the connections trust, who they are, and what is said when it doesn't fit.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use candlewire_common::config::Config;
use candlewire_common::connection::RedisTarget;
use candlewire_common::tls;
use candlewire_testkit::wait::PATIENCE;
use candlewire_testkit::{Authority, RedisAccess, RedisOptions, RedisServer, ServerTls, eventually};
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// A server that speaks TLS with a certificate for these names.
async fn server(authority: &Authority, names: &[&str], settings: &[(&str, &str)], asks_clients: bool) -> RedisServer {
    let issued = authority.issue("server", names).unwrap();
    let tls = ServerTls {
        certificate: issued.certificate,
        key: issued.key,
        authority: authority.certificate(),
        asks_clients,
    };
    let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let password = settings.iter().find(|(name, _)| name == "requirepass").map(|(_, password)| password.clone());
    let own = password.map(|password| ("default".to_owned(), password));
    let access = RedisAccess { tls: Some(tls), own, settings, ..RedisAccess::default() };
    RedisServer::start_guarded(RedisOptions::default(), &access).await.unwrap()
}

/// Prepares connections with these lines of `[redis]`.
fn target(url: &str, lines: &str) -> Result<RedisTarget, String> {
    tls::install();
    let text = format!("[redis]\nurl = {url:?}\n{lines}");
    let config = Config::from_text(&text, None, &[]).map_err(|error| error.to_string())?;
    RedisTarget::new(&config.redis).map_err(|error| error.to_string())
}

/// Connects; the refusal is without the address that begins it.
async fn connect(url: &str, lines: &str) -> Result<MultiplexedConnection, String> {
    let target = target(url, lines)?;
    let refused = |line: String| line.split_once(": ").map_or(line.clone(), |(_, cause)| cause.to_owned());
    target.connect_once("any").await.map_err(|fault| refused(fault.to_string()))
}

fn line(key: &str, path: &Path) -> String {
    format!("{key} = \"{}\"\n", path.display())
}

/// Takes the refusal out; [`MultiplexedConnection`] has no words of its own.
fn refusal(outcome: Result<MultiplexedConnection, String>) -> String {
    outcome.map_or_else(|line| line, |_| "connected".to_owned())
}

#[tokio::test]
async fn a_private_authority_is_trusted_once_it_is_named() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new(directory.path()).unwrap();
    let server = server(&authority, &["localhost"], &[], false).await;
    let (url, ca) = (server.tls_url().unwrap(), line("ca_file", &authority.certificate()));

    let mut connection = connect(&url, &ca).await.unwrap();
    redis::cmd("SET").arg("a").arg(1).exec_async(&mut connection).await.unwrap();
    let over_plain: i32 =
        redis::cmd("GET").arg("a").query_async(&mut server.connection().await.unwrap()).await.unwrap();
    assert_eq!(over_plain, 1);

    let stranger = refusal(connect(&url, "").await);
    assert!(stranger.contains("UnknownIssuer") && stranger.contains("redis.ca_file must hold"), "{stranger}");
    let renamed = url.replace("localhost", "127.0.0.1");
    let renamed = refusal(connect(&renamed, &ca).await);
    assert!(renamed.contains("redis.url must have a name or address"), "{renamed}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_one() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new(directory.path()).unwrap();
    let own = authority.issue("own", &["candlewire"]).unwrap();
    let server = server(&authority, &["localhost"], &[], true).await;
    let (url, ca) = (server.tls_url().unwrap(), line("ca_file", &authority.certificate()));

    let shown = format!("{ca}{}{}", line("cert_file", &own.certificate), line("key_file", &own.key));
    assert_eq!(refusal(connect(&url, &shown).await), "connected");

    let without = refusal(connect(&url, &ca).await);
    assert!(without.contains("set redis.cert_file and redis.key_file"), "{without}");
    let elsewhere = TempDir::new().unwrap();
    let foreign = Authority::new(elsewhere.path()).unwrap().issue("own", &["candlewire"]).unwrap();
    let shown = format!("{ca}{}{}", line("cert_file", &foreign.certificate), line("key_file", &foreign.key));
    let strange = refusal(connect(&url, &shown).await);
    assert!(strange.contains("of an authority that the server trusts"), "{strange}");
}

#[tokio::test]
async fn the_only_node_of_a_cluster_is_met_over_tls() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new(directory.path()).unwrap();
    // Nodes tell each other's addresses as numbers, and so must the certificate.
    let settings = [("cluster-enabled", "yes"), ("tls-cluster", "yes"), ("requirepass", "pw")];
    let server = server(&authority, &["localhost", "127.0.0.1"], &settings, false).await;
    let mut watcher = server.connection().await.unwrap();
    redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383).exec_async(&mut watcher).await.unwrap();

    let lines = format!("{}cluster = true\npassword = \"pw\"", line("ca_file", &authority.certificate()));
    let target = target(&server.tls_url().unwrap(), &lines).unwrap();
    // It takes a moment until the node counts the cluster as whole.
    let set = eventually(PATIENCE, async || {
        let mut connection = target.connect_once("cw:meta").await.map_err(|fault| fault.to_string())?;
        let set = redis::cmd("SET").arg("cw:meta").arg(1).exec_async(&mut connection).await;
        set.map_err(|error| error.to_string())
    });
    set.await.unwrap();
}

#[tokio::test]
async fn users_and_passwords_come_from_keys_and_files_and_the_urls_own_first() {
    let directory = TempDir::new().unwrap();
    let users = directory.path().join("users.acl");
    std::fs::write(&users, "user default on >own +@all ~*\nuser reader on >let:me@in +ping +get ~*\n").unwrap();
    let own = Some(("default".to_owned(), "own".to_owned()));
    let access = RedisAccess { own, users: Some(users), ..RedisAccess::default() };
    let server = RedisServer::start_guarded(RedisOptions::default(), &access).await.unwrap();
    let url = format!("redis://127.0.0.1:{}/0", server.port());
    let secret = directory.path().join("password");
    std::fs::write(&secret, "let:me@in\n").unwrap();

    let from_file = format!("username = \"reader\"\n{}", line("password_file", &secret));
    let mut reader = connect(&url, &from_file).await.unwrap();
    let denied = redis::cmd("SET").arg("a").arg(1).exec_async(&mut reader).await.unwrap_err();
    let denied = candlewire_common::connection::describe(&denied);
    assert!(denied.starts_with("NOPERM ") && denied.ends_with("user of redis.username"), "{denied}");
    assert_eq!(refusal(connect(&server.url(), &from_file).await), "connected", "the URL's own come first");

    assert_eq!(
        refusal(connect(&url, "").await),
        "NOAUTH Authentication required: set redis.password_file, and redis.username if it is an ACL user"
    );
    let wrong = refusal(connect(&url, "username = \"reader\"\npassword = \"hunter2\"").await);
    assert!(wrong.ends_with("compare redis.username and its password with the server's users"), "{wrong}");
    assert!(!wrong.contains("hunter2"), "{wrong}");
}

#[test]
fn files_that_can_not_be_used_are_refused_at_start() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new(directory.path()).unwrap();
    let (one, other) = (authority.issue("one", &["a"]).unwrap(), authority.issue("other", &["b"]).unwrap());
    let nowhere = directory.path().join("nowhere");
    let pair = |cert: &Path, key: &Path| format!("{}{}", line("cert_file", cert), line("key_file", key));
    for (lines, expected) in [
        (line("ca_file", &nowhere), "redis.ca_file = \"…/nowhere\": No such file or directory (os error 2)"),
        (line("ca_file", &one.key), "redis.ca_file = \"…/one.key\": holds no certificates in PEM"),
        (pair(&one.key, &one.key), "redis.cert_file = \"…/one.key\": holds no certificates in PEM"),
        (pair(&one.certificate, &one.certificate), "redis.key_file = \"…/one.pem\": holds no private key in PEM"),
        (pair(&one.certificate, &other.key), "redis.key_file = \"…/other.key\": keys may not be consistent"),
        (
            line("password_file", &nowhere),
            "redis.password: secret file …/nowhere: No such file or directory (os error 2)",
        ),
    ] {
        let refused = target("rediss://localhost", &lines).map_or_else(|line| line, |_| "accepted".to_owned());
        let refused = refused.replace(&directory.path().display().to_string(), "…");
        assert!(refused.starts_with(expected), "{lines} gave {refused}");
    }
}
