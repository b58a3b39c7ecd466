//! Free loopback ports.
//!
//! Owns the choice of a port for a server that has to be told one. The port was free a moment ago and is not
//! reserved: whoever passes it on must be ready to find it taken. A server that can bind port 0 itself should.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Ports below the ranges from which Linux and macOS take the source ports of outgoing connections. A client that
/// keeps dialling a loopback port of that range while its server is down ends up connected to itself, and the
/// server can't bind the port again.
const RANGE: std::ops::Range<u16> = 15_000..30_000;

/// How many ports are tried before giving up.
const TRIES: u32 = 100;

/// Returns a loopback port on which nothing listens.
///
/// # Errors
///
/// The last bind error, if a hundred ports in a row were taken.
pub fn free_port() -> io::Result<u16> {
    let mut tries = 1;
    loop {
        let port = fastrand::u16(RANGE);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if tries == TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_port_can_be_bound() -> io::Result<()> {
        let port = free_port()?;
        assert!(RANGE.contains(&port), "{port}");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop)
    }
}
