//! Who may come to a private Redis server, and how.
//!
//! Owns the settings of TLS and of users, as the server's command line has them. The port that speaks plainly stays
//! open beside the one that speaks TLS: over it the testkit watches the server, whatever is wrong with certificates.

use std::ffi::OsString;
use std::path::PathBuf;

/// What a server asks of those who come. By default nothing.
#[derive(Clone, Debug, Default)]
pub struct RedisAccess {
    /// TLS on a port of its own.
    pub tls: Option<ServerTls>,
    /// Name and password of the user that the testkit itself comes as, both without characters that a URL reserves.
    pub own: Option<(String, String)>,
    /// The file with all users; the testkit's own must be in it.
    pub users: Option<PathBuf>,
    /// Further settings, each as its name and its value.
    pub settings: Vec<(String, String)>,
}

/// A server's certificate, its key, and the authority whose clients it believes.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// The certificate of the authority that clients' certificates must be of, in PEM.
    pub authority: PathBuf,
    /// Whether a client without a certificate is refused.
    pub asks_clients: bool,
}

impl RedisAccess {
    pub(crate) fn arguments(&self, tls_port: Option<u16>) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut set = |name: &str, value: OsString| arguments.extend([format!("--{name}").into(), value]);
        if let (Some(tls), Some(port)) = (&self.tls, tls_port) {
            set("tls-port", port.to_string().into());
            set("tls-cert-file", tls.certificate.clone().into());
            set("tls-key-file", tls.key.clone().into());
            set("tls-ca-cert-file", tls.authority.clone().into());
            set("tls-auth-clients", if tls.asks_clients { "yes" } else { "no" }.into());
        }
        if let Some(users) = &self.users {
            set("aclfile", users.clone().into());
        }
        for (name, value) in &self.settings {
            set(name, value.into());
        }
        arguments
    }
}
