//! Who else can reach a Redis: whether it asks for a password, from where it answers, and whether the way is encrypted.
//!
//! Nothing is concluded from settings, which many servers don't tell and which say nothing of firewalls and port
//! mappings: it is tried. A server that is reached over loopback is tried at this machine's own address as well, where
//! others would come to.

use std::net::IpAddr;

use tokio::net::{UdpSocket, lookup_host};

use super::Place;
use crate::cluster::Node;
use crate::connection::RedisTarget;
use crate::doctor::Finding;
use crate::ip_range::is_public;

/// Addresses to nowhere, for which the system says from which of its own it would send. Nothing is sent.
const NOWHERE: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// What was tried, and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exposure {
    /// Whether it takes commands without a password; `None`: that can't be seen.
    is_open: Option<bool>,
    is_tls: bool,
    /// The address it was reached at.
    reached: Option<IpAddr>,
    /// This machine's own addresses at which it takes commands without a password.
    beyond: Vec<IpAddr>,
}

/// Tries what a stranger could do.
pub(super) async fn look(target: &RedisTarget, node: &Node, place: &Place) -> Finding {
    let is_open = target.is_open(node).await;
    let reached = lookup_host((node.host.as_str(), node.port)).await.ok().and_then(|mut found| found.next());
    let reached = reached.map(|address| address.ip());
    let mut beyond = Vec::new();
    // Where TLS is spoken, the certificate is of another name than the address.
    if is_open == Some(true) && reached.is_some_and(|address| address.is_loopback()) && !target.is_tls() {
        for address in own_addresses().await {
            let other = Node { host: address.to_string(), port: node.port };
            if target.is_open(&other).await == Some(true) {
                beyond.push(address);
            }
        }
    }
    judge(&Exposure { is_open, is_tls: target.is_tls(), reached, beyond }, place)
}

/// The addresses that this machine sends from.
async fn own_addresses() -> Vec<IpAddr> {
    let mut own = Vec::new();
    for (here, nowhere) in NOWHERE {
        let Ok(socket) = UdpSocket::bind(here).await else { continue };
        if socket.connect(nowhere).await.is_ok() {
            own.extend(socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified()));
        }
    }
    own
}

fn judge(exposure: &Exposure, place: &Place) -> Finding {
    const PASSWORD: &str = "set a password: requirepass in redis.conf, or an ACL user, and redis.url with it";
    let Exposure { is_open, is_tls, reached, beyond } = exposure;
    let subject = place.subject("access");
    let is_elsewhere = reached.filter(|address| !address.is_loopback());
    if *is_open == Some(true) {
        let at: Vec<IpAddr> = is_elsewhere.into_iter().chain(beyond.iter().copied()).collect();
        if let Some(address) = at.iter().find(|address| is_public(**address)) {
            let detail = format!(
                "anybody who reaches {address} has all of it, without a password: bind it to 127.0.0.1, or {PASSWORD}"
            );
            return Finding::fault(subject, detail);
        }
        if let Some(address) = at.first() {
            let detail = format!("whoever reaches {address} has all of it, without a password: {PASSWORD}");
            return Finding::warning(subject, detail);
        }
        return Finding::ok(subject, "no password, and no way to it was found but from this machine");
    }
    let password =
        if is_open.is_some() { "a password is asked for" } else { "whether it asks for a password can't be seen" };
    match (is_tls, is_elsewhere) {
        (true, _) => Finding::ok(subject, format!("{password}, over TLS")),
        (false, Some(address)) if is_public(address) => {
            let detail = format!("{password}, but it goes over the internet to {address} unencrypted: use rediss://");
            Finding::warning(subject, detail)
        }
        (false, Some(_)) => Finding::ok(subject, format!("{password}, unencrypted over a private network")),
        (false, None) => Finding::ok(subject, password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict::{self, Fault, Ok, Warning};

    fn verdict(is_open: Option<bool>, is_tls: bool, reached: &str, beyond: &[&str]) -> Verdict {
        let beyond = beyond.iter().map(|address| address.parse().unwrap()).collect();
        let exposure = Exposure { is_open, is_tls, reached: reached.parse().ok(), beyond };
        judge(&exposure, &Place(String::new())).verdict
    }

    #[test]
    fn an_open_server_is_judged_by_who_reaches_it() {
        for reached in ["127.0.0.1", "::1"] {
            assert_eq!(verdict(Some(true), false, reached, &[]), Ok);
            assert_eq!(verdict(Some(true), false, reached, &["10.0.0.5"]), Warning);
            assert_eq!(verdict(Some(true), false, reached, &["10.0.0.5", "93.184.216.34"]), Fault);
        }
        assert_eq!(verdict(Some(true), false, "192.168.1.4", &[]), Warning);
        assert_eq!(verdict(Some(true), true, "93.184.216.34", &[]), Fault);
        assert_eq!(verdict(Some(true), false, "2606:4700::1111", &[]), Fault);
    }

    #[test]
    fn a_password_is_not_to_cross_the_internet_unencrypted() {
        for is_open in [Some(false), None] {
            assert_eq!(verdict(is_open, false, "93.184.216.34", &[]), Warning);
            assert_eq!(verdict(is_open, true, "93.184.216.34", &[]), Ok);
            assert_eq!(verdict(is_open, false, "10.0.0.5", &[]), Ok);
            assert_eq!(verdict(is_open, false, "127.0.0.1", &[]), Ok);
            assert_eq!(verdict(is_open, false, "no address", &[]), Ok);
        }
    }

    #[tokio::test]
    async fn the_own_addresses_are_this_machines() {
        for address in own_addresses().await {
            // What can be bound is an address of this machine.
            assert!(UdpSocket::bind((address, 0)).await.is_ok(), "{address}");
        }
    }
}
