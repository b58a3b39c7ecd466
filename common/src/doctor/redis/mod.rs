//! Redis: each node that holds keys, and the layout they share.
//!
//! Owns the tour. What a node tells of itself is judged in [`server`], who else can reach it in [`exposure`], its clock in
//! [`clock`], and what the program's user may do in [`permission`]. What a node refuses to tell is said, and no fault.

mod clock;
mod exposure;
mod permission;
mod server;

pub use permission::Need;

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, InfoDict, RedisError};
use tokio::time::Instant;

use super::finding::Finding;
use super::report::Report;
use crate::cluster::Node;
use crate::config::RedisConfig;
use crate::connection::{RESPONSE_TIMEOUT, RedisFault, RedisTarget, describe, server_error};
use crate::exit::Fault;
use crate::meta;
use crate::nodes::Nodes;

/// The settings that are asked for.
const SETTINGS: [&str; 4] = ["appendfsync", "save", "stop-writes-on-bgsave-error", "min-replicas-to-write"];

/// Settings by their names, as far as they were told.
type Settings = HashMap<String, String>;

/// Where a node's findings belong: to all of Redis, or in a cluster to one node.
#[derive(Clone, Debug)]
struct Place(String);

impl Place {
    fn subject(&self, what: &str) -> String {
        format!("redis {what}{}", self.0)
    }
}

/// Looks at all nodes and the layout. Answers with connections for further checks, where Redis answers at all.
///
/// # Errors
///
/// [`Fault::Usage`] where a URL means nothing to the client.
pub async fn look(config: &RedisConfig, needs: &[Need], report: &mut Report) -> Result<Option<Nodes>, Fault> {
    let target = RedisTarget::new(config)?;
    let mut nodes = Nodes::new(target.clone(), RESPONSE_TIMEOUT);
    let masters = match nodes.all().await {
        Ok(masters) => masters,
        Err(error) => {
            report.add(&away(target.address(), &error, &target));
            return Ok(None);
        }
    };
    let mut is_there = false;
    for node in &masters {
        match target.connect_to(node, RESPONSE_TIMEOUT).await {
            Ok(mut connection) => {
                is_there = true;
                let place = Place(if config.cluster { format!(" at {node}") } else { String::new() });
                examine(node, &target, &place, &mut connection, report).await;
            }
            Err(error) => report.add(&away(&node.to_string(), &error, &target)),
        }
    }
    if !is_there {
        return Ok(None);
    }
    report.add(&permission::look(&target, needs).await);
    let layout = layout(config, &mut nodes).await;
    let is_ours = layout.verdict != super::Verdict::Fault;
    report.add(&layout);
    Ok(is_ours.then_some(nodes))
}

async fn examine(
    node: &Node,
    target: &RedisTarget,
    place: &Place,
    connection: &mut MultiplexedConnection,
    report: &mut Report,
) {
    let subject = format!("redis at {node}");
    let started = Instant::now();
    let clock = clock::look(connection, place).await;
    let took = started.elapsed();
    match redis::cmd("INFO").query_async::<InfoDict>(connection).await {
        Ok(info) => {
            let settings = settings(connection).await;
            report.add(&server::version(&subject, &info, took));
            for finding in server::look(&info, &settings, target.is_cluster(), place) {
                report.add(&finding);
            }
        }
        Err(error) => report.add(&untold(&subject, &error)),
    }
    report.add(&clock);
    report.add(&exposure::look(target, node, place).await);
}

/// Asks for settings; none where that is not permitted.
async fn settings(connection: &mut MultiplexedConnection) -> Settings {
    redis::cmd("CONFIG").arg("GET").arg(&SETTINGS).query_async(connection).await.unwrap_or_default()
}

/// The server answers, and does not tell how it is.
fn untold(subject: &str, error: &RedisError) -> Finding {
    if RedisFault::of(error) == RedisFault::Denied {
        let detail = "answers, but its user may not run INFO, so that version, memory and persistence can't be seen, nor \
                      can the ingestor see that memory is short: ACL SETUSER <user> +info";
        return Finding::warning(subject, detail);
    }
    Finding::fault(subject, format!("INFO fails: {}", describe(error)))
}

/// The server can't be used.
fn away(address: &str, error: &RedisError, target: &RedisTarget) -> Finding {
    let subject = format!("redis at {address}");
    let code = server_error(error).map(|error| error.code().to_owned());
    let advice = match (RedisFault::of(error), code.as_deref()) {
        _ if error.kind() == ErrorKind::InvalidClientConfig => return Finding::fault(subject, describe(error)),
        (RedisFault::Denied, Some("NOPERM")) => "its user may not even PING: ACL SETUSER <user> +ping +select",
        // What it refuses says the way out itself.
        (RedisFault::Denied, _) => return Finding::fault(subject, describe(error)),
        (_, Some("LOADING")) => "it reads its data at start: wait until it has",
        (_, Some("MISCONF")) => "it can't write to its disk and refuses everything: is that full? its log says more",
        (_, Some("DENIED")) => "it is in protected mode: set a password there, and redis.password_file here",
        (_, Some("CLUSTERDOWN")) => "some slots have no master: redis-cli --cluster check",
        _ if target.is_tls() => {
            "is it running, is redis.url right, does it speak TLS with a certificate this machine trusts?"
        }
        _ => "is it running, is redis.url right?",
    };
    Finding::fault(subject, format!("{}: {advice}", describe(error)))
}

async fn layout(config: &RedisConfig, nodes: &mut Nodes) -> Finding {
    let subject = "redis layout";
    let connected = async {
        let node = nodes.of(&config.keys.meta()).await?;
        nodes.to(&node).await
    };
    let verified = match connected.await {
        Ok(mut connection) => meta::verify(&mut connection, config).await,
        Err(error) => Err(error.into()),
    };
    match verified {
        Ok(is_there) => {
            let partitions = config.partitions.count();
            Finding::ok(subject, format!("{partitions} partitions{}", if is_there { "" } else { ", not written yet" }))
        }
        Err(error) => Finding::fault(subject, error.to_string()),
    }
}
