//! Which addresses a recipient may have.
//!
//! Owns the one rule: unless a recipient allows private addresses, nothing is sent to loopback,
//! private, link-local, metadata, shared or multicast addresses, in whatever notation. A literal one
//! is refused at start; a name is judged each time it is resolved, and only addresses that passed are
//! connected to, so that a name can't change its mind in between.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};

use candlewire_common::ip_range::is_public;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

/// A name has no address that may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name resolves to a private address, which needs allow_private = true")]
pub(crate) struct PrivateAddress;

/// Whether a URL names an address that may not be sent to.
pub(crate) fn is_private_literal(url: &url::Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        // A name is judged when it is resolved.
        Some(Host::Domain(_)) => false,
        None => true,
    }
}

/// Resolves names through the system, and keeps public addresses only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VettedResolver;

impl Resolve for VettedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let found = async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect()) };
        Box::pin(vetted(found, is_public))
    }
}

/// Keeps those of the addresses found that may be connected to. Nothing else is: the client connects to what this
/// returns and asks nobody again.
async fn vetted(
    found: impl Future<Output = io::Result<Vec<SocketAddr>>>,
    may_connect: impl Fn(IpAddr) -> bool,
) -> Result<Addrs, Box<dyn Error + Send + Sync>> {
    let mut found = found.await?;
    found.retain(|address| may_connect(address.ip()));
    if found.is_empty() { Err(PrivateAddress.into()) } else { Ok(Box::new(found.into_iter())) }
}

#[cfg(test)]
mod rebinding;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_notation_of_a_private_address_passes() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a00:1]",
            "[::127.0.0.1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:0:1::1]",
            "[fec0::1]",
        ] {
            let private = url::Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_private_literal(&url));
            assert!(private, "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_pass() {
        for host in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "93.184.216.34",
            "[2606:4700::1111]",
            "[::ffff:1.1.1.1]",
            "[64:ff9b::101:101]",
            "[2002:101:101::1]",
            "example.com",
            "localhost",
        ] {
            let private = url::Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_private_literal(&url));
            assert!(!private, "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing() {
        let Ok(name) = "localhost".parse() else { panic!("no name") };
        let resolved = VettedResolver.resolve(name).await;
        assert_eq!(resolved.err().map(|error| error.to_string()), Some(PrivateAddress.to_string()));
    }

    #[tokio::test]
    async fn of_mixed_addresses_the_public_ones_are_kept_in_their_order() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = ["10.0.0.1:0", "1.1.1.1:0", "[::1]:0", "[2606:4700::1111]:0", "169.254.169.254:0", "8.8.8.8:0"];
        let kept = vetted(std::future::ready(Ok(addresses(&mixed))), is_public).await.unwrap();
        assert_eq!(kept.collect::<Vec<_>>(), addresses(&["1.1.1.1:0", "[2606:4700::1111]:0", "8.8.8.8:0"]));
        let none = vetted(std::future::ready(Ok(addresses(&["192.168.0.1:0", "[fe80::1]:0"]))), is_public).await;
        assert_eq!(none.err().map(|error| error.to_string()), Some(PrivateAddress.to_string()));
    }
}
